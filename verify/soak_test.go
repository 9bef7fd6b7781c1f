package verify

import (
	"context"
	"fmt"
	"runtime"
	"runtime/metrics"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

// A soakPlan describes a mixed load on one store, and how long it lasts.
type soakPlan struct {
	For        time.Duration
	Capacity   int
	Partitions int
	Lanes      int
	Writers    int
	MaxPending int // > 0: OnDiscard is set, and so many events per partition may wait for it
}

// A soakResult says how much memory the store took, and how long the slowest append.
type soakResult struct {
	Appended, Lost     uint64
	Base, Most, Limit  uint64 // bytes of live heap: before the store, at most, and what is allowed
	Peak               uint64 // bytes of heap with all garbage
	Samples, Questions int
	Worst, P99         time.Duration // of every 64th append
	AllocsPerMillion   float64       // of appends at rest from everything else
	ledger             core.Ledger
}

const (
	// slack is what a run may take besides the store: stacks, scratch memory, and garbage of the moment.
	slack = 2 << 20
	// spare is what a partition keeps of segments that a cut once held back, to use them again.
	spare = 8 * core.MaxBatch * slot
	// slot is an event and its arrival time.
	slot = 48
)

// liveHeap collects garbage and returns what is left.
func liveHeap() uint64 {
	runtime.GC()
	s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

// heapNow returns the bytes of heap in use, garbage included.
func heapNow() uint64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return s[0].Value.Uint64()
}

type soaking struct {
	soakPlan
	store     *core.Store[event]
	rollup    *core.Rollup[event, total]
	delivered atomic.Uint64
	stop      atomic.Bool
	pause     sync.RWMutex // readers of it work, the sampler of the heap lets nobody work
	failed    chan error   // the first problem
	chunk     []event      // the reader's
}

func (s *soaking) fail(format string, args ...any) {
	s.stop.Store(true)
	select {
	case s.failed <- fmt.Errorf(format, args...):
	default:
	}
}

// options returns the store's options and how many bytes it may take.
func (s *soaking) options() (o core.Options[event], limit uint64) {
	o = core.Options[event]{Capacity: s.Capacity, Partitions: s.Partitions, Lanes: s.Lanes, Arrival: true}
	if s.Partitions > 1 {
		o.Key = func(e event) string { return e.Name }
	}
	limit = uint64(o.MemoryEstimate())*12/10 + uint64(s.Lanes+s.Partitions)*spare
	if s.MaxPending > 0 {
		o.MaxPending, o.OnDiscard = s.MaxPending, func(core.Position, *event) { s.delivered.Add(1) }
		limit += uint64((s.Lanes+s.Partitions)*s.MaxPending) * slot
	}
	return o, limit
}

// soak runs the plan, or until the context ends.
func soak(ctx context.Context, p soakPlan) (res soakResult, err error) {
	s := &soaking{soakPlan: p, failed: make(chan error, 1), chunk: make([]event, 1000)}
	goroutines := runtime.NumGoroutine()
	res.Base = liveHeap()
	o, limit := s.options()
	res.Limit = res.Base + limit + slack
	if s.store, err = core.New(o); err != nil {
		return res, err
	}
	if s.rollup, err = core.NewRollup(s.store, totals(), core.RollupOptions{Name: "all"}); err != nil {
		return res, err
	}
	ctx, cancel := context.WithTimeout(ctx, p.For)
	defer cancel()
	s.load(ctx, &res)
	s.rest(&res)
	s.store = nil // before the heap is measured again
	s.rollup = nil
	left := liveHeap()
	for range 10 { // a pool keeps its items for two collections, and a cleanup needs one more
		if left <= res.Base+slack {
			break
		}
		left = liveHeap()
	}
	if left > res.Base+slack {
		s.fail("%d bytes stay behind when the store is gone", left-res.Base)
	}
	for end := time.Now().Add(time.Minute); runtime.NumGoroutine() > goroutines; runtime.Gosched() {
		if time.Now().After(end) {
			s.fail("%d goroutines at the end, %d before", runtime.NumGoroutine(), goroutines)
			break
		}
	}
	select {
	case err = <-s.failed:
	default:
	}
	return res, err
}

// load runs writers, a reader and the sampler of the heap until the context ends.
func (s *soaking) load(ctx context.Context, res *soakResult) {
	var all sync.WaitGroup
	took := make([]core.Histogram, s.Writers) // nanoseconds
	for i := range s.Writers {
		all.Go(func() { s.write(i, &took[i]) })
	}
	all.Go(func() {
		for !s.stop.Load() {
			s.pause.RLock()
			s.ask()
			s.pause.RUnlock()
			res.Questions++
		}
	})
	tick := time.NewTicker(s.For / 20)
	defer tick.Stop()
	for more := true; more && !s.stop.Load(); {
		select {
		case <-ctx.Done():
			more = false
		case <-tick.C:
			res.Peak = max(res.Peak, heapNow())
			res.Most = max(res.Most, s.sample(res.Limit))
			res.Samples++
		}
	}
	s.stop.Store(true)
	all.Wait()
	for i := range took[1:] {
		took[0].Merge(&took[i+1])
	}
	worst, _ := took[0].Max()
	p99, _ := took[0].Percentile(99)
	res.Worst, res.P99 = time.Duration(worst), time.Duration(p99)
	if res.Most > res.Limit {
		s.fail("live heap grew from %d to %d bytes, the limit is %d", res.Base, res.Most, res.Limit)
	}
}

// sample measures the live heap while nobody works: what is allocated while the collector marks would count as live. An
// appender that the machine interrupted in the middle of maintenance leaves some behind, which later appends let go a few
// segments at a time. What is there after ten rounds of appends is there for good.
func (s *soaking) sample(limit uint64) (live uint64) {
	s.pause.Lock()
	defer s.pause.Unlock()
	for range 10 {
		for i := range uint64(2 * s.Capacity) {
			if _, err := s.store.Append(makeEvent(s.Writers, i)); err != nil {
				s.fail("append: %v", err)
			}
		}
		// Lanes that nobody appends to now are tidied by the store's background goroutine, ten times a second.
		if err := s.store.Settle(context.Background()); err != nil {
			s.fail("settle: %v", err)
		}
		if live = liveHeap(); live <= limit {
			break
		}
	}
	return live
}

// write appends in several ways, and notes how long every 64th append took.
func (s *soaking) write(id int, took *core.Histogram) {
	batch := make([]event, 100)
	s.pause.RLock()
	defer s.pause.RUnlock()
	for n := uint64(0); !s.stop.Load(); n++ {
		if n%1024 == 0 {
			s.pause.RUnlock()
			s.pause.RLock()
		}
		var err error
		switch n % 64 {
		case 0:
			began := time.Now()
			_, err = s.store.Append(makeEvent(id, n))
			took.Add(float64(time.Since(began)))
		case 1:
			for i := range batch {
				batch[i] = makeEvent(id, n+uint64(i))
			}
			_, err = s.store.AppendBatch(batch[:n/64%100+1])
		default:
			_, err = s.store.Append(makeEvent(id, n))
		}
		if err != nil {
			s.fail("append: %v", err)
		}
	}
}

// ask reads in several ways.
func (s *soaking) ask() {
	c := s.store.Cut()
	defer c.Close()
	if n, err := c.View().CopyTo(s.chunk); err != nil || n > len(s.chunk) {
		s.fail("copy of %d: %v", n, err)
	}
	for i := range s.chunk {
		if e := &s.chunk[i]; e.Name != "" && !e.intact() {
			s.fail("torn event: %+v", *e)
		}
	}
	sum, err := core.Sum(c.View(), func(e *event) uint64 { return e.N })
	if err != nil && c.Len() > 0 {
		s.fail("sum: %v", err)
	}
	x, err := s.rollup.On(c, time.Time{}, time.Time{})
	if err != nil || x.Value != (total{uint64(c.Len()), sum}) {
		s.fail("the rollup says %+v, the cut %d events with sum %d: %v", x, c.Len(), sum, err)
	}
}

// rest counts what the load left, and allocations of appends that nothing disturbs.
func (s *soaking) rest(res *soakResult) {
	if s.MaxPending == 0 && !raceEnabled { // a segment that waits for OnDiscard cannot be used again
		res.AllocsPerMillion = s.allocs()
	}
	if err := s.store.Settle(context.Background()); err != nil {
		s.fail("settle: %v", err)
	}
	l := s.store.Ledger()
	res.Appended, res.ledger = l.Appended, l
	if s.MaxPending > 0 {
		res.Lost = l.Discarded - l.Undelivered - s.delivered.Load()
	}
	if res.Lost != 0 || !l.Balanced() || l.InFlight != 0 || l.OpenCuts != 0 {
		s.fail("%d delivered, %+v", s.delivered.Load(), l)
	}
	if err := s.store.Close(); err != nil {
		s.fail("close: %v", err)
	}
}

// allocs returns the allocations of a million appends. Whatever the background goroutine takes is in it.
func (s *soaking) allocs() float64 {
	const n = 1_000_000
	var before, after runtime.MemStats
	for i := range uint64(s.Capacity) { // make every segment one that was used before
		_, _ = s.store.Append(makeEvent(0, i))
	}
	runtime.ReadMemStats(&before)
	for i := range uint64(n) {
		_, _ = s.store.Append(makeEvent(0, i))
	}
	runtime.ReadMemStats(&after)
	count := float64(after.Mallocs - before.Mallocs)
	if count > n/1000 {
		s.fail("%v allocations in %d appends", count, n)
	}
	return count
}

func TestSoak(t *testing.T) {
	each := pick(2500*time.Millisecond, 500*time.Millisecond, 500*time.Millisecond)
	for _, c := range []struct {
		name string
		plan soakPlan
	}{
		{"Ordered", soakPlan{Capacity: 200_000, Partitions: 1}},
		{"ByKey", soakPlan{Capacity: 100_000, Partitions: 4}},
		{"Lanes", soakPlan{Capacity: 100_000, Partitions: 1, Lanes: 4}},
		{"OnDiscard", soakPlan{Capacity: 100_000, Partitions: 1, MaxPending: 50_000}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.plan.For, c.plan.Writers = each, 4
			res, err := soak(t.Context(), c.plan)
			t.Logf("%+v", res)
			if err != nil {
				t.Fatalf("%+v: %v", c.plan, err)
			}
			if res.Appended < uint64(c.plan.Capacity) || res.Samples == 0 || res.Questions == 0 {
				t.Errorf("the test proves nothing: %+v", res)
			}
		})
	}
}
