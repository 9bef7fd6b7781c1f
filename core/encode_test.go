package core

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

// encodings are aggregates of many shapes.
func encodings() (summaries []Summary, histograms []*Histogram) {
	r := rand.New(rand.NewPCG(5, 6))
	for n := range 40 {
		var s Summary
		h := new(Histogram)
		for range n * n * n {
			v := r.NormFloat64() * math.Pow(10, float64(r.IntN(30)-15))
			switch r.IntN(50) {
			case 0:
				v = 0
			case 1:
				v = math.NaN()
			case 2:
				v = math.SmallestNonzeroFloat64
			}
			s.Add(v)
			h.Add(v)
		}
		if n%3 == 0 { // pages instead of the packed form
			wide := new(Histogram)
			wide.Merge(h)
			wide.Merge(h)
			h = wide
		}
		summaries, histograms = append(summaries, s), append(histograms, h)
	}
	return summaries, histograms
}

func TestEncodingRoundTrip(t *testing.T) {
	summaries, histograms := encodings()
	for _, want := range summaries {
		b, _ := want.MarshalBinary()
		var got Summary
		if err := got.UnmarshalBinary(b); err != nil || got != want {
			t.Fatalf("summary %+v came back as %+v, %v", want, got, err)
		}
	}
	for _, want := range histograms {
		b, _ := want.MarshalBinary()
		got := new(Histogram)
		if err := got.UnmarshalBinary(b); err != nil {
			t.Fatal(err)
		}
		if again, _ := got.MarshalBinary(); string(again) != string(b) {
			t.Fatal("a histogram changed on its way")
		}
		if got.Count() != want.Count() || got.NonFinite() != want.NonFinite() || got.min != want.min || got.max != want.max {
			t.Fatalf("totals differ: %+v, %+v", got, want)
		}
		for p := 0.0; p <= 100; p++ {
			x, _ := want.Percentile(p)
			if y, _ := got.Percentile(p); x != y {
				t.Fatalf("percentile %v is %v, was %v", p, y, x)
			}
		}
	}
}

func TestEncodingRefusesDamage(t *testing.T) {
	summaries, histograms := encodings()
	s, _ := summaries[9].MarshalBinary()
	h, _ := histograms[9].MarshalBinary()
	for n := range s {
		if err := new(Summary).UnmarshalBinary(s[:n]); !errors.Is(err, ErrEncoding) {
			t.Fatalf("summary cut to %d bytes: %v", n, err)
		}
	}
	for n := range h {
		if err := new(Histogram).UnmarshalBinary(h[:n]); !errors.Is(err, ErrEncoding) {
			t.Fatalf("histogram cut to %d bytes: %v", n, err)
		}
	}
	if err := new(Summary).UnmarshalBinary(append(s, 0)); !errors.Is(err, ErrEncoding) {
		t.Errorf("a byte too many: %v", err)
	}
}

func FuzzHistogramEncoding(f *testing.F) {
	_, histograms := encodings()
	for _, h := range histograms {
		b, _ := h.MarshalBinary()
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		h := new(Histogram)
		if err := h.UnmarshalBinary(data); err != nil {
			if !errors.Is(err, ErrEncoding) {
				t.Fatal(err)
			}
			return
		}
		b, _ := h.MarshalBinary()
		again := new(Histogram)
		if err := again.UnmarshalBinary(b); err != nil {
			t.Fatalf("what was accepted does not come back: %v", err)
		}
	})
}
