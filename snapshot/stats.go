package snapshot

import (
	"sync"
	"time"
)

// Stats is a picture of a Saver's counters since Open.
type Stats struct {
	Ordinal   uint64        // of the newest snapshot, also if it is an earlier Saver's; 0: none
	TakenAt   time.Time     // of that snapshot
	Age       time.Duration // since then, by the Saver's clock; 0 without a snapshot
	AtRisk    uint64        // events appended since: what a crash now would lose
	Snapshots uint64        // taken
	Unchanged uint64        // not taken, for nothing had changed
	Failures  uint64        // not taken, for an error
	Retries   uint64        // of writing a blob
	Postponed uint64        // partitions with new events that MaxPending left for the next snapshot, each time
	Events    uint64        // written; those that were merged into larger blocks count each time
	Objects   uint64        // written
	Bytes     uint64        // written, manifests included
	LastBytes uint64        // of the newest snapshot
	Pruned    uint64        // snapshots removed
	PruneErrs uint64        // failures to remove, which do no harm
	LastError error         // of the last attempt to save; nil if it succeeded
}

// PartitionStats is a picture of one partition.
type PartitionStats struct {
	Partition  int
	Saved      uint64        // sequence behind the last event that is in a snapshot
	Head       uint64        // sequence that the next event will get
	Buffered   uint64        // events in the store
	AtRisk     uint64        // Head − Saved
	Since      uint64        // events between the last two snapshots that took the partition on
	SavedAt    time.Time     // when the last of them was taken; zero: never
	Age        time.Duration // since then
	Attempts   int           // tries that the last snapshot took for its slowest blob
	Successes  uint64        // snapshots that took the partition on
	Failures   uint64        // snapshots that failed while it had new events
	SavedUnder uint64        // ordinal of the last snapshot that took it on; 0: none
}

// figures are the counters behind Stats.
type figures struct {
	mu         sync.Mutex
	total      Stats
	partitions map[int]*PartitionStats // Partition, Head, Buffered, AtRisk and Age are not kept
}

func (f *figures) partition(number int) *PartitionStats {
	if f.partitions == nil {
		f.partitions = map[int]*PartitionStats{}
	}
	p := f.partitions[number]
	if p == nil {
		p = new(PartitionStats)
		f.partitions[number] = p
	}
	return p
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
		p := f.partition(number)
		p.Saved, _ = s.store.Next(number)
		if m != nil {
			p.SavedAt = m.TakenAt
		}
	}
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
		p := f.partition(x.Number)
		if p.Saved == x.Next && p.SavedUnder > 0 {
			continue
		}
		p.Since, p.Saved = x.Next-p.Saved, x.Next
		p.SavedAt, p.SavedUnder, p.Attempts = m.TakenAt, m.Ordinal, w.tries
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
	if w == nil {
		return
	}
	for _, r := range w.plan.ranges {
		if r.at >= 0 {
			p := f.partition(w.plan.partitions[r.at].Number)
			p.Failures++
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
	limits, _ := s.store.Limits(number)
	return limits.StartAt
}

// head is 0 for a partition that was removed just now, and so is saved.
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
	t.AtRisk, t.Retries = risk, s.retries.Load()
	if !t.TakenAt.IsZero() {
		t.Age = max(0, s.o.Clock().Sub(t.TakenAt))
	}
	return t
}

// PartitionStats returns the counters of every partition, by ascending numbers. It copies no events.
func (s *Saver[E]) PartitionStats() []PartitionStats {
	cut := s.store.Cut()
	defer cut.Close()
	now := s.o.Clock()
	s.figures.mu.Lock()
	defer s.figures.mu.Unlock()
	var list []PartitionStats
	for _, number := range cut.Partitions() {
		first, next, _ := cut.Bounds(number)
		x := PartitionStats{Saved: s.saved(number)}
		if p := s.figures.partitions[number]; p != nil {
			x = *p
		}
		x.Partition, x.Head, x.Buffered = number, s.head(number), next-first
		x.AtRisk = x.Head - x.Saved
		if !x.SavedAt.IsZero() {
			x.Age = max(0, now.Sub(x.SavedAt))
		}
		list = append(list, x)
	}
	return list
}
