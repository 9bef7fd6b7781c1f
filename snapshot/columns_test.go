package snapshot

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// sizes are those around the borders of groups.
var sizes = []int{0, 1, 2, 3, 15, 16, 17, 33, groupSize - 1, groupSize, groupSize + 1, 2*groupSize + 5}

func TestColumnsRoundTrip(t *testing.T) {
	codec := kindsColumns()
	for seed := range uint64(24) {
		r := rand.New(rand.NewPCG(seed, 1))
		for _, n := range sizes {
			if n > groupSize && seed > 5 {
				continue
			}
			events := wild(r, n)
			b, err := codec.Append([]byte("front"), events)
			if err != nil {
				t.Fatalf("seed %d, %d events: %v", seed, n, err)
			}
			again, _ := codec.Append(nil, events)
			if !bytes.Equal(b[5:], again) || string(b[:5]) != "front" {
				t.Fatalf("seed %d, %d events: other bytes the second time", seed, n)
			}
			back, err := codec.Decode(make([]kinds, 1, 2+n/2), again, n)
			if err != nil || len(back) != 1+n {
				t.Fatalf("seed %d, %d events: %d of them, %v", seed, n, len(back)-1, err)
			}
			for i := range events {
				if a, b := events[i].exact(), back[1+i].exact(); a != b {
					t.Fatalf("seed %d, event %d of %d:\n%s\nbecame\n%s", seed, i, n, a, b)
				}
			}
		}
	}
}

// Every codec in every compression, through the frames of a blob.
func TestCodecsInEveryCompression(t *testing.T) {
	all := readings(3000)
	for _, how := range []Compression{S2, Zstd, NoCompression} {
		for _, codec := range []Codec[reading]{readingColumns(), readingFixed(), JSON[reading]()} {
			for _, n := range sizes {
				want := all[:n]
				w := newBlobWriter(kindObject, how)
				raw, err := codec.Append(nil, want)
				if err == nil {
					_, err = w.add(raw)
				}
				if err != nil {
					t.Fatal(err)
				}
				blob := w.finish()
				var b blobReader
				if err := b.open(bytes.NewReader(blob), int64(len(blob)), kindObject); err != nil {
					t.Fatal(err)
				}
				got, _, err := b.next()
				if err != nil || !bytes.Equal(got, raw) {
					t.Fatalf("%v, %s, %d events: %v", how, codec.Name(), n, err)
				}
				back, err := codec.Decode(nil, got, n)
				if err != nil {
					t.Fatalf("%v, %s, %d events: %v", how, codec.Name(), n, err)
				}
				if diff := cmp.Diff(want, back); n > 0 && diff != "" {
					t.Fatalf("%v, %s: %s", how, codec.Name(), diff)
				}
				b.close()
			}
		}
	}
}

// What a group of numbers takes is what its numbers need.
func TestIntsAreAsShortAsTheyCanBe(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, x := range []struct {
		name  string
		make  func(i int) int64
		bytes float64 // of one number, at most
	}{
		{"constant", func(int) int64 { return math.MinInt64 }, 1.02},
		{"steady", func(i int) int64 { return 1_790_000_000_000_000_000 + int64(i)*1_000_000_007 }, 1.03},
		{"steady across the end of int64", func(i int) int64 { return math.MaxInt64 - 500*977 + int64(i)*977 }, 1.03},
		{"small", func(int) int64 { return r.Int64N(256) }, 1.02},
		{"small around zero", func(int) int64 { return r.Int64N(256) - 128 }, 1.02},
		{"two bytes", func(int) int64 { return 1<<40 + r.Int64N(1<<16) }, 2.02},
		{"three bytes", func(int) int64 { return r.Int64N(1 << 24) }, 3.02},
		{"seven bytes", func(int) int64 { return r.Int64N(1 << 56) }, 7.02},
		{"eight bytes", func(int) int64 { return int64(r.Uint64()) }, 8.02},
		{"rare great ones", func(int) int64 { return r.Int64N(100) << (r.Int64N(50) / 49 * 40) }, 1.2},
		{"rare long pauses", func() func(int) int64 {
			at := int64(0)
			return func(int) int64 { at += 900 + r.Int64N(100) + r.Int64N(200)/199*1e12; return at }
		}(), 2.2},
	} {
		var v [groupSize]int64
		for i := range v {
			v[i] = x.make(i)
		}
		b := appendInts(nil, v[:])
		var got [groupSize]int64
		in := &reader{rest: b}
		if readInts(in, got[:]); in.end() != nil || got != v {
			t.Errorf("%s: %v", x.name, in.err)
		}
		if n := float64(len(b)) / groupSize; n > x.bytes {
			t.Errorf("%s: %.3f bytes for a number, want at most %v", x.name, n, x.bytes)
		}
	}
}

// The sample may miss everything.
func TestIntsThatTheSampleDoesNotShow(t *testing.T) {
	for _, n := range []int{2, 3, 100, groupSize} {
		for at := range n {
			for _, odd := range []int64{1 << 7, 1 << 8, 1 << 16, -1 << 16, math.MaxInt64, math.MinInt64} {
				v := make([]int64, n)
				v[at] = odd
				got := make([]int64, n)
				r := &reader{rest: appendInts(nil, v)}
				if readInts(r, got); r.end() != nil || !slices.Equal(got, v) {
					t.Fatalf("%d of %d at %d: %v", odd, n, at, r.err)
				}
			}
		}
	}
}

func TestDecimalsAreWholeNumbers(t *testing.T) {
	group := func(v ...float64) []byte {
		type one struct{ F float64 }
		codec := Columns(FloatColumn(func(e *one) *float64 { return &e.F }))
		events := make([]one, len(v))
		for i := range v {
			events[i].F = v[i]
		}
		b, err := codec.Append(nil, events)
		if err != nil {
			t.Fatal(err)
		}
		back, err := codec.Decode(nil, b, len(v))
		if err != nil {
			t.Fatal(err)
		}
		for i := range v {
			if math.Float64bits(back[i].F) != math.Float64bits(v[i]) {
				t.Fatalf("%v became %v", v[i], back[i].F)
			}
		}
		return b
	}
	for _, x := range []struct {
		way byte
		v   []float64
	}{
		{0, []float64{0, 1, -5, 1 << 50}},
		{0, []float64{1<<51 - 1}},
		{1, []float64{0.5, 1}},
		{2, []float64{0.1, 0.25, 1e9 + 0.01}},
		{6, []float64{0.000001, 123456.654321}},
		{floatsBits, []float64{1 << 51}},
		{floatsBits, []float64{1, math.Copysign(0, -1)}},
		{floatsBits, []float64{math.Pi}},
		{floatsBits, []float64{0.1, math.NaN()}},
		{floatsBits, []float64{math.Inf(-1)}},
		{floatsBits, []float64{5e-324}},
		{floatsBits, []float64{1e-7}},
		{floatsBits, []float64{1e300, 1}},
	} {
		if b := group(x.v...); b[0] != x.way {
			t.Errorf("%v are written in way %d, want %d", x.v, b[0], x.way)
		}
	}
	// A decimal fraction of 32 bits is not one of 64.
	type one struct{ F float32 }
	b, _ := Columns(FloatColumn(func(e *one) *float32 { return &e.F })).Append(nil, []one{{0.1}, {21.7}})
	if b[0] != 1 {
		t.Errorf("0.1 and 21.7 in 32 bits are written in way %d", b[0])
	}
}

// What does not fit the field is refused, and so is everything that Append does not write.
func TestColumnsRefuse(t *testing.T) {
	ints := func(width int, v ...int64) []byte {
		p := packing{width: width}
		dst := make([]byte, 0, 1000)
		if width == intsVarint {
			return p.varints(p.head(dst), v)
		}
		b, _ := p.fixed(p.head(dst), v)
		return b
	}
	cat := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	type event struct {
		I8  int8
		U32 uint32
		F   float32
		At  time.Time
		S   string
		B   []byte
		OK  bool
	}
	i8 := Columns(IntColumn(func(e *event) *int8 { return &e.I8 }))
	u32 := Columns(IntColumn(func(e *event) *uint32 { return &e.U32 }))
	f32 := Columns(FloatColumn(func(e *event) *float32 { return &e.F }))
	at := Columns(TimeColumn(func(e *event) *time.Time { return &e.At }))
	text := Columns(TextColumn(func(e *event) *string { return &e.S }))
	data := Columns(BytesColumn(func(e *event) *[]byte { return &e.B }))
	bools := Columns(BoolColumn(func(e *event) *bool { return &e.OK }))
	for _, x := range []struct {
		name  string
		codec Codec[event]
		src   []byte
		n     int
		ok    bool
	}{
		{"int8 127", i8, ints(8, 127), 1, true},
		{"int8 128", i8, ints(8, 128), 1, false},
		{"int8 -129", i8, ints(8, -129), 1, false},
		{"uint32 2^32-1", u32, ints(8, math.MaxUint32), 1, true},
		{"uint32 2^32", u32, ints(8, 1<<32), 1, false},
		{"uint32 -1", u32, ints(8, -1), 1, false},
		{"width 9", i8, []byte{9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 1, false},
		{"way 0x20", i8, []byte{0x20, 0, 0}, 1, false},
		{"way 0x19", i8, []byte{0x19, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 1, false},
		{"varint", u32, ints(intsVarint, 300), 1, true},
		{"varint too long", u32, []byte{0, 0, 0x81, 0x00}, 1, false},
		{"varint of 65 bits", u32, cat([]byte{0, 0}, bytes.Repeat([]byte{0xff}, 9), []byte{2}), 1, false},
		{"varint without end", u32, cat([]byte{0, 0}, bytes.Repeat([]byte{0x80}, 20)), 1, false},
		{"base too long", u32, []byte{1, 0x80, 0x00, 5}, 1, false},
		{"one number missing", u32, ints(2, 1, 2, 3), 4, false},
		{"one number too many", u32, ints(2, 1, 2, 3), 2, false},
		{"half a number", u32, ints(2, 1, 2, 3)[:7], 3, false},
		{"7 decimals", f32, cat([]byte{7}, ints(1, 1)), 1, false},
		{"6 decimals", f32, cat([]byte{6}, ints(1, 1)), 1, true},
		{"float32 bits", f32, cat([]byte{255}, ints(8, math.MaxUint32)), 1, true},
		{"float32 bits of 33", f32, cat([]byte{255}, ints(8, 1<<32)), 1, false},
		{"float32 negative bits", f32, cat([]byte{255}, ints(8, -1)), 1, false},
		{"times in way 2", at, cat([]byte{2}, ints(8, 0)), 1, false},
		{"nanoseconds", at, cat([]byte{timesNano}, ints(8, math.MinInt64)), 1, true},
		{"2^63 seconds", at, cat([]byte{timesBoth}, ints(8, math.MinInt64), ints(8, 999_999_999)), 1, true},
		{"a second of nanoseconds", at, cat([]byte{timesBoth}, ints(8, 0), ints(8, 1e9)), 1, false},
		{"negative nanoseconds", at, cat([]byte{timesBoth}, ints(8, 0), ints(8, -1)), 1, false},
		{"text", text, cat(ints(1, 1, 2), []byte("abc")), 2, true},
		{"text of negative length", text, cat(ints(8, -1, 4), []byte("abc")), 2, false},
		{"text beyond the end", text, cat(ints(1, 1, 3), []byte("abc")), 2, false},
		{"text before the end", text, cat(ints(1, 1, 1), []byte("abc")), 2, false},
		{"texts that add up to 2^64", text, cat(ints(8, math.MaxInt64, math.MaxInt64, 5), []byte("abc")), 3, false},
		{"nil and empty", data, ints(8, -1, 0), 2, true},
		{"bytes of length -2", data, ints(8, -2, 0), 2, false},
		{"true", bools, []byte{1, 0}, 2, true},
		{"a boolean of 2", bools, []byte{2, 0}, 2, false},
		{"one boolean of two", bools, []byte{1}, 2, false},
		{"nothing", i8, nil, 0, true},
		{"something for nothing", i8, []byte{1}, 0, false},
		{"a negative number of events", i8, []byte{1, 2}, -1, false},
		{"more events than bytes", bools, []byte{1, 0}, 3, false},
	} {
		got, err := x.codec.Decode(nil, x.src, x.n)
		switch {
		case x.ok && (err != nil || len(got) != x.n):
			t.Errorf("%s: %d events, %v", x.name, len(got), err)
		case !x.ok && (!errors.Is(err, ErrCorrupt) || len(got) != 0):
			t.Errorf("%s: %d events, %v; want ErrCorrupt", x.name, len(got), err)
		}
	}
}

func TestTimesAreInstants(t *testing.T) {
	type event struct{ At time.Time }
	codec := Columns(TimeColumn(func(e *event) *time.Time { return &e.At }))
	local := time.FixedZone("elsewhere", 3600)
	want := time.Date(2026, 3, 4, 5, 6, 7, 8, local)
	b, err := codec.Append(nil, []event{{want}})
	if err != nil {
		t.Fatal(err)
	}
	if back, err := codec.Decode(nil, b, 1); err != nil || !back[0].At.Equal(want) || back[0].At != want.UTC() {
		t.Errorf("%v became %v, %v", want, back, err)
	}
}

func TestColumnsNames(t *testing.T) {
	if got, want := kindsColumns().Name(), "columns("+strings.Repeat("int,", 12)+"float32,float64,float32,float64,time,text,text,bytes,bytes,bool,bool)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	zero := Columns(Column[kinds]{}, IntColumn[kinds, int](nil), FloatColumn[kinds, float64](nil), TimeColumn[kinds](nil), TextColumn[kinds, string](nil),
		BytesColumn[kinds, []byte](nil), BoolColumn[kinds, bool](nil))
	for _, codec := range []Codec[kinds]{Columns[kinds](), zero, Fixed[kinds]("", 1, nil, nil), Fixed("x", 0, func([]byte, *kinds) {}, func([]byte, *kinds) error { return nil })} {
		o := Options[kinds]{Codec: codec}
		o.setDefaults()
		if err := o.validate(); !errors.Is(err, ErrOption) || !strings.Contains(fmt.Sprint(err), "Codec") {
			t.Errorf("%s: %v, want ErrOption that names Codec", codec.Name(), err)
		}
	}
}

func TestFixedRefuses(t *testing.T) {
	codec := readingFixed()
	src := make([]byte, 3*readingBytes)
	for n := -1; n < 5; n++ {
		got, err := codec.Decode(nil, src, n)
		if n == 3 != (err == nil) || err != nil && !errors.Is(err, ErrCorrupt) {
			t.Errorf("%d events of 3: %d, %v", n, len(got), err)
		}
	}
	// On a 32-bit machine the product would be 0.
	huge := Fixed("huge", 1<<16, func([]byte, *int) {}, func([]byte, *int) error { return nil })
	if _, err := huge.Decode(nil, nil, maxBlock); !errors.Is(err, ErrCorrupt) {
		t.Errorf("%v, want ErrCorrupt", err)
	}
	failing := Fixed("failing", 8, func(b []byte, e *uint64) { binary.LittleEndian.PutUint64(b, *e) }, func(b []byte, e *uint64) error {
		if *e = binary.LittleEndian.Uint64(b); *e == 7 {
			return errors.New("seven")
		}
		return nil
	})
	b, _ := failing.Append(nil, []uint64{6, 7})
	if _, err := failing.Decode(nil, b, 2); !errors.Is(err, ErrCorrupt) {
		t.Errorf("%v, want ErrCorrupt", err)
	}
}
