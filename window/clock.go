package window

import (
	"math"
	"sync/atomic"
	"time"
)

// A moment is a time as two plain numbers, which order every time.Time: seconds since 1970 and nanoseconds.
type moment struct {
	sec  int64
	nsec uint32
}

func momentOf(t time.Time) moment { return moment{t.Unix(), uint32(t.Nanosecond())} }

func (m moment) before(o moment) bool { return m.sec < o.sec || m.sec == o.sec && m.nsec < o.nsec }

var (
	earliest = moment{math.MinInt64, 0}
	latest   = moment{math.MaxInt64, 0}
)

// ago returns the moment that lies d before t; Forever is before every signal.
func ago(t time.Time, d time.Duration) moment {
	if d == Forever {
		return earliest
	}
	return momentOf(t.Add(-d))
}

const (
	tick     = time.Millisecond
	nsecBits = 30
	nsecMask = 1<<nsecBits - 1
)

// A ticker is a clock that costs one atomic load. The word holds 34 bits of seconds and 30 bits of nanoseconds, so that
// reading it takes no division.
type ticker struct {
	word atomic.Uint64
	quit chan struct{}
	done chan struct{}
}

func startTicker() *ticker {
	c := &ticker{quit: make(chan struct{}), done: make(chan struct{})}
	c.set(time.Now())
	go func() {
		defer close(c.done)
		t := time.NewTicker(tick)
		defer t.Stop()
		for {
			select {
			case <-c.quit:
				return
			case <-t.C:
				c.set(time.Now())
			}
		}
	}()
	return c
}

func (c *ticker) set(t time.Time) { c.word.Store(uint64(t.Unix())<<nsecBits | uint64(t.Nanosecond())) }

// stop may be called on a nil ticker.
func (c *ticker) stop() {
	if c != nil {
		close(c.quit)
		<-c.done
	}
}
