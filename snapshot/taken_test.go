package snapshot

import (
	"testing"
	"time"
)

// TestTakenAt lets an event arrive whenever the clock is read. Whatever had arrived by the time that a snapshot carries is
// in it: so a restart can say from when on something may be lost.
func TestTakenAt(t *testing.T) {
	var p place
	clock := newClock()
	o := manual()
	arrived := map[time.Time]int{} // how many events there were when the clock said so
	var s *Saver[trade]
	o.Clock = func() time.Time {
		clock.advance(time.Second)
		now := clock.now()
		if s != nil {
			fill(t, s.Store(), len(arrived), len(arrived)+1)
			arrived[now.UTC()] = len(arrived) + 1
		}
		return now
	}
	s = open(t, p.handle(t), one(), o)
	save(t, s)
	s = nil // nothing arrives any more
	m := p.newest(t)
	if want := arrived[m.TakenAt]; want == 0 || m.Events() < uint64(want) {
		t.Errorf("%d events in a snapshot of %v, when %d had arrived", m.Events(), m.TakenAt, want)
	}
}
