package core

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Stats is a picture of a store's counters. The totals are never reset.
type Stats struct {
	Appended    uint64    // positions given out
	Discarded   uint64    // pushed out by Capacity or MaxBytes
	Visible     uint64    // what a cut shows now
	Rate        float64   // appends per second over about the last two seconds; 0 when idle
	LastAppend  time.Time // when growth was last noticed, to within a tenth of a second; zero before any
	BytesCopied uint64    // bytes of events handed out as copies
	Undelivered uint64    // discarded events that OnDiscard was not told about
	Panics      uint64    // panics of user functions that were contained
	KeysRefused uint64    // appends refused by ErrKeysFull
}

// String returns the main counters on one line.
func (s Stats) String() string {
	return fmt.Sprintf("Stats(Appended: %d, Discarded: %d, BytesCopied: %d, Rate: %.1f/s)",
		s.Appended, s.Discarded, s.BytesCopied, s.Rate)
}

// Stats returns the store's counters. Its cost grows with the number of partitions and, under a time limit, with the
// events near it.
func (s *Store[E]) Stats() Stats {
	l := s.Ledger()
	rate, last := s.rate.observe(s.conf.now(), l.Appended)
	return Stats{
		Appended: l.Appended, Discarded: l.Discarded, Visible: l.Visible, Rate: rate, LastAppend: last,
		BytesCopied: s.conf.copied.Load(), Undelivered: l.Undelivered, Panics: s.conf.panics.Load(),
		KeysRefused: s.keys.Refused(),
	}
}

// Ledger returns the account of all partitions together, removed ones included.
func (s *Store[E]) Ledger() Ledger {
	s.removed.mu.Lock()
	l := s.removed.ledger
	all := slices.Concat(s.removed.leaving, s.all())
	s.removed.mu.Unlock()
	for _, p := range all {
		l.add(p.ledger())
	}
	return l
}

// PartitionLedger returns the account of one partition.
func (s *Store[E]) PartitionLedger(partition int) (Ledger, error) {
	p := s.part(partition)
	if p == nil {
		return Ledger{}, ErrNoPartition
	}
	return p.ledger(), nil
}

// observer calls OnStats. Only a store that asked for it pays for the shared counter.
type observer struct {
	total    atomic.Uint64
	stats    func() Stats
	call     func(Stats)
	interval uint64
	panics   *atomic.Uint64
}

// appended counts n events and calls once if they crossed a multiple of the interval.
func (o *observer) appended(n int) {
	total := o.total.Add(uint64(n))
	if total/o.interval == (total-uint64(n))/o.interval {
		return
	}
	st := o.stats()
	st.Appended = total
	contain(o.panics, func() { o.call(st) })
}

// contain runs f and counts its panic.
func contain(count *atomic.Uint64, f func()) { panics(count, f) }

// panics is contain, and reports whether f panicked.
func panics(count *atomic.Uint64, f func()) (yes bool) {
	defer func() {
		if recover() != nil {
			count.Add(1)
			yes = true
		}
	}()
	f()
	return false
}

// rateMeter turns totals seen now and then into a recent rate.
type rateMeter struct {
	mu      sync.Mutex
	samples []rateSample // oldest first; all but the first are younger than rateSpan
	grew    time.Time
}

type rateSample struct {
	at    time.Time
	total uint64
}

const (
	rateSpan = 2 * time.Second
	rateStep = 100 * time.Millisecond
)

func (m *rateMeter) start(now time.Time) { m.samples = []rateSample{{at: now}} }

func (m *rateMeter) observe(now time.Time, total uint64) (rate float64, grew time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	last := m.samples[len(m.samples)-1]
	if now.Before(last.at) { // the clock went back: begin again
		m.samples = []rateSample{{now, last.total}}
	}
	if total > last.total {
		m.grew = now
	}
	for len(m.samples) > 1 && now.Sub(m.samples[1].at) >= rateSpan {
		m.samples = m.samples[1:]
	}
	if first := m.samples[0]; now.After(first.at) && total > first.total {
		rate = float64(total-first.total) / now.Sub(first.at).Seconds()
	}
	if total > last.total || now.Sub(last.at) >= rateStep {
		m.add(rateSample{now, total})
	}
	return rate, m.grew
}

// add keeps at most one sample per step besides the newest, which also remembers the total that growth is judged by.
func (m *rateMeter) add(s rateSample) {
	if n := len(m.samples); n > 1 && s.at.Sub(m.samples[n-2].at) < rateStep {
		m.samples[n-1] = s
		return
	}
	m.samples = append(m.samples, s)
}
