package verify

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// checkLimit is how long one history may take to check. It is generous: an undecided history fails the test.
const checkLimit = 20 * time.Second

// A linearPlan describes many short histories, each on a store of its own.
type linearPlan struct {
	Seed      uint64
	Histories int
	Clients   int
	Ops       int // of each client
}

type linearResult struct {
	Histories, Operations, Concurrent int // Concurrent counts operations that overlapped another one
	Won, Conflicts, Reads, Holes      int
	Illegal, Unknown                  int
}

func (r *linearResult) add(o linearResult) {
	r.Histories += o.Histories
	r.Operations += o.Operations
	r.Concurrent += o.Concurrent
	r.Won += o.Won
	r.Conflicts += o.Conflicts
	r.Reads += o.Reads
	r.Holes += o.Holes
	r.Illegal += o.Illegal
	r.Unknown += o.Unknown
}

// linearize runs histories against what wrap makes of each store, until one is wrong.
func linearize(ctx context.Context, p linearPlan, wrap func(log) log) (res linearResult, err error) {
	for i := 0; i < p.Histories && ctx.Err() == nil; i++ {
		seed := mix(p.Seed + uint64(i))
		h, err := record(seed, p.Clients, p.Ops, wrap)
		if err != nil {
			return res, fmt.Errorf("history %d: %w", i, err)
		}
		res.add(count(h))
		err = visible(h)
		switch verdict := porcupine.CheckOperationsTimeout(model(h), h.ops, checkLimit); {
		case verdict == porcupine.Unknown:
			res.Unknown++
			return res, fmt.Errorf("history %d is undecided after %v", i, checkLimit)
		case verdict == porcupine.Illegal:
			res.Illegal++
			return res, fmt.Errorf("history %d is not linearizable:\n%s", i, h)
		case err != nil:
			res.Illegal++
			return res, fmt.Errorf("history %d: %w:\n%s", i, err, h)
		}
	}
	return res, nil
}

func count(h history) linearResult {
	r := linearResult{Histories: 1, Operations: len(h.ops)}
	for i, a := range h.ops {
		out := a.Output.(output)
		switch a.Input.(input).kind {
		case appendIf:
			if out.ok {
				r.Won++
			} else {
				r.Conflicts++
			}
		case readAll:
			r.Reads++
			r.Holes += int(out.holes)
		}
		for k, b := range h.ops {
			if i != k && a.Call < b.Return && b.Call < a.Return {
				r.Concurrent++
				break
			}
		}
	}
	return r
}

// TestAppendIfIsLinearizable: to all who use one partition at once it is a log with a version. Every append, batch,
// conditional append, read and question for the next sequence takes effect at one moment between call and return.
func TestAppendIfIsLinearizable(t *testing.T) {
	p := linearPlan{Seed: seedOf(t), Histories: pick(2000, 300, 200), Clients: 8, Ops: 12}
	res, err := linearize(t.Context(), p, func(l log) log { return l })
	t.Logf("%+v", res)
	if err != nil {
		t.Fatal(err)
	}
	if res.Histories != p.Histories || res.Operations != p.Histories*p.Clients*p.Ops {
		t.Errorf("checked %+v, want %d histories", res, p.Histories)
	}
	if res.Concurrent < res.Operations/4 || res.Won == 0 || res.Conflicts == 0 || res.Reads == 0 {
		t.Errorf("the test proves nothing: too little happened at the same time: %+v", res)
	}
}

// TestCheckerCatchesMistakes: a store with a known mistake is found out.
func TestCheckerCatchesMistakes(t *testing.T) {
	for name, wrap := range mistakes {
		t.Run(name, func(t *testing.T) {
			p := linearPlan{Seed: seedOf(t), Histories: 500, Clients: 8, Ops: 12}
			res, err := linearize(t.Context(), p, wrap)
			if err == nil || res.Illegal != 1 {
				t.Fatalf("not caught: %+v, %v", res, err)
			}
			t.Logf("caught by history %d", res.Histories)
		})
	}
}
