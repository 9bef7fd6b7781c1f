package snapshot

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/s2"
)

// heapAllocs returns how many bytes the process has allocated. It is cheap, and exact to about a megabyte.
func heapAllocs() uint64 {
	s := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// limited fails if f allocates more than most, and somewhat for what other goroutines do.
func limited(t *testing.T, most uint64, f func()) {
	t.Helper()
	before := heapAllocs()
	if f(); heapAllocs()-before > most+8<<20 {
		before = heapAllocs() // once more, for others allocate too
		if f(); heapAllocs()-before > most+8<<20 {
			t.Errorf("%d bytes allocated; at most %d are justified", heapAllocs()-before, most)
		}
	}
}

// packFrames writes frames for unpackFrames, which makes a blob of them with right checksums, so that a fuzzer gets behind
// these.
func packFrames(frames ...packedFrame) (b []byte) {
	for _, f := range frames {
		b = binary.AppendUvarint(append(b, f.method), uint64(f.raw))
		b = append(binary.AppendUvarint(b, uint64(len(f.stored))), f.stored...)
	}
	return b
}

func unpackFrames(b []byte) (frames []packedFrame) {
	r := &reader{rest: b}
	for r.err == nil && len(r.rest) > 0 {
		frames = append(frames, packedFrame{r.byte(), uint32(r.below(1 << 32)), r.bytes(r.count(1))})
	}
	return frames
}

func plainFrames(frames ...[]byte) (list []packedFrame) {
	for _, f := range frames {
		list = append(list, packedFrame{storedRaw, uint32(len(f)), f})
	}
	return list
}

// Any bytes as a blob.
func FuzzBlob(f *testing.F) {
	x := newSpecimen(f, 20, S2)
	for _, b := range x.shelf.blobs {
		f.Add(b)
		f.Add(b[:len(b)/2])
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		var r blobReader
		defer r.close()
		limited(t, uint64(readTimes*len(b)+readFree), func() {
			err := eachFrame(context.Background(), &r, bytes.NewReader(b), int64(len(b)), nil, func(frame) error { return nil })
			if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrTooNew) {
				t.Errorf("object: %v", err)
			}
		})
		limited(t, manifestMemory(len(b)), func() {
			_, err := decodeManifest(bytes.NewReader(b), int64(len(b)), DefaultName, 1)
			if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrTooNew) {
				t.Errorf("manifest: %v", err)
			}
		})
	})
}

// Any frames as an object.
func FuzzObject(f *testing.F) {
	head := []byte("head")
	events, err := readingColumns().Append([]byte{blockPlain, 1, 5, 40}, readings(40))
	if err != nil {
		f.Fatal(err)
	}
	names := appendText(appendText([]byte{blockNames, 0, 1, 2}, "a"), "")
	arrived := append(appendInts([]byte{blockArrived, 2, 0, 3}, []int64{1e18, 1e18 + 1, 5}), "123"...)
	f.Add(packFrames(plainFrames(head, events, names, arrived)...))
	f.Add(packFrames(append(plainFrames(head), packedFrame{storedS2, uint32(len(events)), s2.Encode(nil, events)},
		packedFrame{storedZstd, uint32(len(events)), zstdFrame(f, events)})...))
	f.Fuzz(func(t *testing.T, b []byte) {
		blob := forgePacked(kindObject, unpackFrames(b)...)
		var r blobReader
		defer r.close()
		seen := map[blockKey]bool{}
		limited(t, uint64(40*len(blob)+2*readFree), func() {
			clear(seen)
			err := eachFrame(context.Background(), &r, bytes.NewReader(blob), int64(len(blob)), head, func(f frame) error {
				if seen[f.key()] {
					t.Errorf("block %v twice", f.key())
				}
				if seen[f.key()] = true; f.kind == blockNames && len(f.names) != f.count || f.kind == blockArrived != (f.arrived != nil) {
					t.Errorf("%+v", f)
				}
				return nil
			})
			if err != nil && !errors.Is(err, ErrCorrupt) {
				t.Error(err)
			}
		})
	})
}

// Any frames as a manifest. What is read is written the same.
func FuzzManifest(f *testing.F) {
	m := example()
	name := manifestName(DefaultName, m.Ordinal)
	frames := [][]byte{m.appendHead(appendText(nil, name)), m.appendPartitions(), m.appendObjects(), m.appendLineage()}
	for _, s := range m.Sections {
		frames = append(frames, append(appendText(nil, s.Name), s.Data...))
	}
	f.Add(packFrames(plainFrames(frames...)...))
	list := plainFrames(frames...)
	list[1] = packedFrame{storedS2, uint32(len(frames[1])), s2.Encode(nil, frames[1])}
	f.Add(packFrames(list...))
	f.Fuzz(func(t *testing.T, b []byte) {
		frames := unpackFrames(b)
		blob := forgePacked(kindManifest, frames...)
		var m *Manifest
		var err error
		limited(t, manifestMemory(len(blob)), func() { m, err = decodeManifest(bytes.NewReader(blob), int64(len(blob)), DefaultName, 7) })
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Error(err)
			}
			return
		}
		again, err := m.encode(DefaultName, NoCompression)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range frames {
			if x.method != storedRaw {
				return
			}
		}
		if !bytes.Equal(again, blob) {
			t.Errorf("%x\nis written as\n%x", blob, again)
		}
	})
}

// Any bytes as events of all kinds of columns. What is read is written so that it is read the same.
func FuzzColumns(f *testing.F) {
	codec := kindsColumns()
	for _, n := range []int{1, 2, 5} {
		b, err := codec.Append(nil, wild(rand.New(rand.NewPCG(uint64(n), 1)), n))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, n)
	}
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		var got []kinds
		var err error
		limited(t, uint64(40*len(b)), func() { got, err = codec.Decode(nil, b, n) })
		comesBack(t, codec, got, err, n, func(a, b kinds) bool { return a.exact() == b.exact() })
	})
}

// The kinds one by one, which is faster than all of them.
func FuzzColumn(f *testing.F) {
	type one struct {
		I  int64
		I8 int8
		F  float64
		F3 float32
		At time.Time
		S  string
		B  []byte
		OK bool
	}
	codecs := []Codec[one]{
		Columns(IntColumn(func(e *one) *int64 { return &e.I })), Columns(IntColumn(func(e *one) *int8 { return &e.I8 })),
		Columns(FloatColumn(func(e *one) *float64 { return &e.F })), Columns(FloatColumn(func(e *one) *float32 { return &e.F3 })),
		Columns(TimeColumn(func(e *one) *time.Time { return &e.At })), Columns(TextColumn(func(e *one) *string { return &e.S })),
		Columns(BytesColumn(func(e *one) *[]byte { return &e.B })), Columns(BoolColumn(func(e *one) *bool { return &e.OK })),
	}
	for i, codec := range codecs {
		for _, n := range []int{1, 3, 9} {
			var events []one
			for _, e := range wild(rand.New(rand.NewPCG(uint64(n), 2)), n) {
				events = append(events, one{e.I64, e.I8, e.F64, e.F32, e.At, e.S, e.B, e.OK})
			}
			b, err := codec.Append(nil, events)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(byte(i), b, n)
		}
	}
	exact := func(e one) string {
		return kinds{I64: e.I, I8: e.I8, F64: e.F, F32: e.F3, At: e.At, S: e.S, B: e.B, OK: e.OK}.exact()
	}
	f.Fuzz(func(t *testing.T, which byte, b []byte, n int) {
		codec := codecs[int(which)%len(codecs)]
		var got []one
		var err error
		limited(t, uint64(200*len(b)), func() { got, err = codec.Decode(nil, b, n) })
		comesBack(t, codec, got, err, n, func(a, b one) bool { return exact(a) == exact(b) })
	})
}

// comesBack wants events that were read to be written, and read again, as they are.
func comesBack[E any](t *testing.T, codec Codec[E], got []E, err error, n int, equal func(a, b E) bool) {
	t.Helper()
	if err != nil {
		if !errors.Is(err, ErrCorrupt) || len(got) > 0 {
			t.Errorf("%d events, %v", len(got), err)
		}
		return
	}
	if len(got) != n {
		t.Fatalf("%d events, want %d", len(got), n)
	}
	b, err := codec.Append(nil, got)
	if err != nil {
		t.Fatal(err)
	}
	back, err := codec.Decode(nil, b, n)
	if err != nil || len(back) != n {
		t.Fatalf("%d events instead of %d: %v", len(back), n, err)
	}
	for i := range got {
		if !equal(got[i], back[i]) {
			t.Errorf("event %d of %d: %+v became %+v", i, n, got[i], back[i])
		}
	}
}

func FuzzFixed(f *testing.F) {
	codec := readingFixed()
	b, _ := codec.Append(nil, readings(3))
	f.Add(b, 3)
	f.Add(b, -1)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		var got []reading
		var err error
		limited(t, uint64(10*len(b)), func() { got, err = codec.Decode(nil, b, n) })
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Error(err)
			}
			return
		}
		if again, err := codec.Append(nil, got); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%x is written as %x, %v", b, again, err)
		}
	})
}

// A note is an event of JSON.
type note struct {
	Text  string            `json:"text"`
	N     int64             `json:"n"`
	F     float64           `json:"f"`
	Small uint8             `json:"small"`
	At    time.Time         `json:"at"`
	Tags  map[string]string `json:"tags,omitempty"`
	List  []float32         `json:"list,omitempty"`
	Any   any               `json:"any,omitempty"`
	Next  *note             `json:"next,omitempty"`
}

func FuzzJSON(f *testing.F) {
	codec := JSON[note]()
	events := []note{
		{},
		{Text: "line\nline \u2028 <html> grün", N: -1 << 63, F: 1e300, At: time.Unix(1, 1).UTC(), Tags: map[string]string{"a": "b"}},
		{List: []float32{1, 2.5}, Any: []any{"x", 1.5, nil, true}, Next: &note{Small: 255}},
	}
	b, err := codec.Append(nil, events)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b, 3)
	f.Add([]byte("{\"n\":1e400}\n"), 1)
	f.Add([]byte("null\n"), 1)
	f.Add([]byte("{\"n\":9223372036854775808,\"any\":123456789012345678901234567890}\n"), 1)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		var got []note
		var err error
		limited(t, uint64(300*len(b)), func() { got, err = codec.Decode(nil, b, n) })
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Error(err)
			}
			return
		}
		if b, err = codec.Append(nil, got); err != nil {
			return // such as a year that JSON cannot say
		}
		back, err := codec.Decode(nil, b, n)
		if diff := cmp.Diff(got, back); n > 0 && (err != nil || diff != "") {
			t.Errorf("%v %s", err, diff)
		}
	})
}
