package benchmarks

import (
	"testing"

	"github.com/ephemera-go/ephemera/benchmarks/internal/measure"
)

// An operation must not allocate once segments are being reused.
func TestNoAllocations(t *testing.T) {
	ordered, lanes, keyed := NewOrdered(Capacity), NewLanes(Capacity), NewByKey(8, Capacity)
	owned := NewOrdered(Capacity)
	producer := NewProducer(owned, 0)
	stores := []*Store{ordered, lanes, keyed, owned}
	events, event := Events(BatchSize), Make(7)
	stored := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	next := func() uint64 {
		n, err := ordered.Next(0)
		stored(err)
		return n
	}
	for _, c := range []struct {
		name string
		f    func()
	}{
		{"Append", func() { _, err := ordered.Append(event); stored(err) }},
		{"AppendTo", func() { _, err := ordered.AppendTo(0, event); stored(err) }},
		{"AppendIf", func() { _, err := ordered.AppendIf(0, next(), event); stored(err) }},
		{"AppendBatch", func() { _, err := ordered.AppendBatch(events); stored(err) }},
		{"Producer.Append", func() { _, err := producer.Append(event); stored(err) }},
		{"Append to lanes", func() { _, err := lanes.Append(event); stored(err) }},
		{"Append by key", func() { event.Key++; _, err := keyed.Append(event); stored(err) }},
		{"Cut", func() { ordered.Cut().Close() }},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 3 * Capacity {
				c.f()
			}
			if n := testing.AllocsPerRun(Capacity, c.f); n != 0 {
				t.Errorf("%v allocations per run", n)
			}
		})
	}
	for _, s := range stores {
		stored(s.Close())
	}
}

// What looks cheap because it stores nothing would be the fastest design of all.
func TestDesignsStoreEveryEvent(t *testing.T) {
	const writers, each = 4, 50_000
	for _, d := range []Design{
		Ordered(Capacity), Timed(Capacity, false), Timed(Capacity, true), Lanes(Capacity), Keyed(8, Capacity),
		Unsaved(Capacity), IdleSaved(Capacity),
		Partitions(8, Capacity, AtRandom), Partitions(4, Capacity, ByWriter),
		Mutex(Capacity), MutexRings(8, Capacity, AtRandom), MutexRings(4, Capacity, ByWriter),
		Sharded(Capacity), Atomic(), Floor(Capacity),
		OrderedStrings(Capacity), LanesStrings(Capacity), MutexStrings(Capacity),
		Raised(Capacity), RaisedByString(Capacity), Stamped(Capacity),
	} {
		measure.Drive(writers, writers*each, WriterShift, d.Append)
		want := uint64(writers * each)
		if d.Batch != nil {
			measure.Drive(writers, writers*100, WriterShift, d.Batch)
			want += writers * 100 * BatchSize
		}
		if got := d.Appended(); got != want {
			t.Errorf("%s: %d of %d events were stored", d.Name, got, want)
		}
		d.Close()
	}
}

func TestProducerStoresEveryEvent(t *testing.T) {
	for _, d := range []Design{Exclusive(Capacity), ExclusiveStrings(Capacity)} {
		measure.Drive(1, 1000, WriterShift, d.Append)
		measure.Drive(1, 10, WriterShift, d.Batch)
		if got := d.Appended(); got != 1000+10*BatchSize {
			t.Errorf("%d events were stored", got)
		}
		d.Close()
	}
}

func TestStringEventsDoNotAllocate(t *testing.T) {
	for _, open := range []func(int) Design{OrderedStrings, LanesStrings, ExclusiveStrings, MutexStrings} {
		d := open(Capacity)
		x := uint64(0)
		f := func() { d.Append(x); x++ }
		measure.Drive(1, 3*Capacity, 0, d.Append)
		if n := testing.AllocsPerRun(Capacity, f); n != 0 {
			t.Errorf("%s: %v allocations per append", d.Name, n)
		}
		d.Close()
	}
}

// A scan of each design sees the same full ring.
func TestScansReadEverything(t *testing.T) {
	for _, d := range []Design{Ordered(1 << 12), Exclusive(1 << 12), Mutex(1 << 12)} {
		measure.Drive(1, 3<<12, 0, d.Append)
		if n := d.Scan(); n != 1<<12 {
			t.Errorf("%s: the scan read %d events", d.Name, n)
		}
		d.Close()
	}
}

// The rollup and the scan that it is compared with give the same answer to the same question.
func TestQueryEqualsScan(t *testing.T) {
	const size = 1 << 17
	w := NewWindow(size)
	defer func() { _ = w.Store.Close() }()
	for _, r := range append(append(w.Random(50), w.All()...), w.LastPercent()...) {
		q, s := w.Query(r), w.Scan(r)
		if q.Count != s.Count || q.Sum != s.Sum || q.Min != s.Min || q.Max != s.Max {
			t.Errorf("%v: the rollup says %+v, the scan %+v", r, q, s)
		}
	}
	if got := w.Query(Range{}).Count; got != size {
		t.Errorf("%d events are retained", got)
	}
	if n := w.Scan(w.LastPercent()[0]).Count; n < size/100-2*disorder || n > size/100+1 {
		t.Errorf("the last percent has %d events", n)
	}
}

func TestPartitionBytes(t *testing.T) {
	got, err := PartitionBytes(20_000)
	if err != nil {
		t.Fatal(err)
	}
	// Three events alone take 96 bytes; the upper limit is the requirement.
	if got < 96 || got > 2048 {
		t.Errorf("a partition of 3 small events takes %.0f bytes, want at most 2048", got)
	}
}

// What was closed before, and is given back behind several collections only, takes nothing off.
func TestEventBytes(t *testing.T) {
	before := Lanes(Capacity)
	measure.Drive(4, 3*Capacity, WriterShift, before.Append)
	before.Close()
	for _, c := range []struct {
		name     string
		open     func(int) Design
		min, max float64
	}{
		{"mutex ring", Mutex, 32, 33},
		{"mutex ring, strings", MutexStrings, 48, 49},
		{"core", Ordered, 32, 36}, // three spare segments of 1,024 on 65,536 and a bit per event
		{"core, strings", OrderedStrings, 48, 54},
	} {
		if got := EventBytes(c.open, Capacity); got < c.min || got > c.max {
			t.Errorf("%s: an event takes %.2f bytes, want %v to %v", c.name, got, c.min, c.max)
		}
	}
}

// Two stores of the same kind must not look different, and every pair of stores counts.
func TestIdleRatios(t *testing.T) {
	for _, rollup := range []bool{false, true} {
		ratios := IdleRatios(rollup, 4, 3)
		if len(ratios) != 4 {
			t.Fatalf("%d ratios of 4 pairs of stores", len(ratios))
		}
		for _, r := range ratios {
			if r <= 0 || r > 1000 {
				t.Errorf("rollup %v: ratio %v", rollup, r)
			}
		}
	}
}

// Both ways of reading a store see the same events.
func TestScanEventsEqualsScan(t *testing.T) {
	s := NewOrdered(1 << 12)
	defer func() { _ = s.Close() }()
	for x := range uint64(3 << 12) {
		_, _ = s.Append(Make(x))
	}
	total, n := Scan(s)
	if oneByOne, m := ScanEvents(s); oneByOne != total || m != n || n != 1<<12 {
		t.Errorf("%d events with a total of %v, one by one %d with %v", n, total, m, oneByOne)
	}
}
