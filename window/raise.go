package window

import (
	"errors"
	"math"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

// refusals counts the signals that a raise returned an error for.
type refusals struct{ invalid, names, overloaded, closed atomic.Uint64 }

// Raise raises a signal of the name, now, and returns its sequence. Errors: ErrInvalid, ErrNamesFull, ErrClosed,
// ErrOverloaded; each means that the signal was not raised, and is counted.
func (w *Window) Raise(name, key string) (uint64, error) {
	id, ok := w.names.ID(name)
	if !ok {
		n, err := w.Name(name)
		if err != nil {
			return 0, err
		}
		id = core.KeyID(n.id)
	}
	return Name{w, uint32(id)}.Raise(key)
}

// Raise is [Window.Raise] without looking the name up: it costs about an append and does not allocate.
func (n Name) Raise(key string) (uint64, error) {
	w := n.w
	if w == nil || w.gate.Load() != 0 || !goodKey(key) {
		if err := n.ask(key); err != nil {
			return 0, err
		}
	}
	r := Record{name: n.id, key: key}
	if c := w.ticker; c != nil {
		v := c.word.Load()
		r.sec, r.nsec = int64(v>>nsecBits), uint32(v&nsecMask)
	} else {
		r.sec, r.nsec = w.now()
	}
	pos, err := w.store.Append(r)
	if err != nil {
		return 0, w.lost(1)
	}
	if pos.Sequence >= w.mark.Load() {
		w.trip.crossed(pos.Sequence)
	}
	if w.sample.takes(pos.Sequence - w.start) {
		w.tellRaise(r.sec, r.nsec, r.name)
	}
	return pos.Sequence, nil
}

// RaiseFor is Raise for an operation.
func (n Name) RaiseFor(operation uint64, key string) (uint64, error) {
	if err := n.ask(key); err != nil {
		return 0, err
	}
	sec, nsec := n.w.now()
	return n.w.raise(Record{sec: sec, nsec: nsec, name: n.id, operation: operation, key: key})
}

// ask checks what Raise cannot take for granted.
func (n Name) ask(key string) error {
	switch {
	case n.w == nil:
		return ErrInvalid
	case !goodKey(key):
		n.w.refused.invalid.Add(1)
		return ErrInvalid
	}
	return n.w.admit(1)
}

// RaiseSignal raises a whole signal, with the time, operation, causal path and data it has. Path and Data are copied.
func (w *Window) RaiseSignal(s Signal) (uint64, error) {
	r, err := w.record(&s)
	if err != nil {
		return 0, err
	}
	if err := w.admit(1); err != nil {
		return 0, err
	}
	return w.raise(r)
}

func (w *Window) raise(r Record) (uint64, error) {
	pos, err := w.store.Append(r)
	if err != nil {
		return 0, w.lost(1)
	}
	w.raised(pos.Sequence, 1)
	if w.sample.takes(pos.Sequence - w.start) {
		w.tellRaise(r.sec, r.nsec, r.name)
	}
	return pos.Sequence, nil
}

// RaiseBatch raises signals in their order; each part of up to [core.MaxBatch] signals is contiguous and becomes visible
// as a whole. All of them are checked first: one bad signal refuses the batch. Under DropNewest and Block a part has at
// most MaxPending signals, and is raised only when there is room for all of it. It returns how many were raised, which
// is less than all of them only with an error.
func (w *Window) RaiseBatch(signals []Signal) (int, error) {
	if w.gate.Load()&gateClosed != 0 {
		return 0, w.lost(len(signals))
	}
	buffer := records.Get().(*[]Record)
	list := (*buffer)[:0]
	defer func() {
		clear(list) // keep nothing alive
		*buffer = list
		records.Put(buffer)
	}()
	for i := range signals {
		r, err := w.record(&signals[i])
		if err != nil {
			return 0, err
		}
		list = append(list, r)
	}
	return w.raiseAll(list)
}

// records are workspaces of RaiseBatch.
var records = sync.Pool{New: func() any { return new([]Record) }}

func (w *Window) raiseAll(records []Record) (done int, err error) {
	for done < len(records) {
		size := core.MaxBatch
		if w.bounded() {
			size = min(size, w.maxPending(w.state.Load().capacity))
		}
		part := records[done:min(done+size, len(records))]
		first, err := w.raisePart(part)
		if err != nil {
			return done, err
		}
		w.raised(first, len(part))
		for i := range part {
			if w.sample.takes(first + uint64(i) - w.start) {
				w.tellRaise(part[i].sec, part[i].nsec, part[i].name)
			}
		}
		done += len(part)
	}
	return done, nil
}

// bounded reports that raises find no room when MaxPending signals wait.
func (w *Window) bounded() bool { return w.o.Store != nil && w.o.Overload != DropOldest }

// raisePart appends records as a whole and returns the first sequence. Where room is limited, the append holds only for
// the sequence that the room was measured from, so that parts at the same time cannot share it.
func (w *Window) raisePart(part []Record) (uint64, error) {
	if !w.bounded() {
		if err := w.admit(len(part)); err != nil {
			return 0, err
		}
		b, err := w.store.AppendBatch(part)
		if err != nil {
			return 0, w.lost(len(part))
		}
		return b.First().Sequence, nil
	}
	var p patience
	defer p.stop()
	for {
		if err := w.await(len(part), true, &p); err != nil {
			return 0, err
		}
		next := w.next()
		if !w.trip.fits(next, len(part)) {
			continue
		}
		pos, err := w.store.AppendIf(0, next, part...)
		if err == nil {
			return pos.Sequence, nil
		}
		if !errors.Is(err, core.ErrConflict) {
			return 0, w.lost(len(part))
		}
	}
}

// raised does what the raise of n signals from sequence first on owes.
func (w *Window) raised(first uint64, n int) {
	if last := first + uint64(n) - 1; last >= w.mark.Load() {
		w.trip.crossed(last)
	}
}

// lost counts signals that came after the end.
func (w *Window) lost(n int) error {
	w.refused.closed.Add(uint64(n))
	return ErrClosed
}

// admit lets signals pass, makes them wait, or refuses them.
func (w *Window) admit(n int) error {
	if w.gate.Load() == 0 {
		return nil
	}
	var p patience
	defer p.stop()
	return w.await(n, false, &p)
}

// patience is what is left of MaxBlock; the time begins with the first wait.
type patience struct{ timer *time.Timer }

func (p *patience) stop() {
	if p.timer != nil {
		p.timer.Stop()
	}
}

// await is admit for one raise that may have to wait several times. With whole there must be room for all n signals.
func (w *Window) await(n int, whole bool, p *patience) error {
	full := func(g uint32) bool { return g&gateFull != 0 || whole && !w.trip.fits(w.next(), n) }
	for {
		g := w.gate.Load()
		switch crowded := full(g); {
		case g&gateClosed != 0:
			return w.lost(n)
		case g == 0 && !crowded:
			return nil
		case crowded && w.o.Overload == DropNewest:
			if whole {
				w.trip.hurry()
			}
			w.refused.overloaded.Add(uint64(n))
			return ErrOverloaded
		}
		if p.timer == nil {
			p.timer = time.NewTimer(w.o.MaxBlock)
		}
		opened := w.trip.opened()
		if now := w.gate.Load(); now != g || now == 0 && !full(now) {
			continue
		}
		if whole {
			w.trip.hurry()
		}
		select {
		case <-opened:
		case <-p.timer.C:
			p.timer.Reset(0) // there is no more patience in a later wait either
			if !full(w.gate.Load()) {
				return nil // only watchers are behind: they lose nothing that the window still holds
			}
			w.refused.overloaded.Add(uint64(n))
			return ErrOverloaded
		}
	}
}

// A sampler takes every n-th of a dense count, without dividing: k is a multiple of n = 2^shift * odd exactly if
// k * odd^-1, rotated right by shift, is at most the greatest quotient.
type sampler struct {
	inverse uint64
	limit   uint64
	shift   int
}

func newSampler(n int) sampler {
	shift := bits.TrailingZeros64(uint64(n))
	odd := uint64(n) >> shift
	inverse := odd
	for range 6 { // each round doubles the number of right bits
		inverse *= 2 - odd*inverse
	}
	return sampler{inverse, math.MaxUint64 / uint64(n), shift}
}

// takes reports whether the signal with this many before it is a sample. The zero sampler takes none.
func (s *sampler) takes(before uint64) bool {
	return s.inverse != 0 && bits.RotateLeft64((before+1)*s.inverse, -s.shift) <= s.limit
}
