package verify

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/ephemera-go/ephemera/core"
)

type kind int

const (
	appendOne kind = iota
	appendBatch
	appendIf
	readAll
	askNext
)

func (k kind) String() string { return [...]string{"append", "batch", "appendIf", "read", "next"}[k] }

type input struct {
	kind     kind
	expected uint64   // of appendIf
	events   []uint64 // unique numbers
}

type output struct {
	ok    bool     // false: appendIf met another version
	at    uint64   // sequence of the first event, or the next sequence
	seen  []uint64 // what a read showed, from sequence at on
	holes uint64   // positions behind it that a writer was still busy with
}

// A log is one partition as its clients see it. The mistakes in mistakes_test.go are logs, too.
type log interface {
	do(input) (output, error)
}

type storeLog struct{ s *core.Store[uint64] }

func (l storeLog) do(in input) (out output, err error) {
	var p core.Position
	switch in.kind {
	case appendOne:
		p, err = l.s.Append(in.events[0])
	case appendBatch:
		var b core.BatchResult
		b, err = l.s.AppendBatchTo(0, in.events)
		p = b.First()
	case appendIf:
		if p, err = l.s.AppendIf(0, in.expected, in.events...); errors.Is(err, core.ErrConflict) {
			return output{at: p.Sequence}, nil
		}
	case readAll:
		return l.read()
	case askNext:
		p.Sequence, err = l.s.Next(0)
	}
	return output{ok: true, at: p.Sequence}, err
}

func (l storeLog) read() (out output, err error) {
	c := l.s.Cut()
	defer c.Close()
	out.ok, out.holes = true, c.Holes()
	if out.at, _, err = c.Bounds(0); err != nil {
		return out, err
	}
	out.seen, err = c.View().Copy()
	return out, err
}

// A history is what the clients of one log did.
type history struct {
	ops             []porcupine.Operation
	start, capacity uint64
}

// String lists the operations by the time of their call.
func (h history) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "first sequence %d, capacity %d\n", h.start, h.capacity)
	ops := slices.Clone(h.ops)
	slices.SortFunc(ops, func(x, y porcupine.Operation) int { return int(x.Call - y.Call) })
	for _, o := range ops {
		fmt.Fprintf(&b, "%8d-%8d client %d: %+v -> %+v\n", o.Call, o.Return, o.ClientId, o.Input, o.Output)
	}
	return b.String()
}

// starts are first sequences whose successors wrap around something.
var starts = []uint64{0, math.MaxUint32 - 20, math.MaxInt64 - 20, math.MaxUint64 - 20}

// record lets clients loose on a new store. Its clock is asked between reservation and publication and yields there,
// which is when other clients can do harm.
func record(seed uint64, clients, ops int, wrap func(log) log) (h history, err error) {
	rng := rand.New(rand.NewPCG(seed, 0))
	h.start = starts[rng.IntN(len(starts))]
	h.capacity = []uint64{8, 50, 4096}[rng.IntN(3)]
	var ticks atomic.Uint64
	s, err := core.New(core.Options[uint64]{
		Capacity: int(h.capacity), StartAt: []uint64{h.start}, Arrival: true,
		Clock: func() time.Time {
			if mix(seed+ticks.Add(1))%3 > 0 {
				runtime.Gosched()
			}
			return time.Unix(1, 0)
		},
	})
	if err != nil {
		return h, err
	}
	defer func() { _ = s.Close() }()
	l, began, errs := wrap(storeLog{s}), time.Now(), make([]error, clients)
	lists := make([][]porcupine.Operation, clients)
	var gate, done sync.WaitGroup
	gate.Add(clients)
	for i := range clients {
		c := &client{id: i, log: l, began: began, known: h.start, rng: rand.New(rand.NewPCG(seed, uint64(i)+1))}
		done.Go(func() {
			gate.Done()
			gate.Wait()
			lists[i], errs[i] = c.run(ops)
		})
	}
	done.Wait()
	h.ops = slices.Concat(lists...)
	return h, errors.Join(errs...)
}

type client struct {
	id    int
	log   log
	began time.Time
	rng   *rand.Rand
	known uint64 // the latest version that it has seen
	made  uint64
}

func (c *client) run(ops int) (list []porcupine.Operation, err error) {
	for range ops {
		in := c.choose()
		call := time.Since(c.began)
		out, err := c.log.do(in)
		back := time.Since(c.began)
		if err != nil {
			return list, fmt.Errorf("client %d: %v: %w", c.id, in, err)
		}
		c.known = out.at + uint64(len(out.seen)) + out.holes
		if out.ok {
			c.known += uint64(len(in.events))
		}
		list = append(list, porcupine.Operation{
			ClientId: c.id, Input: in, Call: int64(call), Output: out, Return: int64(back),
		})
		if c.rng.IntN(3) == 0 {
			runtime.Gosched()
		}
	}
	return list, nil
}

func (c *client) choose() input {
	in, n := input{expected: c.known}, 1
	switch x := c.rng.IntN(10); {
	case x < 5:
		in.kind, n = appendIf, 1+c.rng.IntN(3)
		if c.rng.IntN(8) == 0 { // a version that may come true meanwhile
			in.expected += 1 + c.rng.Uint64N(4)
		}
	case x < 6:
		in.kind = appendOne
	case x < 7:
		in.kind, n = appendBatch, 2+c.rng.IntN(4)
	case x < 9:
		in.kind, n = readAll, 0
	default:
		in.kind, n = askNext, 0
	}
	for range n {
		c.made++
		in.events = append(in.events, uint64(c.id)<<32+c.made)
	}
	return in
}
