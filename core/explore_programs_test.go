//go:build explore

package core

import (
	"fmt"
	"slices"
	"testing"

	"github.com/ephemera-go/ephemera/core/internal/explore"
)

// Two writers expect the same offset twice; exactly one gets each.
func conditional(t *testing.T) ([]func(), func() error) {
	l := newLab(t, 1, 2, nil)
	won := 0
	f := func(name uint64) func() {
		return func() {
			for i := range uint64(2) {
				pos, err := l.p.appendMany([]uint64{name*100 + i}, condition{true, i})
				switch {
				case err == nil:
					won++
					l.note(pos, name*100+i)
				case err != ErrConflict || pos.Sequence <= i || pos.Sequence > l.p.next():
					explore.Fail("expected %d: %v, %v", i, pos, err)
				}
			}
		}
	}
	return []func(){f(1), f(2), l.writer(3, 1)}, func() error {
		if won != len(l.returned)-1 {
			return fmt.Errorf("%d winners of %d", won, len(l.returned))
		}
		return l.account(uint64(len(l.returned)))
	}
}

// The offset that a conflict reports has been reached, even if the segment was reused while it was looked at.
func conflict(t *testing.T) ([]func(), func() error) {
	l := newLab(t, 2, 1, nil)
	if err := l.append(98); err != nil {
		t.Fatal(err)
	}
	return []func(){
		func() {
			pos, err := l.p.appendMany([]uint64{200}, condition{true, 99})
			if err != ErrConflict || pos.Sequence > l.p.next() {
				explore.Fail("conflict: %v, %v", pos, err)
			}
		},
		l.writer(1, 9),
	}, l.check(10)
}

// Once stop has returned, a Producer that was just made is refused as well.
func takeover(t *testing.T) ([]func(), func() error) {
	l := newLab(t, 2, 4, nil)
	stopped := false
	return []func(){
			func() {
				w, err := l.p.produce(nil)
				if err != nil {
					return
				}
				for i := range uint64(2) {
					late := stopped
					pos, err := w.Append(100 + i)
					if err == nil && late {
						explore.Fail("accepted after closing")
					} else if err == nil {
						l.note(pos, 100+i)
					}
				}
				_ = w.Close()
			},
			func() { l.p.stop(stateClosed); stopped = true },
		},
		func() error { return l.account(uint64(len(l.returned))) }
}

func production(t *testing.T) ([]func(), func() error) {
	l := newLab(t, 1, 2, nil)
	return []func(){
		func() {
			w, err := l.p.produce(nil)
			if err != nil {
				explore.Fail("produce: %v", err)
			}
			for i := range uint64(2) {
				l.produce(w, 100+i)
			}
			_ = w.Close()
			l.writer(1, 0)()
		},
		func() {
			for i := range uint64(3) {
				if err := l.append(200 + i); err != nil && err != ErrOwned {
					explore.Fail("append: %v", err)
				}
			}
		},
		l.reader(),
	}, func() error { return l.account(uint64(len(l.returned))) }
}

func (l *lab) produce(w *Producer[uint64], v uint64) {
	pos, err := w.Append(v)
	if err != nil {
		explore.Fail("producer: %v", err)
	}
	l.note(pos, v)
}

func exclusive(t *testing.T) ([]func(), func() error) {
	l := newLab(t, 2, 4, nil)
	w, err := l.p.produce(nil)
	if err != nil {
		t.Fatal(err)
	}
	return []func(){
		func() {
			l.produce(w, 100)
			pos, err := w.appendPart([]uint64{101, 102})
			if err != nil {
				explore.Fail("producer batch: %v", err)
			}
			l.note(pos, 101, 102)
			l.produce(w, 103)
			_ = w.Close()
		},
		func() {
			if _, err := l.p.produce(nil); err == nil {
				if w.shut {
					return // the first one had gone already
				}
				explore.Fail("two producers")
			}
		},
		l.reader([]uint64{101, 102}),
	}, func() error { return l.account(4) }
}

// After stop has returned nothing is accepted; what was accepted is accounted for.
func closing(t *testing.T) ([]func(), func() error) {
	l := newLab(t, 1, 2, nil)
	stopped := false
	f := func(name uint64) func() {
		return func() {
			for i := range uint64(2) {
				late := stopped
				if err := l.append(name*100 + i); err != nil && err != ErrClosed {
					explore.Fail("append: %v", err)
				} else if err == nil && late {
					explore.Fail("accepted after closing")
				}
			}
		}
	}
	return []func(){f(1), f(2), func() { l.p.stop(stateClosed); stopped = true }},
		func() error { return l.account(uint64(len(l.returned))) }
}

func closingOwned(t *testing.T) ([]func(), func() error) {
	l := newLab(t, 2, 4, nil)
	w, err := l.p.produce(nil)
	if err != nil {
		t.Fatal(err)
	}
	l.produce(w, 98)
	l.produce(w, 99)
	stopped := false
	late := func(accepted func() error) {
		before := stopped
		if err := accepted(); err == nil && before {
			explore.Fail("accepted after closing")
		} else if err != nil && err != ErrClosed && err != ErrOwned {
			explore.Fail("append: %v", err)
		}
	}
	return []func(){
			func() {
				for i := range uint64(3) {
					late(func() error {
						pos, err := w.Append(100 + i)
						if err == nil {
							l.note(pos, 100+i)
						}
						return err
					})
				}
				_ = w.Close()
			},
			func() { late(func() error { return l.append(200) }) },
			func() { l.p.stop(stateClosed); stopped = true },
		},
		func() error { return l.account(uint64(len(l.returned))) }
}

// Whoever appends after stop returned is refused, even while the owner is giving the partition back and an append that
// began earlier has gone on behind it.
func leaving(t *testing.T) ([]func(), func() error) {
	l := newLab(t, 1, 2, nil)
	w, err := l.p.produce(nil)
	if err != nil {
		t.Fatal(err)
	}
	l.produce(w, 100)
	return []func(){
			func() { _ = w.Close() },
			func() {
				l.p.stop(stateClosed)
				if err := l.append(200); err != ErrClosed {
					explore.Fail("append after closing: %v", err)
				}
			},
			func() {
				if err := l.append(300); err != nil && err != ErrClosed && err != ErrOwned {
					explore.Fail("append: %v", err)
				}
			},
		},
		func() error { return l.account(uint64(len(l.returned))) }
}

func clearing(t *testing.T) ([]func(), func() error) {
	l := newLab(t, 1, 2, nil)
	return []func(){l.writer(1, 3), func() { l.p.clear() }, l.reader()}, l.check(3)
}

func clearingTwice(t *testing.T) ([]func(), func() error) {
	l := newLab(t, 1, 4, nil)
	return []func(){l.writer(1, 2), func() { l.p.clear() }, func() { l.p.clear() }}, l.check(2)
}

// A cut under a byte limit raises the floor; so does clear, further.
func limited(t *testing.T) ([]func(), func() error) {
	l := newLab(t, 1, 8, func(c *config[uint64]) { c.size = func(*uint64) int { return 1 } })
	l.p.maxBytes.Store(2)
	check := l.check(4)
	return []func(){l.writer(1, 4), func() { l.p.clear() }, l.reader()}, func() error {
		if f := l.p.floor.Load(); f < l.p.clearedTo {
			return fmt.Errorf("the floor is %d, cleared up to %d", f, l.p.clearedTo)
		}
		return check()
	}
}

// The watermark of published slots jumps over a segment that left with a hole; cuts from before must not trust it.
func stalled(t *testing.T) ([]func(), func() error) {
	l := newLab(t, 1, 2, nil)
	return []func(){l.writer(1, 1), l.writer(2, 4), l.reader()}, l.check(5)
}

// With a consumer every discarded event arrives exactly once and in order, whoever settles.
func delivery(t *testing.T) ([]func(), func() error) {
	l := newLab(t, 1, 1, func(c *config[uint64]) { c.deliver = func(Position, *uint64) {} })
	l.p.watch()
	take := func() {
		out := make([]departure[uint64], 0, 2)
		for more := true; more; {
			more = l.p.settle(l.p.lowest(l.p.next()), &out)
			for _, d := range out {
				l.delivered = append(l.delivered, d.event)
			}
			out = out[:0]
		}
	}
	return []func(){l.writer(1, 3), l.writer(2, 1), take}, func() error {
		take()
		if err := l.check(4)(); err != nil {
			return err
		}
		if len(l.delivered) != 3 {
			return fmt.Errorf("delivered %v of 3", l.delivered)
		}
		for q, v := range l.delivered {
			if l.returned[uint64(q)] != v {
				return fmt.Errorf("delivered %v, appended %v", l.delivered, l.returned)
			}
		}
		return nil
	}
}

// A backlog beyond its limit is given up and counted, while the settler is at work.
func backlog(t *testing.T) ([]func(), func() error) {
	l := newLab(t, 1, 1, func(c *config[uint64]) {
		c.deliver, c.maxPending = func(Position, *uint64) {}, 1
	})
	l.p.limit = 0
	l.p.watch()
	take := func() {
		out := make([]departure[uint64], 0, 1)
		l.p.settle(l.p.lowest(l.p.next()), &out)
		for _, d := range out {
			l.delivered = append(l.delivered, d.event)
		}
	}
	return []func(){l.writer(1, 6), take}, func() error {
		for range 8 {
			take()
		}
		if err := l.check(6)(); err != nil {
			return err
		}
		if g := l.p.ledger(); uint64(len(l.delivered))+g.Undelivered != g.Discarded || !slices.IsSorted(l.delivered) {
			return fmt.Errorf("delivered %v, ledger %+v", l.delivered, g)
		}
		return nil
	}
}

// A cut that is being opened loads what another cut, which stays open, ends in; meanwhile everything is cleared.
func leaked(t *testing.T) ([]func(), func() error) {
	l := newLab(t, 1, 2, nil)
	for i := range uint64(3) {
		if err := l.append(100 + i); err != nil {
			t.Fatal(err)
		}
	}
	var leak section[uint64]
	leak.open(l.p, cutFlag)
	check := l.check(5)
	return []func(){l.reader(), func() { l.p.clear() }, l.writer(2, 2)}, func() error {
		leak.close()
		return check()
	}
}

// The capacity changes beside a writer and a cut: the cut is contiguous and does not change, what left does not come
// back, and the ledger balances.
func resized(t *testing.T, from, to int) ([]func(), func() error) {
	l := newLab(t, 1, from, nil)
	reader := func() {
		var c section[uint64]
		c.open(l.p, cutFlag)
		first := l.read(&c)
		if second := l.read(&c); !slices.Equal(first, second) || len(first) > max(from, to) {
			explore.Fail("the cut changed from %v to %v", first, second)
		}
		c.close()
	}
	check := func() error {
		g := l.p.ledger()
		if g.Appended != 4 || !g.Balanced() || g.Visible > uint64(max(from, to)) || g.Visible < uint64(min(from, to)) {
			return fmt.Errorf("ledger %+v", g)
		}
		return nil
	}
	return []func(){l.writer(1, 4), func() { l.p.resize(uint64(to)) }, reader}, check
}
