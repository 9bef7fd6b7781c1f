//go:build explore

package explore

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// node is one step of the path of the depth-first search.
type node struct {
	options [MaxThreads]uint8
	n, at   uint8
}

// depthFirst enumerates all schedules: each run replays the path and then takes
// the first option of every new step.
type depthFirst struct{ path []node }

func (d *depthFirst) choose(step int, options []uint8, _ bool) (int, error) {
	if step == len(d.path) {
		n := node{n: uint8(len(options))}
		copy(n.options[:], options)
		d.path = append(d.path, n)
	}
	n := &d.path[step]
	if !slices.Equal(n.options[:n.n], options) {
		return 0, fmt.Errorf("not deterministic: step %d offered threads %v before and %v now", step, n.options[:n.n], options)
	}
	return int(n.at), nil
}

// advance moves to the next path after a run; false when there is none.
func (d *depthFirst) advance() bool {
	for len(d.path) > 0 {
		n := &d.path[len(d.path)-1]
		if n.at++; n.at < n.n {
			return true
		}
		d.path = d.path[:len(d.path)-1]
	}
	return false
}

// walk chooses at random. With a bound it draws the steps of the preemptions
// beforehand, otherwise nearly all of them would come early.
type walk struct {
	seed    int64
	bound   int
	longest int // steps of the longest run so far
	random  *rand.Rand
	at      []int
}

func (w *walk) start(run int) {
	w.random = rand.New(rand.NewPCG(uint64(w.seed), uint64(run)))
	w.at = w.at[:0]
	for range max(w.bound, 0) {
		w.at = append(w.at, w.random.IntN(w.longest+1))
	}
}

func (w *walk) choose(step int, options []uint8, keep bool) (int, error) {
	switch {
	case !keep || w.bound < 0:
		return w.random.IntN(len(options)), nil
	case len(options) > 1 && slices.Contains(w.at, step):
		return 1 + w.random.IntN(len(options)-1), nil
	}
	return 0, nil
}

// script follows a trace and then keeps to the first option.
type script struct{ trace []int }

func (r script) choose(step int, options []uint8, _ bool) (int, error) {
	if step >= len(r.trace) {
		return 0, nil
	}
	i := slices.Index(options, uint8(r.trace[step]))
	if i < 0 {
		return 0, fmt.Errorf("trace does not fit: step %d wants thread %d, possible are %v", step, r.trace[step], options)
	}
	return i, nil
}
