package snapshot

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

func TestParity57_FewAtATime(t *testing.T) {
	var p place
	o := manual()
	o.MaxPartitions = 2
	store := core.Options[trade]{Partitions: 8, Capacity: 8 << 10, Time: tradeTime}
	s := open(t, p.handle(t), store, o)
	for i := range 8 {
		fillPartition(t, s.Store(), i, 100*i, 100*i+10)
	}
	for round := range 4 {
		save(t, s)
		x := s.Stats()
		same(t, "at risk", x.AtRisk, uint64(80-20*(round+1)))
		balanced(t, s)
		for i, part := range s.PartitionStats() {
			taken := i < 2*(round+1)
			if (part.AtRisk == 0) != taken || (part.Successes == 1) != taken || (part.Ordinal == uint64(i/2+1)) != taken || part.SavedAt.IsZero() == taken {
				t.Errorf("round %d: %+v", round, part)
			}
		}
	}
	same(t, "postponed", s.Stats().Postponed, 6+4+2)
	store2, _, err := Load(t.Context(), p.handle(t), store, manual())
	must(t, err)
	same(t, "all are saved in the end", content(t, store2), content(t, s.Store()))
	must(t, store2.Close())

	// Those that wait longest come first, however busy the others are.
	for round := range 40 {
		fillPartition(t, s.Store(), 0, 0, 50)
		fillPartition(t, s.Store(), 1, 0, 50)
		fillPartition(t, s.Store(), 2+round%6, 0, 1)
		save(t, s)
		for _, part := range s.PartitionStats() {
			if part.AtRisk > 0 && s.Stats().Ordinal-part.Ordinal > 8 {
				t.Fatalf("round %d: %+v", round, part)
			}
		}
	}
}

// TestDefectD26_FinalTakesAll: the last snapshot has no limit.
func TestDefectD26_FinalTakesAll(t *testing.T) {
	var p place
	o := manual()
	o.MaxPartitions = 1
	store := core.Options[trade]{Partitions: 300, Capacity: 300 << 8, Time: tradeTime}
	s := open(t, p.handle(t), store, o)
	for i := range 300 {
		fillPartition(t, s.Store(), i, i, i+3)
	}
	save(t, s)
	same(t, "postponed", s.Stats().Postponed, 299)
	must(t, s.Close())
	same(t, "at risk", s.Stats().AtRisk, 0)
	same(t, "final", p.newest(t).Final, true)
	same(t, "events", p.newest(t).Events(), 900)
	o.FinalTimeout = -1
	_, err := Open(t.Context(), p.handle(t), store, o)
	fails(t, err, ErrOption)
}

// TestPostponedAreMadeUpFor: Run goes on at once as long as MaxPartitions leaves events above EveryEvents.
func TestPostponedAreMadeUpFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p place
		o := manual()
		o.Manual, o.EveryEvents, o.MaxPartitions = false, 10, 1
		s := open(t, p.handle(t), core.Options[trade]{Partitions: 8, Capacity: 8 << 8}, o)
		stop := running(t, s)
		for i := range 8 {
			fillPartition(t, s.Store(), i, 0, 10)
		}
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		same(t, "at risk", s.Stats().AtRisk, 0)
		same(t, "snapshots", s.Stats().Snapshots, 8)
		stop()
	})
}

func TestParity62_FinalSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p place
		o := manual()
		o.Manual, o.Interval = false, time.Hour
		s := open(t, p.handle(t), keyed(3), o)
		stop := running(t, s)
		fill(t, s.Store(), 0, 100)
		time.Sleep(time.Minute)
		stop()
		same(t, "not yet", s.Stats().Snapshots, 0)
		begin := time.Now()
		must(t, s.Close())
		same(t, "at once", time.Since(begin), 0)
		m := p.newest(t)
		same(t, "events", m.Events(), 100)
		same(t, "final", m.Final, true)
		must(t, s.blobs.Close())

		o.NoFinal = true
		s = open(t, p.handle(t), keyed(3), o)
		fill(t, s.Store(), 100, 110)
		must(t, s.Close())
		same(t, "none", p.newest(t).Ordinal, 1)
		same(t, "at risk", s.Stats().AtRisk, 10)
	})
}

// TestDefectD12_NothingStaysBehind: no job of a Saver outlives it, whatever was cancelled when.
func TestDefectD12_NothingStaysBehind(t *testing.T) {
	for k := range 12 {
		synctest.Test(t, func(t *testing.T) {
			var p place
			o := manual()
			o.Manual, o.Interval = false, 10*time.Millisecond
			blobs, plan := p.faulty(t, "*:* delay 1ms")
			s := open(t, blobs, keyed(3), o)
			ctx, cancel := context.WithCancel(t.Context())
			ran := make(chan error, 1)
			go func() { ran <- s.Run(ctx) }()
			calls := plan.Calls("*")
			for n := 0; plan.Calls("*") < calls+uint64(5*k); n++ { // somewhere within a snapshot
				fill(t, s.Store(), n, n+1)
				time.Sleep(time.Millisecond)
			}
			cancel()
			must(t, <-ran)
			synctest.Wait()
			if len(s.turn) != 1 {
				t.Fatal("a snapshot is still being taken")
			}
			balanced(t, s)
			must(t, s.Close())
			same(t, "saved", p.newest(t).Events(), uint64(s.Store().Len()))
		})
	}
}

func TestParity63_Stats(t *testing.T) {
	var p place
	clock := newClock()
	o := manual()
	o.Clock = clock.now
	store := core.Options[trade]{Partitions: 2, Capacity: 200, Time: tradeTime}
	s := open(t, p.handle(t), store, o)
	steps := []func(){
		func() { fillPartition(t, s.Store(), 0, 0, 30) },
		func() { save(t, s) },
		func() { fillPartition(t, s.Store(), 1, 0, 500) },
		func() { save(t, s) },
		func() { must(t, s.Store().Clear()) },
		func() { save(t, s) },
		func() { fillPartition(t, s.Store(), 0, 0, 3) },
		func() { must(t, s.Store().Clear()) },
		func() { crash(t, s); s = open(t, p.handle(t), store, o) },
		func() { fillPartition(t, s.Store(), 0, 0, 40) },
		func() { must(t, s.Store().SetCapacity(0, 7)) },
		func() { must(t, s.Close()); must(t, s.blobs.Close()); s = open(t, p.handle(t), store, o) },
		func() { must(t, s.Store().Purge(noon.Add(1000*time.Hour))) },
		func() { save(t, s) },
	}
	for i, step := range steps {
		step()
		clock.advance(time.Minute)
		balanced(t, s)
		for _, x := range s.PartitionStats() {
			next, err := s.Store().Next(x.Partition)
			must(t, err)
			if x.Next != next || x.Saved > x.Next || x.Age < 0 || x.SavedAt.IsZero() != (x.Age == 0) {
				t.Errorf("step %d: %+v, next %d", i, x, next)
			}
		}
	}
}

func TestStatsAreExact(t *testing.T) {
	var p place
	clock := newClock()
	o := manual()
	o.Clock = clock.now
	s := open(t, p.handle(t), core.Options[trade]{Partitions: 2, Capacity: 200}, o)
	same(t, "nothing yet", s.Stats(), Stats{})
	fillPartition(t, s.Store(), 1, 0, 30)
	save(t, s)
	clock.advance(time.Minute)
	fillPartition(t, s.Store(), 1, 30, 35)
	bytes := uint64(0)
	for _, name := range p.names(t, "") {
		c := copier{}
		b, err := c.fetch(t.Context(), p.handle(t), name)
		must(t, err)
		bytes += uint64(len(b))
	}
	same(t, "stats", s.Stats(), Stats{
		Ordinal: 1, TakenAt: noon, Age: time.Minute, AtRisk: 5, Snapshots: 1, Events: 30, Objects: 1, Bytes: bytes, LastBytes: bytes,
	})
	same(t, "partitions", s.PartitionStats(), []PartitionStats{
		{Partition: 0, SavedAt: noon, Age: time.Minute, Attempts: 1, Successes: 1, Ordinal: 1},
		{Partition: 1, Saved: 30, Next: 35, Buffered: 35, AtRisk: 5, LastEvents: 30, SavedAt: noon, Age: time.Minute, Attempts: 1, Successes: 1, Ordinal: 1},
	})
	clock.advance(time.Minute)
	save(t, s)
	same(t, "partition", s.PartitionStats()[1], PartitionStats{
		Partition: 1, Saved: 35, Next: 35, Buffered: 35, LastEvents: 5, SavedAt: noon.Add(2 * time.Minute), Attempts: 1, Successes: 2, Ordinal: 2,
	})
	same(t, "the other one", s.PartitionStats()[0].Successes, 1)
}

// TestDefectD25_StatsCopyNothing: reading the counters costs no copy of events, however many there are.
func TestDefectD25_StatsCopyNothing(t *testing.T) {
	var p place
	s := open(t, p.handle(t), core.Options[trade]{Partitions: 4, Capacity: 1 << 20}, manual())
	allocated := func() (stats, partitions float64) {
		stats = testing.AllocsPerRun(20, func() { s.Stats() })
		partitions = testing.AllocsPerRun(20, func() { s.PartitionStats() })
		return stats, partitions
	}
	a, b := allocated()
	for i := range 4 {
		fillPartition(t, s.Store(), i, 0, 1<<16)
	}
	copied := s.Store().Stats().BytesCopied
	c, d := allocated()
	if c > a+1 || d > b+1 || d > 30 {
		t.Errorf("%v and %v allocations when empty, %v and %v with events", a, b, c, d)
	}
	same(t, "copied", s.Store().Stats().BytesCopied, copied)
	if x := s.PartitionStats()[0]; x.Next != 1<<16 || x.AtRisk != 1<<16 {
		t.Errorf("%+v", x)
	}
}

// TestManyPartitions: a hundred thousand small partitions take few objects, and no time that grows with their square.
func TestManyPartitions(t *testing.T) {
	partitions := 100_000
	if raceDetector {
		partitions = 10_000
	}
	var p place
	s := open(t, p.handle(t), core.Options[trade]{Time: tradeTime}, manual())
	for n := range partitions {
		number, err := s.Store().AddPartition(core.PartitionOptions{Capacity: 8})
		must(t, err)
		_, err = s.Store().AppendBatchTo(number, []trade{nth(n), nth(n + 1), nth(n + 2)})
		must(t, err)
	}
	begin := time.Now()
	save(t, s)
	full := time.Since(begin)
	x := s.Stats()
	if x.Objects > 100 || x.AtRisk != 0 || x.Events != uint64(3*partitions) {
		t.Errorf("%+v", x)
	}
	for n := range partitions / 100 {
		fillPartition(t, s.Store(), 1+100*n, n, n+1)
	}
	begin = time.Now()
	save(t, s)
	y := s.Stats()
	t.Logf("%d objects, %d bytes in %v; then %d bytes in %v", x.Objects, x.Bytes, full, y.LastBytes, time.Since(begin))
	if y.Objects > x.Objects+DefaultMaxConcurrent {
		t.Errorf("%d objects more", y.Objects-x.Objects)
	}
	same(t, "statistics", len(s.PartitionStats()), partitions+1)
	want := content(t, s.Store())
	crash(t, s)
	begin = time.Now()
	s = open(t, p.handle(t), core.Options[trade]{Time: tradeTime}, manual())
	t.Logf("restored in %v", time.Since(begin))
	if !slices.Equal(content(t, s.Store()), want) {
		t.Error("other events")
	}
	u := fmt.Sprint(s.Report())
	if len(u) > 200 {
		t.Error(u)
	}
}

// TestParity66_IdleSaverChangesNoAppend: a Saver that waits takes no part in appends, and makes none of them allocate.
func TestParity66_IdleSaverChangesNoAppend(t *testing.T) {
	appends := func(s *core.Store[trade]) float64 {
		fill(t, s, 0, 4096)
		e := nth(1)
		return testing.AllocsPerRun(20_000, func() { _, _ = s.Append(e) })
	}
	o := core.Options[trade]{Capacity: 1024}
	plain, err := core.New(o)
	must(t, err)
	defer func() { _ = plain.Close() }()
	want := appends(plain)

	var p place
	so := manual()
	so.Manual, so.Interval, so.EveryEvents = false, time.Hour, 1<<30
	s := open(t, p.handle(t), o, so)
	ran := make(chan error, 1)
	go func() { ran <- s.Run(context.Background()) }()
	if got := appends(s.Store()); got > want {
		t.Errorf("%v allocations an append, %v without", got, want)
	}
	same(t, "at risk", s.Stats().AtRisk, 4096+20_001)
	must(t, s.Close())
	must(t, <-ran)
}
