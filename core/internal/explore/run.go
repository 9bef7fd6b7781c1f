//go:build explore

package explore

import (
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
)

const (
	defaultMaxSteps  = 10_000
	defaultSchedules = 10_000 // of a random walk, which has no end of its own
)

// Config bounds an exploration.
type Config struct {
	Preemptions  int   // switches away from a thread that could go on; negative = no bound
	MaxSchedules int   // 0 = no bound for the search, 10,000 for a random walk
	MaxSteps     int   // a longer run counts as a livelock; 0 = 10,000
	Seed         int64 // 0 = depth-first search, else a random walk
}

// Result tells what an exploration found.
type Result struct {
	Schedules int
	MaxSteps  int    // steps of the longest run
	Failure   string // empty = none; first line is the cause, then the trace and what the threads did
	Trace     []int  // the thread of each step of the failing run, for Replay
	Exhausted bool   // the search covered all schedules within the bound
}

// Setup builds a fresh instance of the program under test: the bodies of the
// threads and a final check, which may be nil.
type Setup = func() (threads []func(), check func() error)

// Run explores until it finds a failure, has covered everything or reached
// MaxSchedules. Only one exploration runs at a time; no other goroutine may use
// the instrumented types meanwhile.
func Run(cfg Config, setup Setup) Result {
	if cfg.MaxSchedules <= 0 && cfg.Seed != 0 {
		cfg.MaxSchedules = defaultSchedules
	}
	search := &depthFirst{}
	random := &walk{seed: cfg.Seed, bound: cfg.Preemptions}
	s, done := newScheduler(cfg, search)
	defer done()
	if cfg.Seed != 0 {
		s.chooser = random
	}
	var res Result
	for {
		if cfg.Seed != 0 {
			random.start(res.Schedules)
		}
		s.once(setup)
		res.Schedules++
		res.MaxSteps = max(res.MaxSteps, len(s.trace))
		random.longest = res.MaxSteps
		if s.failed {
			res.Trace = slices.Clone(s.trace)
			res.Failure = s.explain(setup, s.message, res.Trace)
			return res
		}
		if cfg.Seed == 0 && !search.advance() {
			res.Exhausted = true
			return res
		}
		if cfg.MaxSchedules > 0 && res.Schedules >= cfg.MaxSchedules {
			return res
		}
	}
}

// Replay runs the one schedule of a trace again.
func Replay(cfg Config, trace []int, setup Setup) Result {
	cfg.Preemptions = -1
	s, done := newScheduler(cfg, script{trace})
	defer done()
	s.once(setup)
	res := Result{Schedules: 1, MaxSteps: len(s.trace), Trace: slices.Clone(s.trace)}
	if s.failed {
		res.Failure = s.explain(setup, s.message, res.Trace)
	}
	return res
}

// Fail ends the running schedule as a failure and stops the calling thread.
// Outside of a thread it panics.
func Fail(format string, args ...any) {
	s := current
	if s == nil {
		panic(fmt.Sprintf(format, args...))
	}
	s.Fail(format, args...)
}

// Yield lets another thread take the next step, if one can run, at no cost in
// preemptions. Outside of a thread it does nothing.
func Yield() {
	if s := current; s != nil {
		s.yield()
	}
}

// newScheduler also takes the exclusive right to explore; done gives it back
// and ends the coroutines, even if a thread left by runtime.Goexit.
func newScheduler(cfg Config, c chooser) (s *scheduler, done func()) {
	running.Lock()
	if cfg.MaxSteps <= 0 {
		cfg.MaxSteps = defaultMaxSteps
	}
	s = &scheduler{cfg: cfg, chooser: c, cellIndex: map[any]int{}}
	return s, func() {
		s.failed = true
		for i, t := range s.pool {
			s.now = i
			t.stop()
		}
		current = nil
		running.Unlock()
	}
}

// once runs the program under one schedule. Setup and check run outside of the
// exploration, where the instrumented types behave like the ordinary ones.
func (s *scheduler) once(setup Setup) {
	bodies, check := setup()
	if len(bodies) > MaxThreads {
		panic(fmt.Sprintf("explore: %d threads, at most %d are possible", len(bodies), MaxThreads))
	}
	current = s
	s.schedule(bodies)
	current = nil
	if !s.failed && check != nil {
		s.finish(check)
	}
}

func (s *scheduler) finish(check func() error) {
	defer func() {
		if e := recover(); e != nil {
			s.failure(fmt.Sprintf("panic in the final check: %v\n%s", e, debug.Stack()))
		}
	}()
	if err := check(); err != nil {
		s.failure("final check: " + err.Error())
	}
}

// explain replays the failing trace with a history.
func (s *scheduler) explain(setup Setup, message string, trace []int) string {
	s.history = &history{}
	s.cfg.Preemptions = -1
	s.chooser = script{trace}
	s.once(setup)
	text := fmt.Sprintf("%s\ntrace: %v\n%v", message, trace, s.history)
	if kind(s.message) != kind(message) {
		text += "\nnot deterministic: the same trace then ended with: " + s.message
	}
	return text
}

// kind is the part of a message that does not depend on addresses.
func kind(message string) string {
	line, _, _ := strings.Cut(message, "\n")
	line, _, _ = strings.Cut(line, " 0x")
	return line
}
