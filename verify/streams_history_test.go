package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/streams"
)

type streamKind int

const (
	streamAppend streamKind = iota
	streamRead
	streamInfo
	streamDelete
	streamCrash // of the process; what was found afterwards is its output
)

func (k streamKind) String() string {
	return [...]string{"append", "read", "info", "delete", "crash"}[k]
}

type expectation int

const (
	expectAny expectation = iota
	expectNoStream
	expectExists
	expectAt // Version
)

func (e expectation) of(version uint64) streams.Expect {
	return [...]streams.Expect{streams.ExpectAny, streams.ExpectNoStream, streams.ExpectExists, streams.ExpectVersion(version)}[e]
}

// A streamOp is a call to a log.
type streamOp struct {
	Kind     streamKind
	Stream   string
	Expect   expectation
	Version  uint64
	Key      string
	IDs      []string // of Events; empty ones are no ids
	Events   []uint64
	From     uint64
	Limit    int
	Backward bool
}

func (o *streamOp) keyed() bool {
	return o.Key != "" || slices.ContainsFunc(o.IDs, func(id string) bool { return id != "" })
}

// payload is a hash of all that a key stands for.
func (o *streamOp) payload() uint64 {
	h := uint64(len(o.Events))
	for i, e := range o.Events {
		h = mix(h*31 + e)
		for _, c := range o.IDs[i] {
			h = mix(h*31 + uint64(c))
		}
	}
	return h
}

// String leaves out what says nothing.
func (o streamOp) String() string {
	s := fmt.Sprint(o.Kind, " ", o.Stream)
	switch o.Kind {
	case streamAppend:
		s += fmt.Sprintf(" %v expect %s%d", o.Events, [...]string{"any ", "none ", "exists ", ""}[o.Expect], o.Version)
		if o.keyed() {
			s += fmt.Sprintf(" key %q ids %q", o.Key, o.IDs)
		}
	case streamRead:
		s += fmt.Sprintf(" from %d limit %d backward %t", o.From, o.Limit, o.Backward)
	}
	return s
}

type verdict int

const (
	done verdict = iota
	conflict
	reused
	full
	unknownOutcome
)

// A streamOut is what a call said.
type streamOut struct {
	Epoch       core.Epoch
	Verdict     verdict
	First, Last uint64
	Duplicate   bool
	Version     uint64
	Keys        []string
	Partial     bool
	Seen        []string // version=event
	Oldest      uint64
	Gap         streams.Gap
	More        bool
	Exists      bool
	Events      int
	KeysKnown   int
}

// String leaves out what says nothing, and the epoch.
func (o streamOut) String() string {
	var b strings.Builder
	b.WriteString([...]string{"done", "conflict", "reused", "full", "unknown"}[o.Verdict])
	v := reflect.ValueOf(o)
	for i := 2; i < v.NumField(); i++ {
		if f := v.Field(i); !f.IsZero() {
			fmt.Fprintf(&b, " %s=%v", v.Type().Field(i).Name, f)
		}
	}
	return b.String()
}

func (o streamOut) same(other streamOut) bool { return reflect.DeepEqual(o, other) }

// streamCall makes the call. sent is false when the log says for certain that nothing happened, and gives no answer either.
func streamCall(ctx context.Context, l streams.Log, o streamOp) (out streamOut, sent bool, err error) {
	switch o.Kind {
	case streamAppend:
		a := streams.Append{Stream: o.Stream, Expect: o.Expect.of(o.Version), Key: o.Key}
		for i, n := range o.Events {
			a.Events = append(a.Events, streams.Event{ID: o.IDs[i], Data: fmt.Appendf(nil, `{"n":%d}`, n)})
		}
		var r streams.Result
		r, err = l.Append(ctx, a)
		out = streamOut{Epoch: r.Epoch, First: r.First, Last: r.Last, Duplicate: r.Duplicate}
	case streamRead:
		var p streams.Page
		p, err = l.Read(ctx, streams.Read{Stream: o.Stream, From: o.From, Limit: o.Limit, Backward: o.Backward})
		out = streamOut{Epoch: p.Epoch, Version: p.Version, Oldest: p.Oldest, More: p.More}
		if p.Gap != nil {
			out.Gap = *p.Gap
		}
		for i := range p.Events {
			var data struct{ N uint64 }
			if e := json.Unmarshal(p.Events[i].Data, &data); e != nil {
				return out, true, e
			}
			out.Seen = append(out.Seen, fmt.Sprint(p.Events[i].Version, "=", data.N))
		}
	case streamInfo:
		var i streams.Info
		i, err = l.Info(ctx, o.Stream)
		out = streamOut{Epoch: i.Epoch, Version: i.Version, Oldest: i.Oldest, Exists: i.Exists, Events: i.Events, KeysKnown: i.Keys}
	case streamDelete:
		err = l.Delete(ctx, o.Stream)
	}
	return refused(out, err)
}

// refused turns the errors that a history may hold into outputs.
func refused(out streamOut, err error) (streamOut, bool, error) {
	at, key := (*streams.ConflictError)(nil), (*streams.KeyError)(nil)
	switch {
	case err == nil:
		return out, true, nil
	case errors.Is(err, streams.ErrUnknownOutcome):
		return streamOut{Verdict: unknownOutcome}, true, nil
	case errors.As(err, &at):
		return streamOut{Epoch: at.Epoch, Verdict: conflict, Version: at.Version}, true, nil
	case errors.As(err, &key):
		return streamOut{Verdict: reused, Keys: key.Keys, Partial: key.Partial}, true, nil
	case errors.Is(err, streams.ErrFull):
		return streamOut{Verdict: full}, true, nil
	case errors.Is(err, streams.ErrUnavailable), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return out, false, nil
	}
	return out, false, err
}

// streamMix says how often clients do what.
type streamMix struct {
	Streams []string
	Deletes bool
	Hurry   bool // some calls end before they are over
}

// A streamClient makes calls and notes them.
type streamClient struct {
	id    int
	log   streams.Log
	epoch core.Epoch // of the replies
	mix   streamMix
	began time.Time
	rng   *rand.Rand
	known map[string]uint64 // the latest version that it has seen, by stream
	made  uint64
	used  *usedOps
	again int // calls that repeat one of used, as it was, before it begins
}

// usedOps are appends with keys that clients have begun, for all to repeat.
type usedOps struct {
	mu    sync.Mutex
	list  []streamOp
	reach int // of the latest are repeated
}

func (u *usedOps) add(o streamOp) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.list = append(u.list, o)
}

func (u *usedOps) any(rng *rand.Rand) (streamOp, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.list) == 0 {
		return streamOp{}, false
	}
	recent := u.list[max(0, len(u.list)-u.reach):]
	return recent[rng.IntN(len(recent))], true
}

// run makes so many calls, or until the context ends.
func (c *streamClient) run(ctx context.Context, calls int) (list []porcupine.Operation, err error) {
	for n := 0; n < calls && ctx.Err() == nil; n++ {
		o := c.choose()
		if o.Kind == streamAppend && o.keyed() {
			c.used.add(o)
		}
		hurried, cancel := ctx, context.CancelFunc(func() {})
		if c.mix.Hurry && c.rng.IntN(10) == 0 {
			hurried, cancel = context.WithTimeout(ctx, time.Duration(1+c.rng.IntN(4))*time.Millisecond)
		}
		call := time.Since(c.began)
		out, sent, err := streamCall(hurried, c.log, o)
		back := int64(time.Since(c.began))
		cancel()
		if err != nil {
			return list, fmt.Errorf("client %d: %v: %w", c.id, o, err)
		}
		if !sent {
			continue
		}
		if !out.Epoch.IsZero() && out.Epoch != c.epoch {
			return list, fmt.Errorf("client %d: %v: a reply of epoch %v, not %v", c.id, o, out.Epoch, c.epoch)
		}
		out.Epoch = c.epoch
		if out.Verdict == unknownOutcome {
			back = math.MaxInt64
		}
		c.known[o.Stream] = max(out.Version, out.Last, c.known[o.Stream])
		list = append(list, porcupine.Operation{ClientId: c.id, Input: o, Call: int64(call), Output: out, Return: back})
		if c.rng.IntN(3) == 0 {
			runtime.Gosched()
		}
	}
	return list, nil
}

func (c *streamClient) choose() streamOp {
	if o, ok := c.used.any(c.rng); ok && c.again > 0 {
		c.again--
		o.Expect = expectAny
		return o
	}
	o := streamOp{Stream: c.mix.Streams[c.rng.IntN(len(c.mix.Streams))]}
	switch x := c.rng.IntN(20); {
	case x < 13:
		return c.chooseAppend(o)
	case x < 17:
		o.Kind, o.Limit, o.Backward = streamRead, 1+c.rng.IntN(12), c.rng.IntN(3) == 0
		if c.rng.IntN(2) == 0 {
			o.From = c.rng.Uint64N(c.known[o.Stream] + 2)
		}
	case x < 19 || !c.mix.Deletes:
		o.Kind = streamInfo
	default:
		o.Kind = streamDelete
	}
	return o
}

func (c *streamClient) chooseAppend(o streamOp) streamOp {
	if old, ok := c.used.any(c.rng); ok && c.rng.IntN(3) == 0 {
		o = c.alike(old)
	} else {
		for range 1 + max(0, c.rng.IntN(7)-3) {
			o.Events, o.IDs = append(o.Events, c.number()), append(o.IDs, "")
		}
		switch c.rng.IntN(3) {
		case 0:
			o.Key = fmt.Sprint("key", o.Events[0])
		case 1:
			for i := range o.IDs {
				if i == 0 || c.rng.IntN(4) > 0 {
					o.IDs[i] = fmt.Sprint("id", o.Events[i])
				}
			}
		}
	}
	o.Expect = [...]expectation{expectAny, expectAny, expectAny, expectNoStream, expectExists, expectAt, expectAt, expectAt}[c.rng.IntN(8)]
	o.Version = c.known[o.Stream]
	if c.rng.IntN(6) == 0 { // a version that may come true meanwhile
		o.Version += 1 + c.rng.Uint64N(3)
	}
	return o
}

// alike repeats an append that has a key, mostly as it was.
func (c *streamClient) alike(o streamOp) streamOp {
	o.IDs, o.Events = slices.Clone(o.IDs), slices.Clone(o.Events)
	switch c.rng.IntN(8) {
	case 0: // another payload
		o.Events[c.rng.IntN(len(o.Events))] = c.number()
	case 1: // one more event
		n := c.number()
		o.Events, o.IDs = append(o.Events, n), append(o.IDs, fmt.Sprint("id", n))
	case 2: // the other way round
		slices.Reverse(o.Events)
		slices.Reverse(o.IDs)
	}
	return o
}

func (c *streamClient) number() uint64 {
	c.made++
	return uint64(c.id+1)<<20 + c.made
}

// streamCrowd lets clients loose on logs, one each, and returns what they did.
func streamCrowd(ctx context.Context, clients []*streamClient, calls int) ([]porcupine.Operation, error) {
	lists, errs := make([][]porcupine.Operation, len(clients)), make([]error, len(clients))
	var gate, all sync.WaitGroup
	gate.Add(len(clients))
	for i, c := range clients {
		all.Go(func() {
			gate.Done()
			gate.Wait()
			lists[i], errs[i] = c.run(ctx, calls)
		})
	}
	all.Wait()
	return slices.Concat(lists...), errors.Join(errs...)
}

// newStreamClients makes clients that share what they have used.
func newStreamClients(seed uint64, n int, mix streamMix, log func(client int) streams.Log, epoch core.Epoch) []*streamClient {
	used, began := &usedOps{reach: 12}, time.Now()
	var list []*streamClient
	for i := range n {
		list = append(list, &streamClient{
			id: i, log: log(i), epoch: epoch, mix: mix, began: began, known: map[string]uint64{}, used: used,
			rng: rand.New(rand.NewPCG(seed, uint64(i)+1)),
		})
	}
	return list
}

func showStreams(r streamRules, ops []porcupine.Operation) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%+v\n", r)
	ops = slices.Clone(ops)
	slices.SortFunc(ops, func(x, y porcupine.Operation) int { return int(x.Call - y.Call) })
	for _, o := range ops {
		fmt.Fprintf(&b, "%9d-%9d client %d: %v -> %v\n", o.Call, o.Return, o.ClientId, o.Input, o.Output)
	}
	return b.String()
}
