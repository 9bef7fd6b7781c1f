//go:build explore

package explore

import (
	"fmt"
	"strings"
	"sync"
)

var (
	current *scheduler // the running exploration, nil in setup and final check
	running sync.Mutex // one exploration at a time
	runs    uint64     // number of schedules so far, names each of them
)

// chooser picks one of the threads that can take the given step. The first
// option is the thread of the last step if keep is set.
type chooser interface {
	choose(step int, options []uint8, keep bool) (int, error)
}

// scheduler runs one schedule after the other.
type scheduler struct {
	id       uint64
	cfg      Config
	chooser  chooser
	pool     []*thread
	threads  []*thread // those of this schedule
	now      int       // the running thread
	next     int       // the thread of the next step, -1 = none
	last     int       // the thread of the last step, -1 = none
	starting bool      // threads run up to their first scheduling point
	failed   bool
	message  string
	trace    []int
	preempts int
	yielded  threadSet
	fair     fairness
	list     [MaxThreads]uint8 // scratch of options

	cellIndex map[any]int
	cells     []cell
	history   *history // nil unless a failure is being replayed
}

func (s *scheduler) running() *thread { return s.threads[s.now] }

// failure ends the schedule; the first one counts.
func (s *scheduler) failure(message string) {
	if !s.failed {
		s.failed, s.message = true, message
	}
	s.next = -1
}

// Fail ends the schedule with a message and stops the calling thread.
func (s *scheduler) Fail(format string, args ...any) {
	s.failure(fmt.Sprintf(format, args...))
	panic(stopThread{})
}

// point is where the running thread may be interrupted, before each operation
// on shared state. It returns the thread when the operation is its turn.
func (s *scheduler) point(op string, m *Mutex) *thread {
	if s.failed { // a deferred call while the thread unwinds
		panic(stopThread{})
	}
	t := s.running()
	t.waits = m
	if s.starting || s.decide() != t.id {
		t.park()
	}
	if s.failed {
		panic(stopThread{})
	}
	s.note(t, op, nil)
	return t
}

// yield makes the next step one of another thread, if there is one. It takes no
// step of its own unless the thread yields again before the next operation.
func (s *scheduler) yield() {
	if bit := threadSet(1) << s.now; s.yielded&bit == 0 && !s.failed {
		s.yielded |= bit
		return
	}
	s.point("Yield", nil)
	s.yielded |= 1 << s.now
}

// schedule runs the bodies to the end under one schedule.
func (s *scheduler) schedule(bodies []func()) {
	s.begin(bodies)
	s.starting = true
	for i := range s.threads {
		if !s.failed {
			s.switchTo(i)
		}
	}
	s.starting = false
	if !s.failed {
		s.decide()
	}
	for !s.failed && s.next >= 0 {
		s.switchTo(s.next)
	}
	for i, t := range s.threads { // only after a failure
		if t.started && !t.done {
			s.switchTo(i)
		}
	}
}

func (s *scheduler) begin(bodies []func()) {
	runs++
	s.id = runs
	for len(s.pool) < len(bodies) {
		s.pool = append(s.pool, newThread(s, len(s.pool)))
	}
	s.threads = s.pool[:len(bodies)]
	for i, body := range bodies {
		s.threads[i].reset(body)
	}
	s.last, s.next = -1, -1
	s.failed, s.message = false, ""
	s.trace = s.trace[:0]
	s.preempts, s.yielded, s.fair = 0, 0, fairness{}
	clear(s.cellIndex)
	s.cells = s.cells[:0]
}

func (s *scheduler) switchTo(i int) {
	s.now = i
	s.threads[i].resume()
}

// decide ends a step and sets and returns the thread of the next one, or -1.
func (s *scheduler) decide() int {
	s.next = -1
	if s.failed {
		return -1
	}
	enabled := s.enabled()
	if enabled == 0 {
		s.checkEnd()
		return -1
	}
	if len(s.trace) >= s.cfg.MaxSteps {
		s.failure(fmt.Sprintf("livelock: no end after %d steps", len(s.trace)))
		return -1
	}
	if s.last >= 0 {
		s.fair.step(s.last, enabled, s.yielded.has(s.last))
	}
	options, keep := s.options(s.candidates(enabled))
	i, err := s.chooser.choose(len(s.trace), options, keep)
	if err != nil {
		s.failure(err.Error())
		return -1
	}
	next := int(options[i])
	if keep && next != s.last {
		s.preempts++
	}
	s.fair.picked(next)
	s.yielded = 0
	s.trace = append(s.trace, next)
	s.last, s.next = next, next
	return next
}

func (s *scheduler) enabled() threadSet {
	var set threadSet
	for i, t := range s.threads {
		if !t.done && (t.waits == nil || !t.waits.locked.Load()) {
			set |= 1 << i
		}
	}
	return set
}

// candidates leaves out the threads that yielded, unless only they can run.
func (s *scheduler) candidates(enabled threadSet) threadSet {
	eager := enabled &^ s.yielded
	if eager == 0 {
		return enabled
	}
	set := eager
	for i := range s.threads {
		if !s.fair.mayRun(i, enabled) {
			set &^= 1 << i
		}
	}
	if set == 0 {
		return eager
	}
	return set
}

// options lists the candidates, the thread of the last step first. When the
// preemptions are used up it is the only one. The list is valid for one step.
func (s *scheduler) options(candidates threadSet) (list []uint8, keep bool) {
	list = s.list[:0]
	if s.last >= 0 && candidates.has(s.last) {
		list, keep = append(list, uint8(s.last)), true
		if s.cfg.Preemptions >= 0 && s.preempts >= s.cfg.Preemptions {
			return list, keep
		}
	}
	for i := range s.threads {
		if candidates.has(i) && !(keep && i == s.last) {
			list = append(list, uint8(i))
		}
	}
	return list, keep
}

// checkEnd reports a deadlock if somebody still waits when nobody can run.
func (s *scheduler) checkEnd() {
	var waiting []string
	for i, t := range s.threads {
		if !t.done {
			waiting = append(waiting, fmt.Sprintf("thread %d waits for a mutex locked by thread %d", i, t.waits.holder))
		}
	}
	if waiting != nil {
		s.failure("deadlock; " + strings.Join(waiting, "; "))
	}
}
