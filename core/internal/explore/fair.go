//go:build explore

package explore

// threadSet is a bit set of thread numbers.
type threadSet uint8

func (x threadSet) has(i int) bool { return x>>i&1 != 0 }

// fairness keeps spinning threads from starving another one for ever (after
// Musuvathi and Qadeer, "Fair stateless model checking"): a thread that yields
// twice gives way to every thread that could run between the two yields, or
// was blocked by it, and did not run. Without it two threads that wait for a
// third could alternate and would be taken for a livelock.
type fairness struct {
	tracked   threadSet // yielded at least once
	enabled   threadSet // enabled after the previous step
	below     [MaxThreads]threadSet
	stayed    [MaxThreads]threadSet // enabled all the time since the yield
	disabled  [MaxThreads]threadSet // disabled by this thread since its yield
	scheduled [MaxThreads]threadSet // ran since the yield
}

// step accounts a finished step of thread t, after which enabled can run.
func (f *fairness) step(t int, enabled threadSet, yields bool) {
	if f.tracked == 0 && !yields {
		f.enabled = enabled
		return
	}
	for u := range MaxThreads {
		f.stayed[u] &= enabled
		f.scheduled[u] |= 1 << t
	}
	f.disabled[t] |= f.enabled &^ enabled
	f.enabled = enabled
	if !yields {
		return
	}
	if f.tracked.has(t) {
		f.below[t] |= (f.stayed[t] | f.disabled[t]) &^ f.scheduled[t]
	}
	f.tracked |= 1 << t
	f.stayed[t], f.disabled[t], f.scheduled[t] = enabled, 0, 0
}

// picked forgets that others had to give way to t.
func (f *fairness) picked(t int) {
	if f.tracked == 0 {
		return
	}
	for u := range f.below {
		f.below[u] &^= 1 << t
	}
}

// mayRun tells whether no enabled thread goes before t.
func (f *fairness) mayRun(t int, enabled threadSet) bool { return f.below[t]&enabled == 0 }
