package verify

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A programme repeats the tests of this package with random options until its time is over.
type programme struct {
	t       *testing.T
	seed    uint64
	limit   time.Duration
	small   bool    // cycles of a fraction of a second
	only    *choice // this cycle, and no other
	parts   []part
	file    string // of the report, without .json and .md
	say     func(format string, args ...any)
	stepped func(ctx context.Context) // called after each cycle; the context ends with an interrupt

	rng    *rand.Rand // of the cycle
	server string     // the program, once it is built
	*report
}

// A part is one of the parts of a programme. What it draws comes from p.rng alone, so that the seed of a cycle repeats it.
// It returns what it has drawn, and what went wrong, or lets t fail.
type part struct {
	name   string
	weight int
	run    func(p *programme, ctx context.Context, t *testing.T, seed uint64) (plan any, err error)
}

// allParts are the parts of the whole programme.
func allParts() []part {
	return []part{
		{"conservation", 4, (*programme).conserve},
		{"linearizability", 2, (*programme).linearize},
		{"soak", 2, (*programme).soak},
		{"window", 6, (*programme).window},
		{"snapshot", 4, (*programme).snapshot},
		{"snapshot-kill", 2, (*programme).snapshotKill},
		{"streams", 3, (*programme).streams},
		{"streams-http", 2, (*programme).streamsHTTP},
		{"streams-once", 2, (*programme).streamsOnce},
		{"streams-kill", 2, (*programme).streamsKill},
		{"streams-flood", 1, (*programme).streamsFlood},
		{serverKill, 3, (*programme).serverKill},
	}
}

// A choice names a cycle: "window:17", or "small:window:17" for one of the short programme.
type choice struct {
	small bool
	name  string
	seed  uint64
}

func parseChoice(text string) (*choice, error) {
	rest, small := strings.CutPrefix(text, "small:")
	name, number, ok := strings.Cut(rest, ":")
	seed, err := strconv.ParseUint(number, 10, 64)
	if !ok || err != nil {
		return nil, fmt.Errorf("%q is not PART:SEED, such as window:17", text)
	}
	return &choice{small, name, seed}, nil
}

func (c choice) String() string {
	text := fmt.Sprint(c.name, ":", c.seed)
	if c.small {
		text = "small:" + text
	}
	return text
}

// maxFailures ends a programme: one broken promise breaks many cycles.
const maxFailures = 5

// run ends when the time is over, on an interrupt, and after too many failures. The report is complete in any case. Each
// part has its turn at least once, however short the time.
func (p *programme) run(ctx context.Context) (*report, error) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	unlimited := ctx
	ctx, cancel := context.WithTimeout(ctx, p.limit)
	defer cancel()
	order := rand.New(rand.NewPCG(p.seed, 0))
	p.report = newReport(p.seed)
	for n := 0; (ctx.Err() == nil || n < len(p.parts)) && unlimited.Err() == nil && len(p.Failures) < maxFailures; n++ {
		c, within := choice{p.small, p.draw(order), mix(p.seed + uint64(n))}, ctx
		if n < len(p.parts) {
			c.name, within = p.parts[n].name, unlimited
		}
		if p.only != nil {
			if n > 0 {
				break
			}
			c, within = *p.only, unlimited
		}
		if err := p.cycle(within, n, c); err != nil {
			return p.report, err
		}
		if err := p.write(p.file); err != nil {
			return p.report, err
		}
		if p.stepped != nil {
			p.stepped(unlimited)
		}
	}
	p.Interrupted = unlimited.Err() != nil
	return p.report, p.write(p.file)
}

// draw draws a part by weight.
func (p *programme) draw(order *rand.Rand) string {
	sum := 0
	for _, k := range p.parts {
		sum += k.weight
	}
	x := order.IntN(sum)
	for _, k := range p.parts {
		if x -= k.weight; x < 0 {
			return k.name
		}
	}
	panic("not reached")
}

// cycle runs one step under random settings of the runtime, and puts them back.
func (p *programme) cycle(ctx context.Context, n int, what choice) error {
	i := slices.IndexFunc(p.parts, func(k part) bool { return k.name == what.name })
	if i < 0 {
		return fmt.Errorf("there is no part %q", what.name)
	}
	p.rng, p.small = rand.New(rand.NewPCG(what.seed, 1)), what.small
	c := cycle{Number: n, Part: what.name, Seed: what.seed, Repeat: "make reliability CYCLE=" + what.String()}
	c.Processors = []int{1, 2, 4, 8}[p.rng.IntN(4)]
	c.GC = []int{10, 50, 100, 400}[p.rng.IntN(4)]
	c.MemLimit = []int64{1 << 29, 1 << 30, math.MaxInt64}[p.rng.IntN(3)]
	procs, gc, limit := runtime.GOMAXPROCS(c.Processors), debug.SetGCPercent(c.GC), debug.SetMemoryLimit(c.MemLimit)
	defer func() {
		runtime.GOMAXPROCS(procs)
		debug.SetGCPercent(gc)
		debug.SetMemoryLimit(limit)
	}()
	began := time.Now()
	var err error
	ok := p.t.Run(fmt.Sprint(n, "-", what.name), func(t *testing.T) {
		c.Plan, err = p.parts[i].run(p, ctx, t, what.seed)
	})
	if !ok && err == nil {
		err = errors.New("the messages of the test say what is wrong")
	}
	p.finish(c, time.Since(began), err)
	p.say("cycle %d, %v: %.1f s", n, what, time.Since(began).Seconds())
	if err != nil {
		p.say("FAILED: %+v\nexactly this cycle again: %s", p.Latest, c.Repeat)
	}
	return nil
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
