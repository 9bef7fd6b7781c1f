package snapshot

import (
	"sync"
	"time"
)

// Stats is a picture of a Saver's counters since Open.
type Stats struct {
	Ordinal       uint64        // of the newest snapshot, also if it is an earlier Saver's; 0: none
	TakenAt       time.Time     // of that snapshot
	Age           time.Duration // since then, by the Saver's clock; 0 without a snapshot
	AtRisk        uint64        // events appended since: what a crash now would lose
	Snapshots     uint64        // taken
	Unchanged     uint64        // not taken, for nothing had changed
	Failures      uint64        // not taken, for an error
	Retries       uint64        // of writing a blob
	Postponed     uint64        // partitions with new events that MaxPartitions left for the next snapshot, each time
	Events        uint64        // written; those that were merged into larger blocks count each time
	Objects       uint64        // written
	Bytes         uint64        // written, manifests included
	LastBytes     uint64        // of the newest snapshot
	Pruned        uint64        // snapshots removed
	PruneFailures uint64        // failures to remove, which do no harm
	LastError     error         // of the last attempt to save; nil if it succeeded
}

// PartitionStats is a picture of one partition.
type PartitionStats struct {
	Partition  int
	Saved      uint64        // sequence behind the last event that is in a snapshot
	Next       uint64        // sequence that the next event will get
	Buffered   uint64        // events in the store
	AtRisk     uint64        // Next − Saved
	LastEvents uint64        // events between the last two snapshots that took the partition on
	SavedAt    time.Time     // when the last of them was taken; zero: never
	Age        time.Duration // since then
	Attempts   int           // tries that the last snapshot took for its slowest blob
	Successes  uint64        // snapshots that took the partition on
	Failures   uint64        // snapshots that failed while it had new events
	Ordinal    uint64        // ordinal of the last snapshot that took it on; 0: none
}

// figures are the counters behind Stats.
type figures struct {
	mu         sync.Mutex
	total      Stats
	partitions map[int]*partitionFigures
}

type partitionFigures struct {
	PartitionStats     // Partition, Head, Buffered, AtRisk and Age are not kept
	eventBytes     int // of one event in the codec's form; 0: unknown
}

// partition returns what is kept of a partition, which had no event before start. figures are locked.
func (f *figures) partition(number int, start uint64) *partitionFigures {
	if f.partitions == nil {
		f.partitions = map[int]*partitionFigures{}
	}
	p := f.partitions[number]
	if p == nil {
		p = &partitionFigures{PartitionStats: PartitionStats{Saved: start}}
		f.partitions[number] = p
	}
	return p
}

// sizeOf returns what size noted, or 0.
func (f *figures) sizeOf(partition int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p := f.partitions[partition]; p != nil {
		return p.eventBytes
	}
	return 0
}

// savedUnder returns the ordinal of the snapshot that took a partition on last, or 0.
func (f *figures) savedUnder(partition int) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p := f.partitions[partition]; p != nil {
		return p.Ordinal
	}
	return 0
}

// note changes the totals.
func (f *figures) note(change func(t *Stats)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.total)
}

// start notes what is safe when a store has just been opened: all that it holds is in m.
func (s *Saver[E]) start(m *Manifest) {
	f := &s.figures
	f.mu.Lock()
	defer f.mu.Unlock()
	if m != nil {
		f.total.Ordinal, f.total.TakenAt = m.Ordinal, m.TakenAt
	}
	for _, number := range s.store.PartitionNumbers() {
		next, _ := s.store.Next(number)
		p := f.partition(number, next)
		if m != nil {
			p.SavedAt = m.TakenAt
		}
	}
}

// size notes how many bytes an event of a partition takes.
func (s *Saver[E]) size(number, bytes int) {
	f := &s.figures
	f.mu.Lock()
	defer f.mu.Unlock()
	f.partition(number, s.startOf(number)).eventBytes = bytes
}

// succeed notes a snapshot.
func (s *Saver[E]) succeed(m *Manifest, w *writer[E], bytes uint64) {
	f := &s.figures
	f.mu.Lock()
	defer f.mu.Unlock()
	t := &f.total
	t.Ordinal, t.TakenAt, t.LastError = m.Ordinal, m.TakenAt, nil
	t.Snapshots++
	t.Postponed += uint64(w.plan.postponed)
	t.Objects += uint64(len(w.objects))
	t.Bytes += bytes
	t.LastBytes = bytes
	for _, p := range w.placed {
		if p.at >= 0 {
			t.Events += uint64(p.count)
		}
	}
	for i := range m.Partitions {
		x := &m.Partitions[i]
		p := f.partition(x.Number, s.startOf(x.Number))
		if !w.plan.taken[i] || p.Saved == x.Next && p.Ordinal > 0 {
			continue
		}
		p.LastEvents, p.Saved = x.Next-p.Saved, x.Next
		p.SavedAt, p.Ordinal, p.Attempts = m.TakenAt, m.Ordinal, w.tries
		p.Successes++
	}
	for number := range f.partitions { // removed ones
		if m.partition(number) == nil {
			delete(f.partitions, number)
		}
	}
}

// fail notes an error.
func (s *Saver[E]) fail(err error, w *writer[E]) {
	f := &s.figures
	f.mu.Lock()
	defer f.mu.Unlock()
	f.total.Failures++
	f.total.LastError = err
	for _, number := range s.store.PartitionNumbers() {
		p := f.partition(number, s.startOf(number))
		if s.head(number) == p.Saved {
			continue
		}
		p.Failures++
		if w != nil {
			p.Attempts = w.tries
		}
	}
}

// atRisk returns how many events were appended since the last snapshot that took their partition on.
func (s *Saver[E]) atRisk() (n uint64) {
	s.figures.mu.Lock()
	defer s.figures.mu.Unlock()
	for _, number := range s.store.PartitionNumbers() {
		n += s.head(number) - s.saved(number)
	}
	return n
}

// saved returns up to where a partition is in a snapshot. figures are locked.
func (s *Saver[E]) saved(number int) uint64 {
	if p := s.figures.partitions[number]; p != nil {
		return p.Saved
	}
	return s.startOf(number)
}

// startOf returns the first sequence that a partition ever had; 0 if it was removed.
func (s *Saver[E]) startOf(number int) uint64 {
	limits, _ := s.store.Limits(number)
	return limits.StartAt
}

// head is what saved is for a partition that was removed just now.
func (s *Saver[E]) head(number int) uint64 {
	next, err := s.store.Next(number)
	if err != nil {
		return s.saved(number)
	}
	return next
}

// Stats returns the counters. It looks at every partition, and copies nothing.
func (s *Saver[E]) Stats() Stats {
	risk := s.atRisk()
	s.figures.mu.Lock()
	defer s.figures.mu.Unlock()
	t := s.figures.total
	t.AtRisk, t.Retries = risk, s.putter.retries.Load()
	if !t.TakenAt.IsZero() {
		t.Age = max(0, s.o.Clock().Sub(t.TakenAt))
	}
	return t
}

// PartitionStats returns the counters of every partition, by ascending numbers. It copies no events.
func (s *Saver[E]) PartitionStats() []PartitionStats {
	now := s.o.Clock()
	var list []PartitionStats
	for _, number := range s.store.PartitionNumbers() {
		cut := s.store.Cut(number)
		first, next, err := cut.Bounds(number)
		cut.Close()
		if err != nil {
			continue // removed since
		}
		list = append(list, s.partitionStats(number, next-first, now))
	}
	return list
}

func (s *Saver[E]) partitionStats(number int, buffered uint64, now time.Time) PartitionStats {
	s.figures.mu.Lock()
	defer s.figures.mu.Unlock()
	x := PartitionStats{Saved: s.saved(number)}
	if p := s.figures.partitions[number]; p != nil {
		x = p.PartitionStats
	}
	x.Partition, x.Next, x.Buffered = number, s.head(number), buffered
	x.AtRisk = x.Next - x.Saved
	if !x.SavedAt.IsZero() {
		x.Age = max(0, now.Sub(x.SavedAt))
	}
	return x
}
