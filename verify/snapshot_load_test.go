package verify

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/snapshot"
)

// TestSnapshotUnderFullLoad saves back to back while two writers append as fast as they can: every save succeeds, each holds
// a contiguous part of what was appended, with everything that had been appended before it began; and in the end every
// event is accounted for.
func TestSnapshotUnderFullLoad(t *testing.T) {
	for _, p := range places() {
		t.Run(p.name, func(t *testing.T) {
			b := openPlace(t, p.url(t))
			var delivered atomic.Uint64
			o := victimOptions()
			o.Capacity *= 10
			o.OnDiscard = func(core.Position, *event) { delivered.Add(1) }
			s := openSaver(t, b, o, victimSaver())
			var done [victimWriters]atomic.Uint64
			var writers sync.WaitGroup
			for partition := range victimWriters {
				writers.Go(func() { appendForever(s.Store(), partition, 1, &done[partition]) })
			}
			saves := 0
			for end := time.Now().Add(pick[time.Duration](1500, 300, 1500) * time.Millisecond); time.Now().Before(end) || saves < 5; saves++ {
				must(t, saveAndCompare(t.Context(), b, s, &done, o.Capacity/victimWriters))
			}
			must(t, s.Close())
			writers.Wait()
			must(t, s.Store().Settle(t.Context())) // a delivery that ran while the store was closed may go on
			l := s.Store().Ledger()
			appended := done[0].Load() + done[1].Load()
			if !l.Balanced() || l.Appended != appended || l.Discarded != delivered.Load()+l.Undelivered || l.Visible+l.Discarded != appended {
				t.Errorf("%d were appended, %d delivered: %+v", appended, delivered.Load(), l)
			}
			loaded, _, err := snapshot.Load(t.Context(), b, o, victimSaver())
			must(t, err)
			if got, want := pictureOf(loaded), pictureOf(s.Store()); got.print() != want.print() {
				t.Errorf("the final snapshot holds %v instead of %v", got, want)
			}
			must(t, loaded.Close())
			stats := s.Stats()
			t.Logf("%d events, %d snapshots, %d failures, %d retries", appended, stats.Snapshots, stats.Failures, stats.Retries)
			if stats.Failures+stats.Retries+stats.Unchanged > 0 || stats.Snapshots != uint64(saves+1) {
				t.Errorf("%d saves: %+v", saves, stats)
			}
		})
	}
}

// saveAndCompare saves and reads back what the snapshot holds.
func saveAndCompare(ctx context.Context, b sinks.BlobStore, s *snapshot.Saver[event], done *[victimWriters]atomic.Uint64, capacity int) error {
	awaitAppends(done, 1000) // or a busy machine would let the writers stand still between two saves
	var before [victimWriters]uint64
	for partition := range done {
		before[partition] = done[partition].Load()
	}
	if err := s.Save(ctx); err != nil {
		return err
	}
	o := victimOptions()
	o.Capacity = capacity * victimWriters
	loaded, _, err := snapshot.Load(ctx, b, o, victimSaver())
	if err != nil {
		return err
	}
	for _, p := range pictureOf(loaded).Partitions {
		if n := uint64(len(p.Events)); n != p.Next-p.First || p.Next < before[p.Number] || n > uint64(capacity) {
			err = fmt.Errorf("partition %d: %d events in [%d,%d), %d were there before", p.Number, n, p.First, p.Next, before[p.Number])
		}
		for i := range p.Events {
			if sequence := p.First + uint64(i); p.Events[i] != makeEvent(1, sequence) {
				return fmt.Errorf("partition %d holds %+v at %d", p.Number, p.Events[i], sequence)
			}
		}
	}
	return errors.Join(err, loaded.Close())
}

// A reading is an event of 32 bytes without pointers.
type reading struct {
	Key      uint64
	Value    float64
	At       int64
	Sequence uint64
}

func makeReading(n uint64) reading {
	return reading{mix(n) % 1000, float64(mix(n+1)%10_000) / 100, 1_700_000_000_000_000_000 + int64(n)*1_000_003, n}
}

func readingColumns() snapshot.Codec[reading] {
	return snapshot.Columns(
		snapshot.IntColumn(func(r *reading) *uint64 { return &r.Key }),
		snapshot.FloatColumn(func(r *reading) *float64 { return &r.Value }),
		snapshot.IntColumn(func(r *reading) *int64 { return &r.At }),
		snapshot.IntColumn(func(r *reading) *uint64 { return &r.Sequence }),
	)
}

// TestSnapshotWritesWhatIsNew: of a million events in eight partitions, a snapshot after one percent of new ones writes at
// most three percent of the bytes of the first one; over many of them the merging of small blocks costs little more.
func TestSnapshotWritesWhatIsNew(t *testing.T) {
	const events, partitions, share = 1_000_000, 8, 100
	b := openPlace(t, places()[0].url(t))
	s, err := snapshot.Open(t.Context(), b, core.Options[reading]{
		Capacity: events, Partitions: partitions, Key: func(r reading) string { return names[r.Key%64] },
	}, snapshot.Options[reading]{Codec: readingColumns(), Manual: true})
	must(t, err)
	defer func() { must(t, s.Close()) }()
	n := uint64(0)
	appendAndSave := func(count int) uint64 {
		for range count {
			_, err := s.Store().AppendTo(int(n%partitions), makeReading(n))
			must(t, err)
			n++
		}
		must(t, s.Save(t.Context()))
		return s.Stats().LastBytes
	}
	first := appendAndSave(events)
	second := appendAndSave(events / share)
	most, sum, more := second, second, 1
	for range pick(40, 10, 5) {
		bytes := appendAndSave(events / share)
		most, sum, more = max(most, bytes), sum+bytes, more+1
	}
	percent := func(bytes uint64) float64 { return 100 * float64(bytes) / float64(first) }
	t.Logf("first %d bytes, %.2f per event; the second %.2f %% of that; %d of them %.2f %% on average, at most %.2f %%",
		first, float64(first)/events, percent(second), more, percent(sum)/float64(more), percent(most))
	if percent(second) > 3 {
		t.Errorf("the second snapshot writes %d bytes after %d", second, first)
	}
	if percent(sum)/float64(more) > 6 {
		t.Errorf("a snapshot of one percent writes %.2f percent on average", percent(sum)/float64(more))
	}
}

// TestSnapshotSmallPartitions: a hundred thousand partitions of three events take at most a hundred objects, and come back.
func TestSnapshotSmallPartitions(t *testing.T) {
	partitions := pick(100_000, 20_000, 5_000)
	url := places()[1].url(t)
	b := openPlace(t, url)
	o := core.Options[reading]{Capacity: 8}
	so := snapshot.Options[reading]{Codec: readingColumns(), Manual: true, FinalTimeout: time.Minute}
	s, err := snapshot.Open(t.Context(), b, o, so)
	must(t, err)
	for n := range uint64(partitions) {
		p, err := s.Store().AddPartition(core.PartitionOptions{Capacity: 1000})
		must(t, err)
		for i := range uint64(3) {
			_, err := s.Store().AppendTo(p, makeReading(3*n+i))
			must(t, err)
		}
	}
	begin, before := time.Now(), heapNow()
	must(t, s.Save(t.Context()))
	saving, peak := time.Since(begin), heapNow()
	_, err = s.Store().AppendTo(1, makeReading(0))
	must(t, err)
	begin = time.Now()
	must(t, s.Save(t.Context()))
	again := time.Since(begin)
	must(t, s.Close())
	found, err := snapshot.Verify(t.Context(), b, snapshot.DefaultName, nil)
	must(t, err)
	if found.Objects > 100 {
		t.Errorf("%d objects", found.Objects)
	}
	base := liveHeap()
	begin = time.Now()
	r, err := snapshot.Open(t.Context(), b, o, so)
	must(t, err)
	restoring, live := time.Since(begin), liveHeap()
	defer func() { must(t, r.Close()) }()
	if got := r.Store().Len(); got != 3*partitions+1 {
		t.Errorf("%d events come back", got)
	}
	cut := r.Store().Cut(partitions)
	pos, e, ok := cut.Newest(1).First()
	if want := makeReading(3*uint64(partitions) - 1); !ok || *e != want || pos.Sequence != 2 {
		t.Errorf("the last partition holds %v at %v, want %v", e, pos, want)
	}
	cut.Close()
	t.Logf("%d partitions in %d objects, %d bytes: saved in %v (heap +%d MiB at the end), one event more in %v; restored in %v, %d bytes a partition",
		partitions, found.Objects, found.Bytes, saving, (int64(peak)-int64(before))>>20, again, restoring, (live-base)/uint64(partitions))
}
