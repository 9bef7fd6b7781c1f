package snapshot

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
	_ "github.com/ephemera-go/ephemera/sinks/filestore"
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

// encodings are what is measured.
func encodings() []measured {
	return []measured{
		{"columns+none", readingColumns(), NoCompression},
		{"columns+s2", readingColumns(), S2},
		{"columns+zstd", readingColumns(), Zstd},
		{"fixed+none", readingFixed(), NoCompression},
		{"fixed+s2", readingFixed(), S2},
	}
}

type measured struct {
	name  string
	codec Codec[reading]
	how   Compression
}

// Speeds are bytes of events. What is reported as of-raw is how fast it is in comparison with rawEncode, which runs in
// between.
func BenchmarkEncode(b *testing.B) {
	events := readings(1 << 20)
	buf := make([]byte, len(events)*readingBytes)
	b.Run("raw", func(b *testing.B) {
		b.SetBytes(int64(len(buf)))
		for b.Loop() {
			rawEncode(buf[:0], events)
		}
	})
	for _, x := range encodings() {
		b.Run(x.name, func(b *testing.B) {
			b.SetBytes(int64(len(buf)))
			w := newBlobWriter(kindObject, x.how)
			var scratch []byte
			var raw time.Duration
			size := 0
			for b.Loop() {
				size, scratch = encodeAll(b, w, x.codec, events, scratch)
				b.StopTimer()
				begin := time.Now()
				rawEncode(buf[:0], events)
				raw += time.Since(begin)
				b.StartTimer()
			}
			b.ReportMetric(raw.Seconds()/b.Elapsed().Seconds(), "of-raw")
			b.ReportMetric(float64(size)/float64(len(events)), "B/event")
		})
	}
	b.Run("columns+s2 by two", func(b *testing.B) { // as a Saver does by default
		b.SetBytes(int64(len(buf)))
		halves := [][]reading{events[:len(events)/2], events[len(events)/2:]}
		writers := []*blobWriter{newBlobWriter(kindObject, S2), newBlobWriter(kindObject, S2)}
		scratch := make([][]byte, 2)
		for b.Loop() {
			var both sync.WaitGroup
			for i := range halves {
				both.Go(func() { _, scratch[i] = encodeAll(b, writers[i], readingColumns(), halves[i], scratch[i]) })
			}
			both.Wait()
		}
	})
}

// rawDecode is what every decoding is compared with.
func rawDecode(src []byte) []reading {
	list := make([]reading, len(src)/readingBytes)
	for i := range list {
		b := src[i*readingBytes : (i+1)*readingBytes]
		list[i] = reading{
			int64(binary.LittleEndian.Uint64(b)), binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:]),
			math.Float64frombits(binary.LittleEndian.Uint64(b[24:])),
		}
	}
	return list
}

func BenchmarkDecode(b *testing.B) {
	events := readings(1 << 20)
	plain := rawEncode(nil, events)
	b.Run("raw", func(b *testing.B) {
		b.SetBytes(int64(len(plain)))
		for b.Loop() {
			rawDecode(plain)
		}
	})
	for _, x := range encodings() {
		b.Run(x.name, func(b *testing.B) {
			w := newBlobWriter(kindObject, x.how)
			for part := range slices.Chunk(events, maxBlock) {
				raw, err := x.codec.Append(nil, part)
				if err == nil {
					_, err = w.add(raw)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			blob := w.finish()
			b.SetBytes(int64(len(plain)))
			var r blobReader
			defer r.close()
			var list []reading
			for b.Loop() {
				if err := r.open(bytes.NewReader(blob), int64(len(blob)), kindObject); err != nil {
					b.Fatal(err)
				}
				for range len(events) / maxBlock {
					raw, _, err := r.next()
					if err == nil {
						list, err = x.codec.Decode(list[:0], raw, maxBlock)
					}
					if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// Restoring a store from files, in comparison with reading a file of plain fields and decoding it in one loop.
func BenchmarkRestore(b *testing.B) {
	ctx, folder := context.Background(), b.TempDir()
	events := readings(1 << 20)
	plain := filepath.Join(folder, "plain")
	if err := os.WriteFile(plain, rawEncode(nil, events), 0o644); err != nil {
		b.Fatal(err)
	}
	blobs, err := sinks.OpenBlobs(ctx, "file://"+folder+"/snapshots")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = blobs.Close() }()
	store, o := core.Options[reading]{Capacity: len(events)}, Options[reading]{Codec: readingColumns(), Manual: true}
	s, err := Open(ctx, blobs, store, o)
	if err != nil {
		b.Fatal(err)
	}
	for _, e := range events {
		if _, err := s.Store().Append(e); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(events) * readingBytes))
	var raw time.Duration
	for b.Loop() {
		s, _, err := Load(ctx, blobs, store, o)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		_ = s.Close()
		begin := time.Now()
		data, err := os.ReadFile(plain)
		if err != nil {
			b.Fatal(err)
		}
		rawDecode(data)
		raw += time.Since(begin)
		b.StartTimer()
	}
	b.ReportMetric(b.Elapsed().Seconds()/raw.Seconds(), "times-raw")
}

// The size that the format is meant for: a quarter of the events' own.
func TestReferenceDataIsSmall(t *testing.T) {
	events := readings(1 << 20)
	for _, x := range []struct {
		how  Compression
		most float64 // bytes of an event
	}{{NoCompression, 7.1}, {S2, 6.1}, {Zstd, 5.1}} {
		size, _ := encodeAll(t, newBlobWriter(kindObject, x.how), readingColumns(), events, nil)
		if got := float64(size) / float64(len(events)); got > x.most {
			t.Errorf("%v: %.3f bytes for an event of %d, want at most %v", x.how, got, readingBytes, x.most)
		}
	}
}
