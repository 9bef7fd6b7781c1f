package verify

import (
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

// A gate is the clock of a store that records arrival times. An append asks it between reservation and publication,
// and there it holds a few of them back until the others have filled the store several times over.
type gate struct {
	store *core.Store[event]
	fail  func(format string, args ...any)
	// reserved says that the ledger shows who is held. Lanes reserve and publish at once, and a store where nobody
	// watches what leaves counts unseen.
	reserved bool
	laps     uint64

	armed   atomic.Int32 // calls of heldAppend
	waiting atomic.Int32 // length of held

	mu     sync.Mutex
	active int // writers that have not ended
	held   []held
	taken  uint64
}

type held struct {
	until uint64
	open  chan struct{}
}

func (g *gate) clock() time.Time {
	if g.armed.Load() > 0 && calledBy("heldAppend") {
		g.wait()
	}
	return time.Now()
}

// heldAppend runs one append that waits in the middle. The gate knows it by the name of this function on the stack:
// others, such as the store's own goroutine, ask for the time too and must not wait.
//
//go:noinline
func (g *gate) heldAppend(f func()) {
	g.armed.Add(1)
	defer g.armed.Add(-1)
	f()
}

func calledBy(name string) bool {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		f, more := frames.Next()
		if strings.HasSuffix(f.Function, name) {
			return true
		}
		if !more {
			return false
		}
	}
}

// appended counts positions given out, over all partitions.
func (g *gate) appended() (n uint64) {
	for i := range g.store.Partitions() {
		next, err := g.store.Next(i)
		if err != nil {
			g.fail("next of partition %d: %v", i, err)
		}
		n += next
	}
	return n
}

func (g *gate) wait() {
	h := held{g.appended() + g.laps*uint64(g.store.Capacity()), make(chan struct{})}
	g.mu.Lock()
	g.taken++
	g.held = append(g.held, h)
	g.waiting.Add(1)
	g.release()
	g.mu.Unlock()
	<-h.open
	if g.reserved && g.store.Ledger().InFlight == 0 {
		g.fail("a writer is held between reservation and publication, and the ledger shows nothing in flight")
	}
}

// poll is called by writers now and then.
func (g *gate) poll() {
	if g.waiting.Load() > 0 {
		g.mu.Lock()
		g.release()
		g.mu.Unlock()
	}
}

// leave is called by a writer that ends.
func (g *gate) leave() {
	g.mu.Lock()
	g.active--
	g.release()
	g.mu.Unlock()
}

// release lets go those who were held long enough, or all when nobody else is left to make progress.
func (g *gate) release() {
	all, now := len(g.held) >= g.active, g.appended()
	g.held = slices.DeleteFunc(g.held, func(h held) bool {
		if !all && now < h.until {
			return false
		}
		close(h.open)
		g.waiting.Add(-1)
		return true
	})
}
