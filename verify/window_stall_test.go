package verify

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/window"
)

// lastStored is a store that remembers only how far it is. A window writes in order and without holes.
type lastStored struct {
	sinks.SignalStore
	last atomic.Uint64
}

func (s *lastStored) Stat(context.Context) (sinks.SignalStat, error) {
	return sinks.SignalStat{Last: s.last.Load()}, nil
}

func (s *lastStored) Append(_ context.Context, batch []sinks.Signal) error {
	for i := range batch {
		if batch[i].Sequence != s.last.Load()+1 {
			return fmt.Errorf("%w: sequence %d after %d", sinks.ErrConflict, batch[i].Sequence, s.last.Load())
		}
		s.last.Store(batch[i].Sequence)
	}
	return nil
}

// TestConservationOfSignals: what was raised before Flush is stored when it returns nil, and what was raised before Clear
// is gone when it returns, although raises with lower sequences stand still between taking their place and filling it
// (with the build tag stall they do so again and again).
func TestConservationOfSignals(t *testing.T) {
	store := &lastStored{}
	w := openWindow(t, window.Options{Store: store, Capacity: 4000, Overload: window.Block})
	each := pick[uint64](200_000, 100_000, 20_000)
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			pattern := fmt.Sprint("g", g)
			name, err := w.Intern(pattern)
			if err != nil {
				t.Error(err)
				return
			}
			for n := range each {
				sequence, err := name.Raise("")
				switch {
				case err != nil:
				case n%997 == 0:
					if err = w.Flush(t.Context()); err == nil && store.last.Load() < sequence {
						err = fmt.Errorf("flushed up to %d, but %d was raised before", store.last.Load(), sequence)
					}
				case n%1999 == 0:
					var left int
					if _, err = w.Clear(pattern); err == nil {
						left, err = w.Find(pattern).Count()
					}
					if err == nil && left > 0 {
						err = fmt.Errorf("%d signals are there after Clear, up to %d was raised before", left, sequence)
					}
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	must(t, w.Flush(t.Context()))
	s := balancedStats(t, w)
	if s.Raised != 4*each || s.Persisted != s.Raised || store.last.Load() != s.Raised {
		t.Errorf("%d stored, %+v", store.last.Load(), s)
	}
	if n := stalls(); forcedStalls && n == 0 {
		t.Error("no raise was stopped: the test proves nothing")
	}
}
