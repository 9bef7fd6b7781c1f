package snapshot

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
)

// reading is the reference event: 32 bytes, as an application's measurements would be.
type reading struct {
	TS  int64 // Unix nanoseconds
	Seq uint64
	Key uint64
	Val float64
}

// readings returns n events a microsecond apart, of 1,000 keys, with values of two decimals.
func readings(n int) []reading {
	r := rand.New(rand.NewPCG(1, 2))
	list := make([]reading, n)
	ts := int64(1_790_000_000_000_000_000)
	for i := range list {
		ts += 800 + r.Int64N(400)
		list[i] = reading{Key: r.Uint64N(1000), Val: math.Round(r.NormFloat64()*1000+20000) / 100, TS: ts, Seq: uint64(i)}
	}
	return list
}

func readingColumns() Codec[reading] {
	return Columns(
		IntColumn(func(e *reading) *int64 { return &e.TS }),
		IntColumn(func(e *reading) *uint64 { return &e.Seq }),
		IntColumn(func(e *reading) *uint64 { return &e.Key }),
		FloatColumn(func(e *reading) *float64 { return &e.Val }),
	)
}

func readingFixed() Codec[reading] {
	return Fixed("reading", 32, func(b []byte, e *reading) {
		binary.LittleEndian.PutUint64(b, uint64(e.TS))
		binary.LittleEndian.PutUint64(b[8:], e.Seq)
		binary.LittleEndian.PutUint64(b[16:], e.Key)
		binary.LittleEndian.PutUint64(b[24:], math.Float64bits(e.Val))
	}, func(b []byte, e *reading) error {
		e.TS = int64(binary.LittleEndian.Uint64(b))
		e.Seq = binary.LittleEndian.Uint64(b[8:])
		e.Key = binary.LittleEndian.Uint64(b[16:])
		e.Val = math.Float64frombits(binary.LittleEndian.Uint64(b[24:]))
		return nil
	})
}

const readingBytes = 32

// rawEncode is what every encoding is compared with: the plain fields, one after the other.
func rawEncode(dst []byte, events []reading) []byte {
	for i := range events {
		e := &events[i]
		dst = binary.LittleEndian.AppendUint64(dst, uint64(e.TS))
		dst = binary.LittleEndian.AppendUint64(dst, e.Seq)
		dst = binary.LittleEndian.AppendUint64(dst, e.Key)
		dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(e.Val))
	}
	return dst
}

// encodeAll writes events as a Saver does, in blocks of maxBlock events, and returns the bytes of the frames.
func encodeAll(tb testing.TB, w *blobWriter, codec Codec[reading], events []reading, scratch []byte) (size int, grown []byte) {
	for len(events) > 0 {
		n := min(len(events), maxBlock)
		raw, err := codec.Append(scratch[:0], events[:n])
		if err != nil {
			tb.Fatal(err)
		}
		if _, err := w.add(raw); err != nil {
			tb.Fatal(err)
		}
		if w.size() > objectBytes {
			size += len(w.finish())
			w.reset(kindObject)
		}
		scratch, events = raw, events[n:]
	}
	size += len(w.finish())
	w.reset(kindObject)
	return size, scratch
}

func BenchmarkEncode(b *testing.B) {
	events := readings(1 << 20)
	b.Run("raw", func(b *testing.B) {
		b.SetBytes(int64(len(events) * readingBytes))
		buf := make([]byte, 0, len(events)*readingBytes)
		clear(buf[:cap(buf)])
		for b.Loop() {
			buf = rawEncode(buf[:0], events)
		}
	})
	for _, x := range []struct {
		name  string
		codec Codec[reading]
		how   Compression
	}{
		{"columns+none", readingColumns(), None},
		{"columns+s2", readingColumns(), S2},
		{"columns+zstd", readingColumns(), Zstd},
		{"fixed+none", readingFixed(), None},
		{"fixed+s2", readingFixed(), S2},
	} {
		b.Run(x.name, func(b *testing.B) {
			b.SetBytes(int64(len(events) * readingBytes))
			w := newBlobWriter(kindObject, x.how)
			size := 0
			var scratch []byte
			for b.Loop() {
				size, scratch = encodeAll(b, w, x.codec, events, scratch)
			}
			b.ReportMetric(float64(size)/float64(len(events)), "B/event")
		})
	}
}
