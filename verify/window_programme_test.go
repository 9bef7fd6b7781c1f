package verify

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/faultstore"
	"github.com/ephemera-go/ephemera/window"
)

// A windowPlan describes several runs of a window on one store, with faults between.
type windowPlan struct {
	Seed          uint64
	Driver        string // mem, file or sqlite
	Faults        string // of each run; cleared before it ends, unless Abrupt
	Abrupt        bool   // runs end with the faults in force, all but the last
	Runs, Raisers int
	Each          uint64 // signals of a raiser in a run

	Capacity, MaxPending, MaxPerFlush, HighWater int
	Overload                                     window.Policy
	FlushInterval, MaxAge                        time.Duration
	RetainCount                                  uint64
}

// A windowResult sums up all runs.
type windowResult struct {
	Raised, Persisted, Pending, Dropped, Refused, Pruned, Restored uint64
	Failures                                                       uint64 // of writes
	Rows, Lost                                                     uint64
}

var windowFaults = []string{
	"", "append:2-4 error full", "append:3+ error io", "append:2-5 lost-reply", "append:1-3 partial 7 signals io; newest:2 error io",
	"append:* delay 1ms", "append:2 stall", "prune:1-2 error io; append:4 error leased", "append:1-2 error unknown; append:5 lost-reply",
}

// uncertain reports that a write which failed may be stored, so that a signal may be dropped, or left behind pending, and
// be stored too.
func (p *windowPlan) uncertain() bool {
	return (p.Overload == window.DropOldest || p.Abrupt) && (strings.Contains(p.Faults, "lost-reply") || strings.Contains(p.Faults, "partial"))
}

type windowing struct {
	windowPlan
	url      string
	accepted map[string]uint64
	mu       sync.Mutex
	failed   error
	res      windowResult
}

func (c *windowing) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed == nil {
		c.failed = err
	}
}

// raiseAndRestart runs the plan. A context that ends shortens it.
func raiseAndRestart(ctx context.Context, p windowPlan) (res windowResult, err error) {
	dir, err := os.MkdirTemp("", "ephemera-")
	if err != nil {
		return res, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	c := &windowing{windowPlan: p, accepted: map[string]uint64{}}
	switch p.Driver {
	case "sqlite":
		c.url = "sqlite://" + filepath.ToSlash(dir) + "/signals.db?synchronous=normal"
	case "file":
		c.url = "file://" + filepath.ToSlash(dir) + "?max_file=64KiB"
	default:
		c.url = fmt.Sprint("mem://programme-", p.Seed, "-", rand.Uint64())
	}
	for run := 0; run < p.Runs && (run == 0 || ctx.Err() == nil) && err == nil; run++ {
		err = c.run(run, run == p.Runs-1)
	}
	return c.res, errors.Join(err, c.failed)
}

// run is one life of the window.
func (c *windowing) run(number int, last bool) (err error) {
	ctx := context.Background()
	inner, err := sinks.OpenSignals(ctx, c.url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, inner.Close()) }()
	plan, err := faultstore.Parse(c.Faults)
	if err != nil {
		return err
	}
	w, err := window.New(ctx, window.Options{
		Store: faultstore.Signals(inner, plan), Capacity: c.Capacity, MaxPending: c.MaxPending, MaxPerFlush: c.MaxPerFlush,
		HighWater: c.HighWater, Overload: c.Overload, MaxBlock: 3 * time.Millisecond, FlushInterval: c.FlushInterval,
		MaxAge: c.MaxAge, RetainCount: c.RetainCount,
	})
	if err != nil {
		return err
	}
	err = c.restored(ctx, w, inner)
	c.load(ctx, w, number)
	if !c.Abrupt || last {
		plan.Clear()
		err = errors.Join(err, flushAll(ctx, w))
	}
	if strings.Contains(c.Faults, "stall") {
		plan.Clear() // it would hold the end for ever
	}
	if closed := w.Close(); closed != nil && (!c.Abrupt || last) {
		err = errors.Join(err, closed)
	}
	return errors.Join(err, c.account(ctx, w, inner, last))
}

// flushAll flushes; an answer that signals were given up belongs to the time before.
func flushAll(ctx context.Context, w *window.Window) error {
	var err error
	for range 2 {
		err = w.Flush(ctx)
	}
	return err
}

// restored loads, in spite of faults, and compares with the store.
func (c *windowing) restored(ctx context.Context, w *window.Window, inner sinks.SignalStore) error {
	var err error
	for range 4 {
		if _, err = w.Load(ctx, window.LoadOptions{}); err == nil {
			break
		}
	}
	if err != nil || c.MaxAge < time.Minute {
		return err
	}
	rows, err := rowsOf(ctx, inner)
	if err != nil {
		return err
	}
	list, err := w.Sense("")
	if err != nil {
		return err
	}
	if err := sameSignals(list, rows[max(0, len(rows)-c.Capacity):]); err != nil {
		return fmt.Errorf("after a restart: %w", err)
	}
	return nil
}

// load raises from several goroutines, while another one asks and changes the window.
func (c *windowing) load(ctx context.Context, w *window.Window, number int) {
	var raisers sync.WaitGroup
	for i := range c.Raisers {
		raisers.Go(func() { c.raise(w, fmt.Sprintf("run%dr%d", number, i)) })
	}
	over := make(chan struct{})
	go func() {
		defer close(over)
		raisers.Wait()
	}()
	rng := rand.New(rand.NewPCG(c.Seed, uint64(number)))
	for more := true; more; {
		if err := c.disturb(ctx, w, rng); err != nil {
			c.fail(err)
		}
		select {
		case <-over:
			more = false
		default:
		}
	}
	if err := w.SetCapacity(c.Capacity); err != nil {
		c.fail(err)
	}
}

func (c *windowing) raise(w *window.Window, source string) {
	n, refused := uint64(0), 0
	for n < c.Each && refused < 100 {
		switch _, err := raiseOne(w, source, n); {
		case err == nil:
			n++
		case errors.Is(err, window.ErrOverloaded):
			refused++
		default:
			c.fail(err)
			return
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if n > 0 {
		c.accepted[source] = n
	}
}

// disturb does one thing that must not change what reaches the store.
func (c *windowing) disturb(ctx context.Context, w *window.Window, rng *rand.Rand) (err error) {
	switch rng.IntN(8) {
	case 0:
		_, err = w.Clear(names[rng.IntN(64)][:1] + "*")
	case 1:
		err = w.SetCapacity(1 + rng.IntN(2*c.Capacity))
	case 2:
		_, _ = w.Load(ctx, window.LoadOptions{Replay: rng.IntN(2) == 0}) // faults may make it fail
	case 3:
		short, cancel := context.WithTimeout(ctx, time.Duration(rng.IntN(2000))*time.Microsecond)
		_ = w.Flush(short)
		cancel()
	case 4:
		_, err = w.Find("").Key("run0r0/1").Any()
	case 5:
		n, most := w.Len(), 2*c.Capacity
		if n > most {
			err = fmt.Errorf("%d signals in a window of at most %d", n, most)
		}
	default:
		err = balance(w.Stats())
	}
	return err
}

// account compares what the window says about a run with what the store holds.
func (c *windowing) account(ctx context.Context, w *window.Window, inner sinks.SignalStore, last bool) error {
	s := w.Stats()
	r := &c.res
	r.Raised, r.Persisted, r.Pending, r.Dropped = r.Raised+s.Raised, r.Persisted+s.Persisted, r.Pending+s.Pending, r.Dropped+s.Dropped
	r.Refused, r.Pruned, r.Restored, r.Failures = r.Refused+s.Refused.Total(), r.Pruned+s.Pruned, r.Restored+s.Restored, r.Failures+s.FlushFailures
	if err := balance(s); err != nil {
		return err
	}
	if s.Dropped > 0 && c.Overload != window.DropOldest || s.Pending > 0 && (!c.Abrupt || last) {
		return fmt.Errorf("policy %d: %+v", c.Overload, s)
	}
	rows, err := rowsOf(ctx, inner)
	if err != nil {
		return err
	}
	r.Rows = uint64(len(rows))
	if r.Raised != sum(c.accepted) {
		return fmt.Errorf("%d raised, %d accepted", r.Raised, sum(c.accepted))
	}
	if err := onceEach(rows, c.accepted); err != nil {
		return err
	}
	if r.Rows+r.Pruned < r.Persisted {
		r.Lost = r.Persisted - r.Rows - r.Pruned
		return fmt.Errorf("%d signals are lost: %+v", r.Lost, *r)
	}
	if more := r.Rows + r.Pruned - r.Persisted; more > 0 && !c.uncertain() {
		return fmt.Errorf("%d rows more than were confirmed: %+v", more, *r)
	}
	return nil
}

func (p *programme) window(ctx context.Context, _ *testing.T, seed uint64) (plan any, err error) {
	c := windowPlan{
		Seed: seed, Driver: []string{"sqlite", "sqlite", "file", "mem"}[p.rng.IntN(4)],
		Faults: windowFaults[p.rng.IntN(len(windowFaults))], Abrupt: p.rng.IntN(3) == 0,
		Runs: 1 + p.rng.IntN(4), Raisers: 1 + p.rng.IntN(4), Each: uint64(p.between(100, p.pickSize(50_000, 2_000))),
		Capacity: p.between(16, 20_000), MaxPerFlush: p.between(7, 5000), Overload: window.Policy(p.rng.IntN(3)),
		FlushInterval: []time.Duration{time.Millisecond, 20 * time.Millisecond, window.Forever}[p.rng.IntN(3)],
		MaxAge:        []time.Duration{window.Forever, time.Hour, 20 * time.Millisecond}[p.rng.IntN(3)],
	}
	if p.rng.IntN(2) == 0 {
		c.MaxPending = p.between(16, 20_000)
		c.HighWater = 1 + p.rng.IntN(c.MaxPending)
	}
	if p.rng.IntN(3) == 0 {
		c.RetainCount = uint64(p.between(10, 20_000))
	}
	res, err := raiseAndRestart(ctx, c)
	p.Signals += res.Raised
	p.Persisted += res.Persisted
	p.LeftPending += res.Pending
	p.GivenUp += res.Dropped + res.Refused
	p.Restored += res.Restored
	p.FailedWrites += res.Failures
	p.Lost += res.Lost
	return c, err
}

// TestWindowConservation is the window's part of the programme with every fault, policy and driver once.
func TestWindowConservation(t *testing.T) {
	seed := seedOf(t)
	drivers := []string{"sqlite", "file", "mem"}
	total := windowResult{}
	for i, faults := range windowFaults {
		for policy := window.DropOldest; policy <= window.Block; policy++ {
			x := mix(seed + uint64(i)<<8 + uint64(policy))
			p := windowPlan{
				Seed: x, Driver: drivers[(i+int(policy))%3], Faults: faults, Abrupt: x%2 == 0, Runs: 3, Raisers: 3,
				Each: pick[uint64](2000, 1000, 500), Capacity: 1000, MaxPerFlush: 100, Overload: policy,
				FlushInterval: 5 * time.Millisecond, MaxAge: window.Forever, RetainCount: x >> 8 % 2 * 1500,
			}
			res, err := raiseAndRestart(t.Context(), p)
			if err != nil {
				t.Errorf("%+v: %v", p, err)
			}
			total.Raised += res.Raised
			total.Persisted += res.Persisted
			total.Pending += res.Pending
			total.Dropped += res.Dropped
			total.Refused += res.Refused
			total.Pruned += res.Pruned
			total.Restored += res.Restored
			total.Failures += res.Failures
		}
	}
	t.Logf("%+v", total)
	if total.Raised == 0 || total.Restored == 0 || total.Failures == 0 {
		t.Errorf("the test proves nothing: %+v", total)
	}
}
