//go:build explore

package explore

// MaxThreads is the largest number of threads of one exploration.
const MaxThreads = 8

// clock is a vector clock. A thread that is not involved stays at 0, which is
// also the time of everything done by the setup.
type clock [MaxThreads]uint32

func (c *clock) join(o *clock) {
	for i := range c {
		c[i] = max(c[i], o[i])
	}
}

// Word is the shadow of one atomic variable: the clock that a thread acquires
// when it observes the current value. The zero value is ready.
type Word struct {
	run     uint64
	release clock
}

// at returns the release clock, emptied if the word was last used by an earlier
// schedule: what the setup left behind happens before all threads.
func (w *Word) at(s *scheduler) *clock {
	if w.run != s.id {
		w.run, w.release = s.id, clock{}
	}
	return &w.release
}

func (w *Word) acquire(s *scheduler, t *thread) { t.clock.join(w.at(s)) }

// publish copies the clock of t and then advances t: a plain access of t after
// this point is not covered by what others acquire from here.
func (w *Word) publish(s *scheduler, t *thread) {
	*w.at(s) = t.clock
	t.clock[t.id]++
}

// Load announces an atomic load that follows at once. It also serves a
// conditional operation, which calls Published when it succeeds.
func (w *Word) Load(op string) {
	if s := current; s != nil {
		w.acquire(s, s.point(op, nil))
	}
}

// Store announces an atomic store that follows at once. It does not observe the
// old value, so it neither acquires nor keeps the old release clock.
func (w *Word) Store(op string) {
	if s := current; s != nil {
		w.publish(s, s.point(op, nil))
	}
}

// Update announces an unconditional read-modify-write that follows at once.
func (w *Word) Update(op string) {
	if s := current; s != nil {
		t := s.point(op, nil)
		w.acquire(s, t)
		w.publish(s, t)
	}
}

// Published completes a conditional operation that wrote, in the step of the
// Load that announced it.
func (w *Word) Published() {
	if s := current; s != nil {
		w.publish(s, s.running())
	}
}
