package core

import (
	"sync/atomic"
	"time"
)

// coarseTick is the resolution of arrival times with the default clock. Reading the coarse clock costs one atomic
// load; time.Now costs more than an append.
const coarseTick = time.Millisecond

// A coarseClock is refreshed by a goroutine of its own.
type coarseClock struct {
	ns   atomic.Int64
	quit chan struct{}
	done chan struct{}
}

func startCoarseClock() *coarseClock {
	c := &coarseClock{quit: make(chan struct{}), done: make(chan struct{})}
	c.ns.Store(time.Now().UnixNano())
	go c.run()
	return c
}

func (c *coarseClock) run() {
	defer close(c.done)
	t := time.NewTicker(coarseTick)
	defer t.Stop()
	for {
		select {
		case <-c.quit:
			return
		case <-t.C:
			c.ns.Store(time.Now().UnixNano())
		}
	}
}

func (c *coarseClock) now() int64 { return c.ns.Load() }

func (c *coarseClock) stop() {
	close(c.quit)
	<-c.done
}
