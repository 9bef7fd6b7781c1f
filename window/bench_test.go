package window

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

func benchWindow(b *testing.B, o Options) *Window {
	b.Helper()
	w, err := New(context.Background(), o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = w.Close() })
	return w
}

// The price of a raise beside that of an append of the same record with the same clock.
func BenchmarkRaise(b *testing.B) {
	b.Run("core", func(b *testing.B) {
		s, err := core.New(core.Options[record]{Capacity: DefaultCapacity})
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		c := startTicker()
		defer c.stop()
		b.ReportAllocs()
		for b.Loop() {
			v := c.word.Load()
			_, _ = s.Append(record{sec: int64(v >> nsecBits), nsec: uint32(v & nsecMask), name: 1, key: "order-17"})
		}
	})
	b.Run("core-arrival", func(b *testing.B) {
		s, err := core.New(core.Options[record]{Capacity: DefaultCapacity, Arrival: true})
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		b.ReportAllocs()
		for b.Loop() {
			_, _ = s.Append(record{name: 1, key: "order-17"})
		}
	})
	b.Run("name", func(b *testing.B) {
		n, _ := benchWindow(b, Options{}).Intern("order.completed")
		b.ReportAllocs()
		for b.Loop() {
			_, _ = n.Raise("order-17")
		}
	})
	b.Run("name-unsampled", func(b *testing.B) {
		n, _ := benchWindow(b, Options{SampleEvery: 1 << 40}).Intern("order.completed")
		b.ReportAllocs()
		for b.Loop() {
			_, _ = n.Raise("order-17")
		}
	})
	b.Run("string", func(b *testing.B) {
		w := benchWindow(b, Options{})
		b.ReportAllocs()
		for b.Loop() {
			_, _ = w.Raise("order.completed", "order-17")
		}
	})
	b.Run("batch64", func(b *testing.B) {
		w := benchWindow(b, Options{})
		batch := make([]Signal, 64)
		for i := range batch {
			batch[i] = Signal{Name: "order.completed", Key: "order-17"}
		}
		b.ReportAllocs()
		for b.Loop() {
			_, _ = w.RaiseBatch(batch)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/64, "ns/signal")
	})
}

var (
	sink             int
	ballast, scratch []byte
)

// BenchmarkSense compares Sense over 1,000 names with loops over a slice of the same signals. A service has other things
// on its heap, 64 MiB here: in the few MB of a small window the collector would run all the time and decide the figures.
// Memory is used up once before, so that nobody is given new pages of the system.
func BenchmarkSense(b *testing.B) {
	const chunk = 1 << 20
	ballast = make([]byte, 64*chunk)
	defer func() { ballast, scratch = nil, nil }()
	for range 192 {
		scratch = make([]byte, chunk)
		for i := 0; i < chunk; i += 1 << 12 {
			scratch[i] = 1
		}
	}
	for _, n := range []int{10_000, 1_000_000} {
		b.Run(fmt.Sprintf("signals=%d", n), func(b *testing.B) {
			w, list := sensed(b, n)
			b.Run("share=0.1%", func(b *testing.B) { benchSense(b, w, list, "ord07.") })
			b.Run("share=10%", func(b *testing.B) { benchSense(b, w, list, "ord") })
			b.Run("share=100%", func(b *testing.B) { benchSense(b, w, list, "") })
		})
	}
}

// sensed returns a window of n signals and a slice with the same.
func sensed(b *testing.B, n int) (*Window, []Signal) {
	b.Helper()
	var names [1000]string
	for k := range names {
		names[k] = fmt.Sprintf("s%03d.done", k)
		if k < 100 {
			names[k] = fmt.Sprintf("ord%02d.done", k)
		}
	}
	w := benchWindow(b, Options{Capacity: n, MaxAge: time.Hour})
	r := rand.New(rand.NewPCG(1, 2))
	for range n {
		if _, err := w.Raise(names[r.IntN(len(names))], "key"); err != nil {
			b.Fatal(err)
		}
	}
	list, err := w.Sense("")
	if err != nil || len(list) != n {
		b.Fatal(len(list), err)
	}
	return w, list
}

func benchSense(b *testing.B, w *Window, list []Signal, prefix string) {
	pattern, want := prefix+"*", 0
	for i := range list {
		if strings.HasPrefix(list[i].Name, prefix) {
			want++
		}
	}
	for _, c := range []struct {
		name string
		f    func() int
	}{
		{"sense", func() int {
			got, _ := w.Sense(pattern)
			return len(got)
		}},
		{"count", func() int {
			n, _ := w.Find(pattern).Count()
			return n
		}},
		{"hasprefix", func() int {
			var got []Signal
			for i := range list {
				if strings.HasPrefix(list[i].Name, prefix) {
					got = append(got, list[i])
				}
			}
			return len(got)
		}},
		{"hasprefix-sized", func() int { // as if somebody knew how many there are
			got := make([]Signal, 0, want)
			for i := range list {
				if strings.HasPrefix(list[i].Name, prefix) {
					got = append(got, list[i])
				}
			}
			return len(got)
		}},
		{"path.Match", func() int {
			var got []Signal
			for i := range list {
				if ok, _ := path.Match(pattern, list[i].Name); ok {
					got = append(got, list[i])
				}
			}
			return len(got)
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				sink = c.f()
			}
			if sink != want {
				b.Fatalf("%d of %d signals", sink, want)
			}
		})
	}
}
