package snapshot

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

// reopen ends a Saver in the regular way and starts the next one.
func reopen(t *testing.T, p *place, s *Saver[trade], store core.Options[trade]) *Saver[trade] {
	t.Helper()
	must(t, s.Close())
	must(t, s.blobs.Close())
	return open(t, p.handle(t), store, manual())
}

// TestDefectD23_OtherPartitions: with another number of partitions every event goes to where its key says, in both
// directions, in its order, and what leaves first is the oldest. Where no key says it, that is an error.
func TestDefectD23_OtherPartitions(t *testing.T) {
	for _, counts := range [][]int{{4, 8}, {8, 4}, {1, 3}, {3, 1}, {7, 2, 5, 1, 4}} {
		t.Run(fmt.Sprint(counts), func(t *testing.T) {
			var p place
			s := open(t, p.handle(t), keyed(counts[0]), manual())
			r := rand.New(rand.NewPCG(1, 2))
			for n := range 5000 {
				e := nth(n)
				e.Key, e.At = fmt.Sprintf("key %d", r.IntN(50)), noon.Add(time.Duration(n+r.IntN(20))*time.Second)
				_, err := s.Store().Append(e)
				must(t, err)
			}
			for i, n := range counts[1:] {
				old := content(t, s.Store())
				head := uint64(0)
				for partition := range counts[i] {
					next, err := s.Store().Next(partition)
					must(t, err)
					head = max(head, next)
				}
				s = reopen(t, &p, s, keyed(n))
				if r := s.Report(); !r.Regrouped || !r.NewEpoch || r.Events != 5000 || !strings.Contains(r.String(), "regrouped") {
					t.Fatalf("%+v", r)
				}
				regrouped(t, old, content(t, s.Store()), n, head)
				same(t, "at risk", s.Stats().AtRisk, 0)
				if s.base != nil {
					t.Error("a snapshot of other partitions is the base")
				}
			}
			save(t, s)
			want := content(t, s.Store())
			crash(t, s)
			s = open(t, p.handle(t), keyed(counts[len(counts)-1]), manual())
			same(t, "saved in the new order", content(t, s.Store()), want)
		})
	}
}

func regrouped(t *testing.T, old, now []entry, partitions int, head uint64) {
	t.Helper()
	if len(now) != len(old) {
		t.Fatalf("%d events of %d", len(now), len(old))
	}
	orders := func(list []entry) map[string][]int {
		m := map[string][]int{}
		for _, e := range list {
			m[e.Event.Key] = append(m[e.Event.Key], e.Event.N)
		}
		return m
	}
	same(t, "order of each key", orders(now), orders(old))
	for _, e := range now {
		if want := core.PartitionOf(e.Event.Key, partitions); e.Partition != want || e.Sequence < head {
			t.Fatalf("%s is at %d@%d, want partition %d behind %d", e.Event.Key, e.Partition, e.Sequence, want, head)
		}
	}
}

// TestRegroupedByTime: into one partition the events come by their times, so that a small one keeps the youngest.
func TestRegroupedByTime(t *testing.T) {
	for what, o := range map[string]core.Options[trade]{
		"own time": keyed(5),
		"arrival":  {Partitions: 5, Capacity: 5 << 12, Key: tradeKey, Arrival: true, Clock: newClock().now},
	} {
		var p place
		clock := newClock()
		if o.Arrival {
			o.Clock = clock.now
		}
		s := open(t, p.handle(t), o, manual())
		for n := range 1000 {
			fill(t, s.Store(), n, n+1)
			clock.advance(time.Millisecond)
		}
		o.Partitions, o.Capacity = 1, 300
		s = reopen(t, &p, s, o)
		same(t, what, numbers(t, s.Store()), count(700, 1000))
		if o.Arrival {
			cut := s.Store().Cut()
			got, err := cut.Between(noon.Add(900*time.Millisecond), time.Time{}).Count()
			must(t, err)
			same(t, "arrived", got, 100)
			cut.Close()
		}
	}
}

// TestRegroupedTies: where times are equal, the order is that of the partitions, each in its own.
func TestRegroupedTies(t *testing.T) {
	var p place
	s := open(t, p.handle(t), core.Options[trade]{Partitions: 4, Capacity: 4 << 8, Time: tradeTime}, manual())
	for n := range 40 {
		_, err := s.Store().AppendTo(n%4, trade{N: 10*(n%4) + n/4, At: noon})
		must(t, err)
	}
	s = reopen(t, &p, s, one())
	same(t, "order", numbers(t, s.Store()), count(0, 40))
}

func TestDefectD23_Refused(t *testing.T) {
	plain := func(partitions int) core.Options[trade] {
		return core.Options[trade]{Partitions: partitions, Capacity: partitions << 10, Time: tradeTime}
	}
	lanes := func(n int) core.Options[trade] {
		return core.Options[trade]{Lanes: n, Capacity: 1 << 12, Time: tradeTime}
	}
	add := func(s *Saver[trade]) {
		_, err := s.Store().AddPartition(core.PartitionOptions{Capacity: 5})
		must(t, err)
	}
	for what, c := range map[string]struct {
		was, now core.Options[trade]
		prepare  func(*Saver[trade])
		text     string // empty: allowed
	}{
		"fewer, no key":                 {plain(4), plain(2), nil, "has 4 partitions, the options make 2"},
		"more, no key":                  {plain(2), plain(4), nil, "no Key"},
		"to one":                        {plain(4), plain(1), nil, ""},
		"placed by hand, now a key":     {plain(4), keyed(4), nil, ""},
		"placed by key, now by hand":    {keyed(4), plain(4), nil, ""},
		"by hand, a key, and added":     {plain(4), keyed(4), add, "placed without a key"},
		"partitions were added":         {keyed(4), keyed(5), add, "partitions were added"},
		"the same, with added":          {keyed(4), keyed(4), add, ""},
		"one, then a key":               {plain(1), keyed(1), nil, ""},
		"lanes":                         {lanes(3), lanes(3), nil, ""},
		"other number of lanes":         {lanes(3), lanes(7), nil, ""},
		"lanes to one":                  {lanes(3), plain(1), nil, ""},
		"lanes to keys":                 {lanes(3), keyed(4), nil, ""},
		"lanes to as many partitions":   {lanes(3), plain(4), nil, "has 3 lanes"},
		"no lanes, now lanes":           {plain(4), lanes(3), nil, "without Lanes"},
		"one partition, now one lane":   {plain(2), lanes(1), nil, "without Lanes"},
		"lanes and a smaller capacity":  {lanes(3), core.Options[trade]{Lanes: 2, Capacity: 8, Time: tradeTime}, nil, ""},
		"a purge, and no time any more": {plain(1), core.Options[trade]{}, func(s *Saver[trade]) { must(t, s.Store().Purge(noon)) }, "PurgedBefore"},
	} {
		t.Run(what, func(t *testing.T) {
			var p place
			s := open(t, p.handle(t), c.was, manual())
			for n := range 40 {
				var err error
				if c.was.Key == nil && c.was.Lanes == 0 {
					_, err = s.Store().AppendTo(n%max(1, c.was.Partitions), nth(n))
				} else {
					_, err = s.Store().Append(nth(n))
				}
				must(t, err)
			}
			if c.prepare != nil {
				c.prepare(s)
			}
			must(t, s.Close())
			must(t, s.blobs.Close())
			before := p.names(t, "")
			again, err := Open(t.Context(), p.handle(t), c.now, manual())
			if c.text == "" {
				must(t, err)
				list := numbers(t, again.Store())
				slices.Sort(list)
				if c.now.Capacity >= 40 {
					same(t, "events", list, count(0, 40))
				}
				must(t, again.Close())
				return
			}
			if !strings.Contains(err.Error(), c.text) || !errors.Is(err, ErrPartitions) && c.text != "PurgedBefore" {
				t.Fatal(err)
			}
			same(t, "left alone", p.names(t, ""), before)
		})
	}
}

// TestLanesComeBack: the number of lanes is that of the snapshot, and every event is where it was.
func TestLanesComeBack(t *testing.T) {
	var p place
	o := core.Options[trade]{Lanes: 4, Capacity: 5 << 10, Time: tradeTime}
	s := open(t, p.handle(t), o, manual())
	fill(t, s.Store(), 0, 1000)
	want := content(t, s.Store())
	o.Lanes = 2
	s = reopen(t, &p, s, o)
	same(t, "lanes", s.Store().Layout().Lanes, 4)
	same(t, "events", content(t, s.Store()), want)
	fill(t, s.Store(), 1000, 1100)
	save(t, s)
	same(t, "incremental", s.Stats().Events < 500, true)
}

func TestParity73_ExplicitPlacementThroughRestore(t *testing.T) {
	var p place
	s := open(t, p.handle(t), keyed(4), manual())
	added, err := s.Store().AddPartition(core.PartitionOptions{Capacity: 100})
	must(t, err)
	for n := range 100 {
		partition := n % 4 // not where the key would lead
		_, err := s.Store().AppendTo(partition, nth(n))
		must(t, err)
	}
	_, err = s.Store().AppendBatchTo(added, []trade{nth(100), nth(101)})
	must(t, err)
	must(t, s.Store().Purge(noon.Add(30*time.Second)))
	want := content(t, s.Store())
	for range 3 {
		s = reopen(t, &p, s, keyed(4))
		same(t, "place", content(t, s.Store()), want)
	}
	for _, e := range want {
		if e.Partition < 4 && e.Partition != e.Event.N%4 || e.Event.N < 30 {
			t.Fatalf("%+v", e)
		}
	}
}

// TestPartitionsComeAndGo: added ones come back under their numbers and with their limits, removed ones do not.
func TestPartitionsComeAndGo(t *testing.T) {
	var p place
	store := one()
	store.Size = func(*trade) int { return 10 }
	s := open(t, p.handle(t), store, manual())
	limits := map[int]core.PartitionOptions{}
	for i := range 6 {
		o := core.PartitionOptions{Capacity: 10 + i, MaxAge: time.Duration(i) * 1e5 * time.Hour, MaxBytes: int64(i) * 1000, StartAt: -uint64(i)}
		number, err := s.Store().AddPartition(o)
		must(t, err)
		fillPartition(t, s.Store(), number, 0, 5*i)
		limits[number] = o
	}
	must(t, s.Store().RemovePartition(2))
	must(t, s.Store().RemovePartition(5))
	delete(limits, 2)
	delete(limits, 5)
	must(t, s.Store().SetCapacity(3, 7))
	want := content(t, s.Store())
	for round := range 3 {
		s = reopen(t, &p, s, store)
		same(t, "partitions", s.Store().PartitionNumbers(), []int{0, 1, 3, 4, 6})
		same(t, "events", content(t, s.Store()), want)
		for number, o := range limits {
			got, err := s.Store().Limits(number)
			must(t, err)
			if number == 3 {
				o.Capacity = 7
			}
			if got.StartAt = o.StartAt; got != o {
				t.Errorf("round %d: %+v, want %+v", round, got, o)
			}
		}
		balanced(t, s)
	}
	must(t, s.Store().RemovePartition(6))
	next, err := s.Store().AddPartition(core.PartitionOptions{Capacity: 3})
	must(t, err)
	same(t, "a number of its own", next, 7)
	fillPartition(t, s.Store(), next, 900, 903)
	save(t, s)
	for _, x := range s.PartitionStats() {
		if x.AtRisk > 0 || x.Partition == 6 {
			t.Errorf("%+v", x)
		}
	}
	if _, known := s.figures.partitions[6]; known {
		t.Error("figures of a removed partition stay")
	}
}

// TestLimitsChangedInUse: what SetLimits says travels for added partitions; those of New have the options'.
func TestLimitsChangedInUse(t *testing.T) {
	var p place
	s := open(t, p.handle(t), keyed(1), manual())
	number, err := s.Store().AddPartition(core.PartitionOptions{Capacity: 50})
	must(t, err)
	fillPartition(t, s.Store(), number, 0, 40)
	save(t, s)
	must(t, s.Store().SetLimits(number, core.PartitionOptions{Capacity: 20, MaxAge: 1e6 * time.Hour}))
	must(t, s.Store().SetLimits(0, core.PartitionOptions{Capacity: 20}))
	save(t, s)
	same(t, "snapshots", s.Stats().Snapshots, 2)
	crash(t, s)
	s = open(t, p.handle(t), keyed(1), manual())
	same(t, "events", numbers(t, s.Store()), count(20, 40))
	got, err := s.Store().Limits(number)
	must(t, err)
	same(t, "capacity", got.Capacity, 20)
	same(t, "age", got.MaxAge, 1e6*time.Hour)
	got, err = s.Store().Limits(0)
	must(t, err)
	same(t, "capacity by the options", got.Capacity, 1<<16)
}

// TestSequencesWrap: partitions may begin anywhere, the end of the numbers included.
func TestSequencesWrap(t *testing.T) {
	var p place
	s := open(t, p.handle(t), one(), manual())
	var starts []uint64
	for _, back := range []uint64{0, 1, 5, 99, 100, 101, 1 << 63, 1<<63 + 50, 1<<63 - 50, 1 << 32} {
		starts = append(starts, -back)
	}
	for _, at := range starts {
		_, err := s.Store().AddPartition(core.PartitionOptions{Capacity: 80, StartAt: at})
		must(t, err)
	}
	n := 0
	for round := range 12 {
		for i := range starts {
			fillPartition(t, s.Store(), i+1, n, n+17)
			n += 17
		}
		balanced(t, s)
		if round%3 == 2 {
			s = reopen(t, &p, s, one())
		} else {
			save(t, s)
		}
		balanced(t, s)
		m := p.newest(t)
		for i, at := range starts {
			x := m.partition(i + 1)
			tiled(t, x)
			if want := at + uint64(round+1)*17; x.Next != want || x.Events() != uint64(min((round+1)*17, 80)) {
				t.Fatalf("partition from %d on: %d events up to %d, want %d", at, x.Events(), x.Next, want)
			}
		}
		loaded, _, err := Load(t.Context(), p.handle(t), one(), manual())
		must(t, err)
		same(t, "loaded", content(t, loaded), content(t, s.Store()))
		must(t, loaded.Close())
	}
}

// TestArrivalTravels: when an event arrived is known after any number of restarts, and so its age.
func TestArrivalTravels(t *testing.T) {
	var p place
	clock := newClock()
	o := core.Options[trade]{Capacity: 1000, MaxAge: time.Hour, Clock: clock.now}
	s := open(t, p.handle(t), o, manual())
	for n := range 60 {
		fill(t, s.Store(), n, n+1)
		clock.advance(time.Minute)
	}
	for gone := 1; gone < 59; gone += 7 {
		if gone%2 == 0 {
			save(t, s)
			crash(t, s)
			s = open(t, p.handle(t), o, manual())
		} else {
			s = reopen(t, &p, s, o)
		}
		same(t, "young enough", numbers(t, s.Store()), count(gone-1, 60))
		clock.advance(7 * time.Minute)
	}
}

// TestArrivalBegins: events of a store that did not record arrival count as having arrived when the snapshot was taken, and
// do not become younger with later ones.
func TestArrivalBegins(t *testing.T) {
	var p place
	clock := newClock()
	so := manual()
	so.Clock = clock.now
	s := open(t, p.handle(t), core.Options[trade]{Capacity: 100}, so)
	fill(t, s.Store(), 0, 10)
	must(t, s.Close())
	must(t, s.blobs.Close())
	o := core.Options[trade]{Capacity: 100, MaxAge: time.Hour, Clock: clock.now}
	for minutes := 0; minutes <= 70; minutes += 10 {
		s = open(t, p.handle(t), o, so)
		want := 10
		if minutes > 60 {
			want = 0
		}
		same(t, fmt.Sprintf("after %d minutes", minutes), s.Store().Len(), want)
		must(t, s.Close())
		must(t, s.blobs.Close())
		clock.advance(10 * time.Minute)
	}
}

// TestPurgeTravels: the time floor holds for late events and new partitions after a restart, too.
func TestPurgeTravels(t *testing.T) {
	var p place
	s := open(t, p.handle(t), one(), manual())
	fill(t, s.Store(), 0, 100)
	must(t, s.Store().Purge(noon.Add(50*time.Second)))
	fill(t, s.Store(), 10, 20) // late
	for range 2 {
		s = reopen(t, &p, s, one())
		same(t, "events", numbers(t, s.Store()), count(50, 100))
		fill(t, s.Store(), 20, 30)
		number, err := s.Store().AddPartition(core.PartitionOptions{Capacity: 10})
		must(t, err)
		fillPartition(t, s.Store(), number, 30, 35)
		same(t, "late ones", numbers(t, s.Store()), count(50, 100))
	}
}

// TestWhollyDiscarded: all that was saved of a partition has left since.
func TestWhollyDiscarded(t *testing.T) {
	var p place
	o := core.Options[trade]{Capacity: 20, Partitions: 2, Time: tradeTime}
	s := open(t, p.handle(t), o, manual())
	fillPartition(t, s.Store(), 0, 0, 10)
	fillPartition(t, s.Store(), 1, 0, 10)
	save(t, s)
	for _, more := range []int{10, 11, 1000} {
		fillPartition(t, s.Store(), 0, 100, 100+more)
		same(t, "at risk", s.Stats().AtRisk, uint64(more))
		before := s.Stats().Events
		save(t, s)
		same(t, "written", s.Stats().Events-before, 10)
		m := p.newest(t)
		tiled(t, &m.Partitions[0])
		same(t, "shared", m.Partitions[1].Blocks[0].Count, 10)
	}
	want := content(t, s.Store())
	crash(t, s)
	s = open(t, p.handle(t), o, manual())
	same(t, "restored", content(t, s.Store()), want)
}

func TestParity71_SavesUnderAProducer(t *testing.T) {
	var p place
	o := core.Options[trade]{Capacity: 512, Time: tradeTime}
	s := open(t, p.handle(t), o, manual())
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			if _, err := s.Store().Append(nth(n)); err != nil {
				stopped <- err
				return
			}
		}
	}()
	for s.Stats().Snapshots < 50 {
		save(t, s)
		if s.Stats().Failures > 0 {
			t.Fatal(s.Stats().LastError)
		}
		m := p.newest(t)
		x := m.Partitions[0]
		tiled(t, &x)
		if x.Next < x.Events() || x.Events() > 512 {
			t.Fatalf("%d events up to %d", x.Events(), x.Next)
		}
		store, r, err := Load(t.Context(), p.handle(t), o, manual())
		must(t, err)
		list := content(t, store)
		if uint64(len(list)) != r.Events || !slices.IsSortedFunc(list, func(a, b entry) int { return cmp.Compare(a.Sequence, b.Sequence) }) {
			t.Fatalf("%d of %d events, or out of order", len(list), r.Events)
		}
		for i, e := range list {
			if e.Event.N != int(e.Sequence) || e.Sequence != x.First+uint64(i) {
				t.Fatalf("event %d at %d", e.Event.N, e.Sequence)
			}
		}
		must(t, store.Close())
	}
	close(stop)
	must(t, <-stopped)
}
