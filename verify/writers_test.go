package verify

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/ephemera-go/ephemera/core"
)

// A writer appends its quota of numbered events in every way the store has, and remembers where they went.
type writer struct {
	run   *conservation
	id    int
	rng   *rand.Rand
	batch []event
	cur   []int // per partition the next event of the batch to look at
	stored
	begun, done atomic.Uint64 // events handed to the store, and events that it confirmed
}

// stored is what a writer knows of its own success.
type stored struct {
	account
	conflicts, owned uint64
}

func newWriter(c *conservation, id int) *writer {
	return &writer{run: c, id: id, rng: rand.New(rand.NewPCG(c.Seed, uint64(id)+1))}
}

func (w *writer) work(ctx context.Context) {
	quota := w.run.quota(w.id)
	for ops := 0; ctx.Err() == nil; ops++ {
		left := quota - w.done.Load()
		if left == 0 {
			return
		}
		if ops&63 == 0 {
			w.run.pace()
		}
		switch x := w.rng.IntN(1000); {
		case x < 700:
			w.one(w.run.store.Append)
		case x < 850 || w.run.Lanes > 0:
			w.many(left, w.run.MaxBatch, w.run.store.AppendBatch)
		case x < 900:
			w.one(w.toAny)
		case x < 998:
			w.conditional(left)
		default:
			w.produce(left)
		}
	}
}

// take makes the next n events.
func (w *writer) take(n uint64) []event {
	w.batch = w.batch[:0]
	first := w.done.Load()
	for i := range n {
		w.batch = append(w.batch, makeEvent(w.id, first+i))
	}
	w.begun.Store(first + n)
	return w.batch
}

// note takes the store's word for one event.
func (w *writer) note(p core.Position, e *event) {
	w.add(p, e)
	w.done.Add(1)
}

func (w *writer) toAny(e event) (core.Position, error) {
	return w.run.store.AppendTo(w.rng.IntN(w.run.store.Partitions()), e)
}

func (w *writer) one(f func(event) (core.Position, error)) {
	e := w.take(1)[0]
	for {
		p, err := f(e)
		if err == nil {
			w.note(p, &e)
			return
		}
		if !w.retry(err) {
			return
		}
	}
}

// retry reports whether an append may be tried again.
func (w *writer) retry(err error) bool {
	if errors.Is(err, core.ErrOwned) {
		w.owned++
		runtime.Gosched()
		return true
	}
	w.run.fail("writer %d: %v", w.id, err)
	return false
}

func (w *writer) many(left, most uint64, f func([]event) (core.BatchResult, error)) {
	rest := w.take(min(left, 1+w.rng.Uint64N(most)))
	for len(rest) > 0 {
		b, err := f(rest)
		rest = w.noteBatch(b, rest)
		if err != nil && !w.retry(err) {
			return
		}
		if err == nil && len(rest) > 0 {
			w.run.fail("a batch left %d events out without an error", len(rest))
			return
		}
	}
}

// noteBatch finds out which event went where, and returns those that went nowhere.
func (w *writer) noteBatch(b core.BatchResult, events []event) []event {
	w.cur = slices.Repeat([]int{0}, w.run.store.Partitions())
	taken := make([]bool, len(events))
	for r := range b.Runs() {
		i := &w.cur[w.run.batchPartition(r.First.Partition)]
		for k := range r.Count {
			for *i < len(events) && (taken[*i] || !w.run.belongs(&events[*i], r.First.Partition)) {
				*i++
			}
			if *i == len(events) {
				w.run.fail("a batch of %d confirmed more than it was given", len(events))
				return nil
			}
			w.note(core.Position{Partition: r.First.Partition, Sequence: r.First.Sequence + uint64(k)}, &events[*i])
			taken[*i] = true
		}
	}
	rest := events[:0]
	for i := range events {
		if !taken[i] {
			rest = append(rest, events[i])
		}
	}
	return rest
}

// conditional appends by compare-and-swap until it wins.
func (w *writer) conditional(left uint64) {
	s := w.run.store
	part := w.rng.IntN(s.Partitions())
	events := w.take(min(left, 1+w.rng.Uint64N(8)))
	next, err := s.Next(part)
	for err == nil {
		var p core.Position
		if p, err = s.AppendIf(part, next, events...); err == nil {
			if p.Sequence != next {
				w.run.fail("AppendIf stored at %v, expected was %d", p, next)
			}
			for i := range events {
				w.note(core.Position{Partition: part, Sequence: next + uint64(i)}, &events[i])
			}
			return
		}
		if errors.Is(err, core.ErrConflict) {
			w.conflicts++
			next, err = p.Sequence, nil
		} else if w.retry(err) {
			next, err = s.Next(part)
		}
	}
}

// produce owns a partition for a few appends.
func (w *writer) produce(left uint64) {
	p, err := w.run.store.Producer(w.rng.IntN(w.run.store.Partitions()))
	if err != nil {
		w.retry(err)
		return
	}
	for range min(left, 1+w.rng.Uint64N(200)) {
		w.one(p.Append)
	}
	if err := p.Close(); err != nil {
		w.run.fail("producer: %v", err)
	}
}
