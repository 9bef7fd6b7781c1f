package verify

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

// A programme repeats all the tests of this package with random options until its time is over.
type programme struct {
	seed    uint64
	limit   time.Duration
	small   bool // cycles of a fraction of a second
	file    string
	say     func(format string, args ...any)
	stepped func() // called after each cycle

	rng *rand.Rand
	*report
}

// maxFailures ends a programme: one broken promise breaks many cycles.
const maxFailures = 5

// run ends when the time is over, on an interrupt, and after too many failures. The report is complete in any case. Each
// kind has its turn at least once, however short the time.
func (p *programme) run(ctx context.Context) (*report, error) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	unlimited := ctx
	ctx, cancel := context.WithTimeout(ctx, p.limit)
	defer cancel()
	p.rng, p.report = rand.New(rand.NewPCG(p.seed, 0)), newReport(p.seed)
	first := []string{"conservation", "linearizability", "soak", "window", "snapshot"}
	for n := 0; (ctx.Err() == nil || n < len(first)) && unlimited.Err() == nil && len(p.Failures) < maxFailures; n++ {
		c := cycle{Number: n, Kind: p.kind(), Seed: mix(p.seed + uint64(n))}
		if n < len(first) {
			c.Kind = first[n]
			p.cycle(unlimited, c)
		} else {
			p.cycle(ctx, c)
		}
		if err := p.write(p.file); err != nil {
			return p.report, err
		}
		if p.stepped != nil {
			p.stepped()
		}
	}
	p.Interrupted = unlimited.Err() != nil
	return p.report, p.write(p.file)
}

// kind draws by weight.
func (p *programme) kind() string {
	switch x := p.rng.IntN(16); {
	case x < 5:
		return "conservation"
	case x < 8:
		return "linearizability"
	case x < 11:
		return "window"
	case x < 14:
		return "snapshot"
	}
	return "soak"
}

// cycle runs one step under random settings of the runtime, and puts them back.
func (p *programme) cycle(ctx context.Context, c cycle) {
	c.Processors = []int{1, 2, 4, 8}[p.rng.IntN(4)]
	c.GC = []int{10, 50, 100, 400}[p.rng.IntN(4)]
	c.MemLimit = []int64{1 << 29, 1 << 30, math.MaxInt64}[p.rng.IntN(3)]
	procs, gc, limit := runtime.GOMAXPROCS(c.Processors), debug.SetGCPercent(c.GC), debug.SetMemoryLimit(c.MemLimit)
	defer func() {
		runtime.GOMAXPROCS(procs)
		debug.SetGCPercent(gc)
		debug.SetMemoryLimit(limit)
	}()
	var err error
	switch c.Kind {
	case "conservation":
		c.Plan, err = p.conserve(ctx, c.Seed)
	case "linearizability":
		c.Plan, err = p.linearize(ctx, c.Seed)
	case "window":
		c.Plan, err = p.window(ctx, c.Seed)
	case "snapshot":
		c.Plan, err = p.snapshot(ctx, c.Seed)
	default:
		c.Plan, err = p.soak(ctx)
	}
	p.finish(c, err)
	if err != nil {
		p.say("cycle %+v", p.Latest)
	}
}

// between draws a number in [least, most], evenly over the orders of magnitude.
func (p *programme) between(least, most float64) int {
	return int(least * math.Pow(most/least, p.rng.Float64()))
}

// pickSize returns the size of a cycle.
func (p *programme) pickSize(long, small float64) float64 {
	if p.small {
		return small
	}
	return long
}

func (p *programme) conserve(ctx context.Context, seed uint64) (plan any, err error) {
	c := conservePlan{
		Seed: seed, Capacity: p.between(16, p.pickSize(200_000, 5_000)), Partitions: 1,
		Appends: uint64(p.between(10_000, p.pickSize(5_000_000, 50_000))),
		Writers: 2 + p.rng.IntN(15), Readers: p.rng.IntN(4), MaxBatch: uint64(p.between(1, 3*core.MaxBatch)),
		Unwatched: p.rng.IntN(3) == 0,
	}
	switch p.rng.IntN(3) {
	case 0:
		c.Partitions = 2 + p.rng.IntN(7)
	case 1:
		c.Lanes = 1 + p.rng.IntN(8)
	}
	res, err := conserve(ctx, c)
	p.Appended += res.Appended
	p.Discarded += res.Discarded
	p.Lost += res.Lost
	p.Stalls += res.Stalls
	p.Scanned += res.Scanned
	p.Conflicts += int(res.Conflicts)
	return c, err
}

func (p *programme) linearize(ctx context.Context, seed uint64) (plan any, err error) {
	l := linearPlan{
		Seed: seed, Histories: int(p.pickSize(3000, 100)),
		Clients: 2 + p.rng.IntN(11), Ops: 4 + p.rng.IntN(21),
	}
	res, err := linearize(ctx, l, func(l log) log { return l })
	p.Histories += res.Histories
	p.Conflicts += res.Conflicts
	p.Unknown += res.Unknown
	return l, err
}

func (p *programme) soak(ctx context.Context) (plan any, err error) {
	s := soakPlan{
		For: time.Duration(p.pickSize(20e9, 2e8)), Partitions: 1,
		Capacity: p.between(10_000, p.pickSize(500_000, 50_000)), Writers: 1 + p.rng.IntN(8),
	}
	switch p.rng.IntN(3) {
	case 0:
		s.Partitions = 2 + p.rng.IntN(7)
	case 1:
		s.Lanes = 1 + p.rng.IntN(8)
	}
	if p.rng.IntN(3) == 0 {
		s.MaxPending = s.Capacity
	}
	res, err := soak(ctx, s)
	p.Appended += res.Appended
	p.Discarded += res.ledger.Discarded
	p.Lost += res.Lost
	p.WorstAppendNs = max(p.WorstAppendNs, int64(res.Worst))
	p.MaxHeapBytes = max(p.MaxHeapBytes, res.Peak)
	if res.Limit > 0 {
		p.MaxLiveToLimit = max(p.MaxLiveToLimit, float64(res.Most)/float64(res.Limit))
	}
	return s, err
}

// String is the last line of a programme.
func (r *report) String() string {
	return fmt.Sprintf("%.0f s, cycles %v: lost=%d of %d events and %d signals, %d snapshots, %d histories, worst append %v, heap at most %d MiB",
		r.Seconds, r.Cycles, r.Lost, r.Appended, r.Signals, r.Snapshots, r.Histories, time.Duration(r.WorstAppendNs), r.MaxHeapBytes>>20)
}
