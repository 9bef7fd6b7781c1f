//go:build !explore

package core_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

func TestDefectD05_BatchSizeDoesNotMatter(t *testing.T) {
	appenders := map[string]func(*core.Store[parityEvent], []parityEvent) error{
		"single": func(s *core.Store[parityEvent], list []parityEvent) (err error) {
			for _, e := range list {
				_, one := s.Append(e)
				err = errors.Join(err, one)
			}
			return err
		},
		"batch": func(s *core.Store[parityEvent], list []parityEvent) error {
			_, err := s.AppendBatch(list)
			return err
		},
		"batch to a partition": func(s *core.Store[parityEvent], list []parityEvent) error {
			_, err := s.AppendBatchTo(0, list)
			return err
		},
		"conditional": func(s *core.Store[parityEvent], list []parityEvent) error {
			_, err := s.AppendIf(0, 0, list...)
			return err
		},
		"producer": func(s *core.Store[parityEvent], list []parityEvent) error {
			w, err := s.Producer(0)
			if err != nil {
				return err
			}
			_, err = w.AppendBatch(list)
			return errors.Join(err, w.Close())
		},
	}
	for name, add := range appenders {
		for _, n := range []int{1, 32, 33, 1000} {
			s, r, clock := parityWindow(t, 2000, core.RollupOptions{})
			list := make([]parityEvent, n)
			for i := range list {
				list[i] = parityEvent{Value: 1, At: clock.now()}
			}
			if err := add(s, list); err != nil {
				t.Fatal(name, err)
			}
			parityLastIs(t, s, r, time.Minute, uint64(n), float64(n))
			parityLedger(t, s, n)
		}
	}
}

func TestDefectD06_BucketArithmetic(t *testing.T) {
	at := func(tick int) time.Time { return parityT0.Add(time.Duration(tick) * time.Second) }
	s, r, _ := parityWindow(t, 2000, core.RollupOptions{})
	for i := range 2000 { // one a tick
		parityAppend(t, s, parityEvent{Value: 1, At: at(i)})
		if i%100 == 99 {
			a, err := r.Query(at(i-50), at(i))
			parityMust(t, err)
			paritySame(t, "50 ticks", a.Value.Count, 51)
			whole, err := r.Query(parityT0, at(i)) // far beyond any window
			parityMust(t, err)
			paritySame(t, "all ticks", whole.Value.Count, uint64(i+1))
		}
	}
	a, err := r.Query(at(1800), at(1900)) // both ends on borders of buckets
	parityMust(t, err)
	paritySame(t, "both ends", a.Value.Count, 101)
	parityBuckets(t, s, r, at(1000), at(1999), 100*time.Second)
	parityLedger(t, s, 2000)
}

func TestDefectD06_SparseStream(t *testing.T) {
	s, r, _ := parityWindow(t, 300, core.RollupOptions{})
	random := rand.New(rand.NewPCG(3, 5))
	now, appended := parityT0, 0
	for range 400 {
		now = now.Add(time.Duration(random.IntN(45)) * time.Second) // jumps of up to four buckets of ten
		parityAppend(t, s, parityEvent{Value: float64(random.IntN(9)), At: now})
		appended++
		parityBuckets(t, s, r, now.Add(-95*time.Second), now, 10*time.Second)
	}
	parityLedger(t, s, appended)
}

func TestDefectD07_EachSelectorCounts(t *testing.T) {
	s, price, _ := parityWindow(t, 5000, core.RollupOptions{})
	quantity, err := core.NewRollup(s, core.Summaries(parityNumber), core.RollupOptions{Name: "quantity"})
	parityMust(t, err)
	for i := range 3000 {
		parityAppend(t, s, parityEvent{N: 3, Value: 10, At: parityT0.Add(time.Duration(i))})
	}
	from, to := parityT0, parityT0.Add(time.Second)
	c := s.Cut()
	defer c.Close()
	sum, err1 := core.Sum(c.Between(from, to), parityNumber)
	a, err2 := quantity.On(c, from, to)
	b, err3 := price.On(c, from, to)
	parityMust(t, errors.Join(err1, err2, err3))
	paritySame(t, "sums", []float64{sum, a.Value.Sum, b.Value.Sum}, []float64{9000, 9000, 30_000})
	parityLedger(t, s, 3000)
}

func TestDefectD08_ForgottenEventsLeaveRollups(t *testing.T) {
	for i, retain := range []time.Duration{0, time.Hour, 0, time.Hour} {
		s, r, clock := parityWindow(t, 100, core.RollupOptions{Retain: retain})
		for i := range 500 {
			clock.advance(time.Second)
			parityAppend(t, s, parityEvent{N: i, Value: 1, At: clock.now()})
		}
		paritySync(t, s)
		border := clock.now().Add(-29 * time.Second)
		if i < 2 {
			parityMust(t, s.Purge(border))
			parityIs(t, r, 30)
		}
		parityMust(t, s.Clear())
		parityIs(t, r, 0)
		l := parityLedger(t, s, 500)
		paritySame(t, "appended", l.Appended, 500)
		parityAppend(t, s, parityEvent{Value: 1, At: clock.now()})
		parityIs(t, r, 1)
		parityLedger(t, s, 501)
	}
}

// parityIs checks the count of everything that a rollup knows.
func parityIs(t *testing.T, r *core.Rollup[parityEvent, core.Summary], want uint64) {
	t.Helper()
	a, err := r.Query(time.Time{}, time.Time{})
	parityMust(t, err)
	if a.Value.Count != want || a.Events+a.Older != want {
		t.Fatalf("%+v, want %d", a, want)
	}
}

func TestDefectD09_RollupsUnderWriters(t *testing.T) {
	const writers, each = 4, 5000
	s, r, _ := parityWindow(t, 2000, core.RollupOptions{Retain: time.Hour})
	var wg sync.WaitGroup
	done := make(chan struct{})
	for range writers {
		wg.Go(func() {
			for i := range each {
				if _, err := s.Append(parityEvent{Value: 1, At: parityT0.Add(time.Duration(i))}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	go func() { wg.Wait(); close(done) }()
	for last, running := uint64(0), true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		a, err := r.Query(time.Time{}, time.Time{})
		parityMust(t, err)
		if a.Value.Count < last || a.Value.Sum != float64(a.Value.Count) || a.Value.Count != a.Events+a.Older {
			t.Fatalf("%+v after %d", a, last)
		}
		last = a.Value.Count
	}
	parityIs(t, r, writers*each)
	parityLedger(t, s, writers*each)
}

func TestDefectD16_TimeFilterIsNoRun(t *testing.T) {
	parityOutOfOrder(t, 900, 900)
	s := parityStore(t, core.Options[parityEvent]{Capacity: 10, Time: parityTime})
	for i, second := range []int{1, 9, 2, 8, 3} {
		parityAppend(t, s, parityEvent{N: i, Value: float64(second), At: parityT0.Add(time.Duration(second) * time.Second)})
	}
	c := s.Cut()
	defer c.Close()
	v := c.Between(parityT0, parityT0.Add(3*time.Second))
	paritySame(t, "inside", parityNumbers(parityCopy(t, v)), []int{0, 2, 4})
	seen := 0
	for range v.All() {
		seen++
	}
	paritySame(t, "counted and seen", parityCount(t, v), seen)
	parityLedger(t, s, 5)
}

func TestDefectD31_NoTimeIsOneError(t *testing.T) {
	s := parityStore(t, core.Options[parityEvent]{Capacity: 10, Partitions: 2})
	_, err := s.AppendBatchTo(1, []parityEvent{{Value: 1}, {Value: 2}})
	parityMust(t, err)
	c := s.Cut(1) // Newest of several partitions is a question of time
	_, err = c.View().Newest(1).Count()
	parityMust(t, err)
	c.Close()
	c = s.Cut()
	for name, v := range map[string]core.View[parityEvent]{
		"order": c.ByTime(), "newest": c.Newest(1), "between": c.Between(parityT0, parityT0), "last": c.Within(1),
	} {
		if _, err := v.Count(); !errors.Is(err, core.ErrNoTime) {
			t.Error(name, err)
		}
	}
	c.Close()
	one := parityStore(t, core.Options[parityEvent]{Capacity: 10})
	parityAppend(t, one, parityEvent{Value: 1}, parityEvent{Value: 2})
	parityNoTime(t, one)
	parityLedger(t, one, 2)
	parityLedger(t, s, 2)
}

func TestDefectD34_HostileTimes(t *testing.T) {
	times := []time.Time{
		{},
		time.Unix(0, 0), time.Unix(math.MinInt64, 0), time.Unix(math.MaxInt64, 999_999_999), parityT0,
		time.Date(-5_000, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(20_000, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(-1, 1),
	}
	for _, copies := range []int{1, 50} { // open and sealed segments
		var clock parityClock
		s := parityStore(t, core.Options[parityEvent]{Capacity: 1000, Time: parityTime, Clock: clock.now})
		r, err := core.NewRollup(s, core.Counting[parityEvent](), core.RollupOptions{Name: "n", Retain: time.Hour})
		parityMust(t, err)
		for i := range copies * len(times) {
			parityAppend(t, s, parityEvent{At: times[i%len(times)]})
		}
		c := s.Cut()
		for _, x := range []struct {
			from, to time.Time
			want     int
		}{
			{parityT0, parityT0, 1},
			{parityT0.AddDate(-100, 0, 0), parityT0, 3},                             // 1969, 1970, now
			{time.Unix(math.MinInt64, 0), time.Unix(math.MaxInt64, 999_999_999), 8}, // everything there is
			{time.Time{}, parityT0, 6},                                              // open start
			{parityT0, time.Time{}, 3},                                              // open end
		} {
			what := fmt.Sprint(x.from, " to ", x.to)
			paritySame(t, what, parityCount(t, c.Between(x.from, x.to)), x.want*copies)
			a, err := r.Query(x.from, x.to)
			parityMust(t, err)
			paritySame(t, what, a.Value, uint64(x.want*copies))
		}
		if _, _, ok := c.View().Span(); !ok {
			t.Error("no span")
		}
		c.Close()
		_, err = r.Buckets(parityT0.Add(-time.Hour), parityT0, time.Minute)
		parityMust(t, err)
		parityMust(t, s.Purge(parityT0))
		paritySame(t, "after a purge", s.Len(), 3*copies)
		parityLedger(t, s, copies*len(times))
	}
}
