package benchmarks

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"math"
	"os"
	"time"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/snapshot"
)

// EventColumns is how events are saved.
func EventColumns() snapshot.Codec[Event] {
	return snapshot.Columns(
		snapshot.IntColumn(func(e *Event) *uint64 { return &e.Key }),
		snapshot.FloatColumn(func(e *Event) *float64 { return &e.Value }),
		snapshot.IntColumn(func(e *Event) *int64 { return &e.At }),
		snapshot.IntColumn(func(e *Event) *uint64 { return &e.Sequence }),
	)
}

// Reading is like what applications measure: times with jitter, a thousand keys, values of two decimals.
func Reading(n uint64) Event {
	return Event{
		Key: uint64(spread(n, 1<<10)), Value: float64(spread(n+1, 1<<14)) / 100,
		At: 1_790_000_000_000_000_000 + int64(n)*1000 + int64(spread(n+2, 1<<8)), Sequence: n,
	}
}

// A Saved is a store with its Saver, which saves by hand.
type Saved struct {
	Blobs sinks.BlobStore
	Saver *snapshot.Saver[Event]
}

// OpenSaved opens the store of a place. The Saver closes neither the place nor saves at the end.
func OpenSaved(ctx context.Context, blobs sinks.BlobStore, name string, capacity int) (*Saved, error) {
	s, err := snapshot.Open(ctx, blobs, core.Options[Event]{Capacity: capacity}, savedOptions(name))
	return &Saved{blobs, s}, err
}

func savedOptions(name string) snapshot.Options[Event] {
	return snapshot.Options[Event]{Name: name, Codec: EventColumns(), Manual: true, NoFinal: true}
}

// Fill appends readings.
func (s *Saved) Fill(n int) error {
	for i := range uint64(n) {
		if _, err := s.Saver.Store().Append(Reading(i)); err != nil {
			return err
		}
	}
	return nil
}

// Restore makes a store of the newest snapshot and returns how many events it has.
func Restore(ctx context.Context, blobs sinks.BlobStore, name string, capacity int) (int, error) {
	s, _, err := snapshot.Load(ctx, blobs, core.Options[Event]{Capacity: capacity}, savedOptions(name))
	if err != nil {
		return 0, err
	}
	return s.Len(), s.Close()
}

// Unsaved is Ordered again, with the code of the two designs below: where the linker puts code costs up to six percent, more
// than what is measured.
func Unsaved(capacity int) Design { return saving(NewOrdered(capacity)) }

// IdleSaved is Unsaved in a Saver on a place in memory. It runs, and takes no snapshot: neither time nor volume is reached.
func IdleSaved(capacity int) Design {
	ctx, cancel := context.WithCancel(context.Background())
	blobs := must(sinks.OpenBlobs(ctx, "mem://"))
	s := must(snapshot.Open(ctx, blobs, core.Options[Event]{Capacity: capacity}, snapshot.Options[Event]{
		Codec: EventColumns(), Interval: time.Hour, EveryEvents: math.MaxInt, NoFinal: true,
	}))
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Run(ctx) }()
	d := saving(s.Store())
	d.Close = func() {
		cancel()
		<-done
		_ = s.Close()
		_ = blobs.Close()
	}
	return d
}

// AlwaysSaved is Unsaved in a Saver on files; Scan takes a snapshot.
func AlwaysSaved(dir string, capacity int) Design {
	ctx := context.Background()
	blobs := must(sinks.OpenBlobs(ctx, "file://"+dir))
	s := must(OpenSaved(ctx, blobs, "", capacity))
	d := saving(s.Saver.Store())
	d.Scan = func() int {
		if err := s.Saver.Save(ctx); err != nil {
			panic(err)
		}
		return int(s.Saver.Stats().Snapshots)
	}
	d.Close = func() {
		_ = s.Saver.Close()
		_ = blobs.Close()
	}
	return d
}

// saving is not inlined, or each design would have a copy of the loop's code at a place of its own.
//
//go:noinline
func saving(s *Store) Design {
	return Design{
		Name:     "saved",
		Append:   func(x uint64) { _, _ = s.Append(Make(x)) },
		Appended: func() uint64 { return s.Ledger().Appended },
		Close:    closing(s),
	}
}

// WritePlain writes readings to a file as plain records of 32 bytes, one after the other.
func WritePlain(path string, n int) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	var b [32]byte
	for i := range uint64(n) {
		e := Reading(i)
		binary.LittleEndian.PutUint64(b[:], e.Key)
		binary.LittleEndian.PutUint64(b[8:], math.Float64bits(e.Value))
		binary.LittleEndian.PutUint64(b[16:], uint64(e.At))
		binary.LittleEndian.PutUint64(b[24:], e.Sequence)
		if _, err := w.Write(b[:]); err != nil {
			_ = f.Close()
			return err
		}
	}
	if err := w.Flush(); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}

// ReadPlain is the least that a restore can be: it reads such a file and decodes it in one loop, without any check.
func ReadPlain(path string) ([]Event, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if len(b)%32 != 0 {
		return nil, io.ErrUnexpectedEOF
	}
	events := make([]Event, len(b)/32)
	for i := range events {
		r := b[i*32 : i*32+32]
		events[i] = Event{
			Key: binary.LittleEndian.Uint64(r), Value: math.Float64frombits(binary.LittleEndian.Uint64(r[8:])),
			At: int64(binary.LittleEndian.Uint64(r[16:])), Sequence: binary.LittleEndian.Uint64(r[24:]),
		}
	}
	return events, nil
}
