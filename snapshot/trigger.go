package snapshot

import (
	"context"
	"time"
)

// triggers say when Run takes a snapshot.
type triggers struct {
	interval  time.Duration
	events    uint64
	appended  func() (events uint64, cost time.Duration)
	retry     time.Duration
	begun     time.Time // of the interval
	notBefore time.Time // after a failure
}

// The number of events is looked at this often, or more rarely where looking takes more than a thousandth of the time.
const (
	lookEvery = 50 * time.Millisecond
	lookShare = 1000
)

func (s *Saver[E]) newTriggers() *triggers {
	t := &triggers{interval: s.o.Interval, events: uint64(s.o.MinEvents), appended: s.appended, retry: s.o.Backoff.Delay(s.o.MaxAttempts)}
	t.begin()
	return t
}

// begin starts the interval anew.
func (t *triggers) begin() { t.begun = time.Now() }

// failed keeps the number of events from starting the next try at once.
func (t *triggers) failed() { t.notBefore = time.Now().Add(t.retry) }

// wait returns true when a snapshot is due, false when the context ends.
func (t *triggers) wait(ctx context.Context) bool {
	for {
		due, look := t.begun.Add(t.interval), time.Duration(0)
		if t.events > 0 {
			n, cost := t.appended()
			if n >= t.events && !time.Now().Before(t.notBefore) {
				return true
			}
			look = max(lookEvery, cost*lookShare)
		}
		if t.interval > 0 {
			rest := time.Until(due)
			if rest <= 0 {
				return true
			}
			if look == 0 || rest < look {
				look = rest
			}
		}
		if look == 0 { // no trigger at all
			<-ctx.Done()
			return false
		}
		if pause(ctx, look) != nil {
			return false
		}
	}
}

// appended returns how many events were appended since the last snapshot, and how long it took to look.
func (s *Saver[E]) appended() (events uint64, cost time.Duration) {
	begin := time.Now()
	return s.atRisk(), time.Since(begin)
}
