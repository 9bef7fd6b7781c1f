package verify

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

// A conservePlan describes one run: many writers, and every event accounted for in the end. Built with the tag stall,
// writers stop now and then between reservation and publication while the others lap them.
type conservePlan struct {
	Seed       uint64
	Appends    uint64
	Capacity   int
	Partitions int
	Lanes      int
	Writers    int
	Readers    int
	MaxBatch   uint64
	Unwatched  bool // nobody sees what leaves, so that segments are used again at once
}

// A conserveResult is what a run found. Nothing may ever be lost.
type conserveResult struct {
	Appended, Visible, Discarded, Lost uint64
	Stalls                             uint64 // writers forced to stop
	Cuts, Scanned, Queries             uint64
	Conflicts, Owned, MostHoles        uint64
	ledger                             core.Ledger
}

// A conservation is such a run in progress.
type conservation struct {
	conservePlan
	store   *core.Store[event]
	writers []*writer
	left    *register // fed by OnDiscard
	cancel  context.CancelCauseFunc

	delivered atomic.Uint64
}

func (c *conservation) fail(format string, args ...any) { c.cancel(fmt.Errorf(format, args...)) }

func (c *conservation) quota(writer int) uint64 {
	n := uint64(c.Writers)
	q := c.Appends / n
	if uint64(writer) < c.Appends%n {
		q++
	}
	return q
}

func (c *conservation) keyed() bool { return c.Partitions > 1 }

// ordered reports whether all events of a writer stand in one partition, in their order.
func (c *conservation) ordered() bool { return c.Partitions == 1 && c.Lanes == 0 }

func (c *conservation) capacityOf(part int) uint64 {
	n := c.store.Partitions()
	if part < c.Capacity%n {
		return uint64(c.Capacity/n) + 1
	}
	return uint64(c.Capacity / n)
}

// belongs reports whether AppendBatch had to send an event to the partition.
func (c *conservation) belongs(e *event, part int) bool {
	return !c.keyed() || c.store.PartitionOf(e.Name) == part
}

// batchPartition tells apart the parts of a batch that are in order by themselves: without keys it is all of it.
func (c *conservation) batchPartition(part int) int {
	if c.keyed() {
		return part
	}
	return 0
}

func (c *conservation) begun() (n uint64) {
	for _, w := range c.writers {
		n += w.begun.Load()
	}
	return n
}

func (c *conservation) confirmed() (n uint64) {
	for _, w := range c.writers {
		n += w.done.Load()
	}
	return n
}

// pace makes a writer settle when too much waits for OnDiscard: the store would not mind, the machine's memory might.
// What waits for a stalled writer is below the limit.
func (c *conservation) pace() {
	limit := uint64(c.Capacity)*2 + 1<<16 + behindStall
	if !c.Unwatched && c.begun() > c.delivered.Load()+limit {
		if err := c.store.Settle(context.Background()); err != nil {
			c.fail("settle: %v", err)
		}
	}
}

func (c *conservation) open() (err error) {
	o := core.Options[event]{
		Capacity: c.Capacity, Partitions: c.Partitions, Lanes: c.Lanes,
		Arrival: true, MaxPending: 1 << 40,
	}
	if !c.Unwatched {
		o.OnDiscard = func(p core.Position, e *event) {
			c.left.take(p, e)
			c.delivered.Add(1)
		}
	}
	if c.keyed() {
		o.Key, o.MaxKeys = func(e event) string { return e.Name }, len(names)
	}
	c.store, err = core.New(o)
	return err
}

// conserve runs the plan. When the context ends early it accounts for what was appended until then.
func conserve(ctx context.Context, p conservePlan) (res conserveResult, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	failed := make(chan error, 1)
	c := &conservation{conservePlan: p, left: newRegister(p.Writers)}
	c.cancel = func(cause error) {
		select {
		case failed <- cause:
		default: // the first problem is the one to look at
		}
		cancel(cause)
	}
	if err := c.open(); err != nil {
		return res, err
	}
	defer func() { _ = c.store.Close() }()
	ro := core.RollupOptions{Name: "all"}
	if !p.Unwatched {
		ro.Retain = 1000 * time.Hour
	}
	rollup, err := core.NewRollup(c.store, totals(), ro)
	if err != nil {
		return res, err
	}
	for i := range p.Writers {
		c.writers = append(c.writers, newWriter(c, i))
	}
	a := &asker{run: c, rollup: rollup}
	before := stalls()
	c.race(ctx, a, &res)
	res.Stalls = stalls() - before
	c.settle(a, &res)
	select {
	case err = <-failed:
	default:
	}
	return res, err
}

// race runs all goroutines until the writers have ended.
func (c *conservation) race(ctx context.Context, a *asker, res *conserveResult) {
	var writing, watching sync.WaitGroup
	stop := make(chan struct{})
	readers := make([]*reader, c.Readers)
	for i := range readers {
		readers[i] = newReader(c)
		watching.Go(func() { readers[i].work(stop) })
	}
	watching.Go(func() { a.work(stop) })
	for _, w := range c.writers {
		writing.Go(func() { w.work(ctx) })
	}
	writing.Wait()
	close(stop)
	watching.Wait()
	for _, r := range readers {
		r.scan() // at rest
		res.Cuts += r.cuts
		res.Scanned += r.seen
		res.MostHoles = max(res.MostHoles, r.holes)
	}
}

// settle compares what writers, OnDiscard, the last cut, the rollup and the ledger say.
func (c *conservation) settle(a *asker, res *conserveResult) {
	if err := c.store.Settle(context.Background()); err != nil {
		c.fail("settle: %v", err)
	}
	left := c.left.account
	cut := c.store.Cut()
	if c.Unwatched {
		c.left.startAt(cut, c.store.Partitions())
	}
	for p, e := range cut.All() {
		c.left.take(p, e)
	}
	res.Visible = uint64(cut.Len())
	cut.Close()
	var said account
	appended := make([]uint64, c.Writers)
	for i, w := range c.writers {
		appended[i] = w.done.Load()
		said.merge(w.account)
		res.Conflicts += w.conflicts
		res.Owned += w.owned
	}
	res.ledger, res.Appended, res.Discarded = c.store.Ledger(), said.events, left.events
	res.Lost = c.left.missing(appended)
	if c.Unwatched { // nobody knows them by name
		res.Discarded = res.ledger.Discarded
		res.Lost = said.events - res.Visible - res.Discarded
	}
	c.judge(said, a.ask(), *res)
	res.Queries = a.queries
}

// judge holds the results to what the appends said.
func (c *conservation) judge(said account, answer core.Answer[total], res conserveResult) {
	l, found := res.ledger, c.left.account
	if !c.Unwatched && found != said {
		c.fail("events %+v were found, appends said %+v", found, said)
	}
	panics := c.store.Stats().Panics
	switch {
	case c.left.first != nil:
		c.fail("%w", c.left.first)
	case res.Lost != 0:
		c.fail("%d events are lost: %+v", int64(res.Lost), l)
	case !l.Balanced() || l.Appended != said.events || l.Visible != res.Visible || l.Discarded != res.Discarded ||
		l.InFlight+l.Hidden+l.Expired+l.Purged+l.Cleared != 0:
		c.fail("%d appended, %d visible, %d discarded: %+v", said.events, res.Visible, res.Discarded, l)
	case l.Undelivered+l.Unfolded != 0 || l.OpenCuts != 0 || panics != 0:
		c.fail("%d panics, %+v", panics, l)
	case answer.Value != total{found.events, found.sum} || !answer.Exact():
		c.fail("the rollup says %+v of %d events with sum %d", answer, found.events, found.sum)
	}
}

func TestConservation(t *testing.T) {
	appends := envCount(t, "EPHEMERA_APPENDS", pick[uint64](5_000_000, 500_000, 200_000))
	seed := seedOf(t)
	plan := conservePlan{
		Seed: seed, Appends: appends, Capacity: 1 << 12, Partitions: 1, Writers: 8, Readers: 2,
		MaxBatch: 64,
	}
	keys, lanes, large, unwatched := plan, plan, plan, plan
	keys.Partitions, keys.MaxBatch = 4, 3*core.MaxBatch
	lanes.Lanes = 2
	unwatched.Unwatched = true
	large.Capacity, large.Appends = int(appends/40)+3, appends/4
	var stalled, holes uint64
	for _, c := range []struct {
		name string
		plan conservePlan
	}{{"Ordered", plan}, {"ByKey", keys}, {"Lanes", lanes}, {"Large", large}, {"Unwatched", unwatched}} {
		t.Run(c.name, func(t *testing.T) {
			res, err := conserve(t.Context(), c.plan)
			stalled, holes = stalled+res.Stalls, max(holes, res.MostHoles)
			t.Logf("lost=%d %+v", res.Lost, res)
			t.Logf("ledger %+v", res.ledger)
			if err != nil {
				t.Fatalf("%+v: %v", c.plan, err)
			}
			if res.Appended != c.plan.Appends {
				t.Errorf("appended %d of %d", res.Appended, c.plan.Appends)
			}
		})
	}
	if !forcedStalls {
		t.Log("without forced stalls, which need the build tag stall")
		return
	}
	t.Logf("with forced stalls: %d writers were stopped, readers saw up to %d slots behind one", stalled, holes)
	if stalled == 0 || holes == 0 {
		t.Errorf("the test proves nothing: %d stalls, up to %d holes; more EPHEMERA_APPENDS bring them", stalled, holes)
	}
}
