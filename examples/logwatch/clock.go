package main

import (
	"sync"
	"time"
)

// logClock is the time of the log. Its newest line is now; a running one goes on from there, so that what happened in
// the last minute does not depend on the log's time zone and grows old while nothing comes.
type logClock struct {
	running bool
	wall    func() time.Time

	mu     sync.Mutex
	newest time.Time // zero before the first line
	read   time.Time // when that line was read
}

func (c *logClock) observe(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.newest.IsZero() || t.After(c.newest) {
		c.newest, c.read = t, c.wall()
	}
}

func (c *logClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.newest.IsZero():
		return c.wall()
	case c.running:
		return c.newest.Add(c.wall().Sub(c.read))
	}
	return c.newest
}
