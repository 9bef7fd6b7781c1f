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
		n, err := w.Intern(name)
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
		return n.RaiseFor(0, key)
	}
	r := record{name: n.id, key: key}
	if c := w.ticker; c != nil {
		v := c.word.Load()
		r.sec, r.nsec = int64(v>>nsecBits), uint32(v&nsecMask)
	} else {
		r.sec, r.nsec = w.now()
	}
	pos, err := w.store.Append(r)
	if err != nil {
		return 0, w.refuse(ErrClosed, 1)
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
	switch {
	case n.w == nil:
		return 0, ErrInvalid
	case !goodKey(key):
		return 0, n.w.refuse(ErrInvalid, 1)
	}
	sec, nsec := n.w.now()
	return n.w.raise(record{sec: sec, nsec: nsec, name: n.id, operation: operation, key: key})
}

// RaiseSignal raises a whole signal, with the time, operation, causal path and data it has. Path and Data are copied.
func (w *Window) RaiseSignal(s Signal) (uint64, error) {
	r, err := w.record(&s)
	if err != nil {
		return 0, err
	}
	return w.raise(r)
}

func (w *Window) raise(r record) (uint64, error) {
	claimed := false
	if w.gate.Load() != 0 {
		var err error
		if claimed, err = w.admit(1); err != nil {
			return 0, w.refuse(err, 1)
		}
	}
	pos, err := w.store.Append(r)
	if claimed {
		w.trip.unclaim(1)
	}
	if err != nil {
		return 0, w.refuse(ErrClosed, 1)
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
		return 0, w.refuse(ErrClosed, len(signals))
	}
	buffer := records.Get().(*[]record)
	list := (*buffer)[:0]
	defer func() {
		clear(list) // keep nothing alive
		*buffer = list
		records.Put(buffer)
	}()
	for i := range signals {
		r, err := w.record(&signals[i])
		if err != nil {
			return 0, w.refuse(err, len(signals)-1) // the bad one is counted already
		}
		list = append(list, r)
	}
	done, err := w.raiseAll(list)
	if err != nil {
		return done, w.refuse(err, len(signals)-done)
	}
	return done, nil
}

// records are workspaces of RaiseBatch.
var records = sync.Pool{New: func() any { return new([]record) }}

func (w *Window) raiseAll(records []record) (done int, err error) {
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

// raisePart appends records as a whole and returns the first sequence. Where room is limited it is claimed before, so
// that nobody else can take it in between: there is one append and nothing to try again.
func (w *Window) raisePart(part []record) (uint64, error) {
	claimed := false
	if w.bounded() || w.gate.Load() != 0 {
		var err error
		if claimed, err = w.admit(len(part)); err != nil {
			return 0, err
		}
	}
	b, err := w.store.AppendBatch(part)
	if claimed {
		w.trip.unclaim(len(part))
	}
	if err != nil {
		return 0, ErrClosed
	}
	return b.First().Sequence, nil
}

// raised does what the raise of n signals from sequence first on owes.
func (w *Window) raised(first uint64, n int) {
	if last := first + uint64(n) - 1; last >= w.mark.Load() {
		w.trip.crossed(last)
	}
}

// refuse counts n signals that were not raised, by the error that their raise returns.
func (w *Window) refuse(err error, n int) error {
	count := &w.refused.invalid
	switch {
	case errors.Is(err, ErrClosed):
		count = &w.refused.closed
	case errors.Is(err, ErrOverloaded):
		count = &w.refused.overloaded
	case errors.Is(err, ErrNamesFull):
		count = &w.refused.names
	}
	count.Add(uint64(n))
	return err
}

// admit lets n signals pass, makes them wait, or says why they cannot be raised: ErrClosed or ErrOverloaded. When room is
// limited they have claimed it afterwards.
func (w *Window) admit(n int) (claimed bool, err error) {
	var p patience
	defer p.stop()
	w.awaitWatchers(&p)
	switch {
	case w.gate.Load()&gateClosed != 0:
		return false, ErrClosed
	case !w.bounded():
		return false, nil
	}
	return true, w.awaitRoom(n, &p)
}

// patience is what is left of MaxBlock; the time begins with the first wait.
type patience struct {
	timer *time.Timer
	over  bool
}

func (p *patience) begin(d time.Duration) <-chan time.Time {
	if p.timer == nil {
		p.timer = time.NewTimer(d)
	}
	return p.timer.C
}

func (p *patience) stop() {
	if p.timer != nil {
		p.timer.Stop()
	}
}

// awaitWatchers waits for watchers that are behind. Without patience they are left alone: they lose nothing that the
// window still holds.
func (w *Window) awaitWatchers(p *patience) {
	behind := func() bool { return w.gate.Load()&(gateWatch|gateClosed) == gateWatch }
	for !p.over && behind() {
		opened := w.trip.opened()
		if !behind() { // nobody would tell of that any more
			return
		}
		select {
		case <-opened:
		case <-p.begin(w.o.MaxBlock):
			p.over = true
		}
	}
}

// awaitRoom claims room for n signals, and under Block waits for it.
func (w *Window) awaitRoom(n int, p *patience) error {
	if n == 1 && w.o.Overload == DropNewest && w.gate.Load()&gateFull != 0 {
		return ErrOverloaded
	}
	ok, place := w.trip.claim(n, w.o.Overload == Block && !p.over)
	if ok {
		return nil
	}
	w.trip.hurry()
	if place == nil {
		return ErrOverloaded
	}
	select {
	case <-place.ready:
	case <-w.trip.closed:
	case <-p.begin(w.o.MaxBlock):
	}
	switch {
	case w.trip.leave(place):
		return nil
	case w.gate.Load()&gateClosed != 0:
		return ErrClosed
	}
	return ErrOverloaded
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
