//go:build explore

package explore

import (
	"fmt"
	"iter"
	"runtime/debug"
)

// stopThread unwinds a thread whose run is over.
type stopThread struct{}

// thread is a coroutine that runs one body per schedule; it is kept for the
// whole exploration because starting a coroutine costs more than a schedule.
type thread struct {
	id      int
	clock   clock
	body    func()
	started bool
	done    bool
	waits   *Mutex // what the thread locks in its next step
	resume  func() (struct{}, bool)
	stop    func()
	yield   func(struct{}) bool
}

func newThread(s *scheduler, id int) *thread {
	t := &thread{id: id}
	t.resume, t.stop = iter.Pull(func(yield func(struct{}) bool) {
		t.yield = yield
		for {
			t.run(s)
			if !yield(struct{}{}) {
				return
			}
		}
	})
	return t
}

func (t *thread) reset(body func()) {
	t.body, t.started, t.done, t.waits = body, false, false, nil
	t.clock = clock{}
	t.clock[t.id] = 1
}

// run executes the body and leaves the choice of the next thread behind.
func (t *thread) run(s *scheduler) {
	defer func() {
		if e := recover(); e != nil {
			if _, ok := e.(stopThread); !ok {
				s.failure(fmt.Sprintf("panic in thread %d: %v\n%s", t.id, e, debug.Stack()))
			}
		}
		t.done = true
		if !s.starting {
			s.decide()
		}
	}()
	t.started = true
	t.body()
}

// park hands control to the scheduler until the thread is resumed.
func (t *thread) park() {
	if !t.yield(struct{}{}) {
		panic(stopThread{})
	}
}
