package snapshot

import (
	"context"
	"time"
)

// triggers say when Run takes a snapshot. They go by a clock that does not jump.
type triggers struct {
	interval time.Duration // 0: off
	events   uint64        // 0: off
	backoff  Backoff
	attempts int
	appended func() uint64 // events since the last snapshot

	begun     time.Time // of the interval
	failures  int       // in a row
	again     bool      // the last try has failed, and another one may help
	notBefore time.Time // of the next try
	silence   time.Time // until then events do not count
}

// The number of events is looked at this often, or more rarely where looking takes more than a thousandth of the time.
const (
	lookEvery = 50 * time.Millisecond
	lookShare = 1000
)

func newTriggers(interval time.Duration, events uint64, b Backoff, attempts int, appended func() uint64) *triggers {
	return &triggers{interval: interval, events: events, backoff: b, attempts: attempts, appended: appended, begun: time.Now()}
}

// failed makes the next try come after a pause, which goes on growing from where those within the last try ended. Where
// trying again is useless, the next one waits for a trigger.
func (t *triggers) failed(err error) {
	t.begun = time.Now()
	t.failures++
	t.again = !permanent(err)
	t.notBefore = t.begun.Add(t.backoff.Delay(t.attempts + t.failures - 1))
}

// succeeded begins the interval anew. If there was nothing to take, for a writer has stalled in front of the events that
// were appended, they are not looked at for a while.
func (t *triggers) succeeded(taken bool) {
	t.begun, t.failures, t.again = time.Now(), 0, false
	if !taken && t.events > 0 && t.appended() >= t.events {
		t.silence = t.begun.Add(t.backoff.Delay(t.attempts))
	}
}

// wait returns true when a snapshot is due, false when the context ends or quit is closed.
func (t *triggers) wait(ctx context.Context, quit <-chan struct{}) bool {
	for {
		rest, due := t.look()
		if ctx.Err() != nil {
			return false
		}
		if due {
			return true
		}
		if pause(ctx, quit, rest) != nil {
			return false
		}
	}
}

// forever is longer than any program runs.
const forever = 1 << 62 * time.Nanosecond

// look reports whether a snapshot is due, and if not, how long it is good to know that.
func (t *triggers) look() (rest time.Duration, due bool) {
	begin := time.Now()
	if early := t.notBefore.Sub(begin); early > 0 {
		return early, false
	}
	if t.again {
		return 0, true
	}
	rest = forever
	switch silent := t.silence.Sub(begin); {
	case t.events == 0:
	case silent > 0:
		rest = silent
	case t.appended() >= t.events:
		return 0, true
	default:
		rest = max(lookEvery, time.Since(begin)*lookShare)
	}
	if t.interval > 0 {
		left := t.interval - time.Since(t.begun)
		if left <= 0 {
			return 0, true
		}
		rest = min(rest, left)
	}
	return rest, false
}
