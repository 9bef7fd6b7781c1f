package snapshot

import (
	"context"
	"errors"
	"io"
	"math"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/faultstore"
)

// running has Run go on in the background of a bubble until the returned function is called.
func running(t *testing.T, s *Saver[trade]) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	synctest.Wait()
	return func() {
		t.Helper()
		cancel()
		must(t, <-ended)
	}
}

func TestParity53_Backoff(t *testing.T) {
	b := Backoff{Base: 10 * time.Millisecond, Factor: 2}
	for range 1000 {
		last := time.Duration(0)
		for try := 1; try <= 3; try++ {
			d := b.Delay(try)
			middle := 10 * time.Millisecond << (try - 1)
			if d < middle*9/10 || d >= middle*11/10 || d <= last {
				t.Fatalf("pause %d is %v after %v", try, d, last)
			}
			last = d
		}
	}
	for _, try := range []int{0, -1, math.MinInt} { // count as 1
		if d := b.Delay(try); d < 9*time.Millisecond || d >= 11*time.Millisecond {
			t.Errorf("pause %d is %v", try, d)
		}
	}
	for _, try := range []int{20, 1000, math.MaxInt} {
		same(t, "bounded", b.Delay(try), 30*time.Second)
	}
	same(t, "bounded by Base", Backoff{Base: time.Hour}.Delay(5), time.Hour)
	if d := (Backoff{}).Delay(1); d < 90*time.Millisecond || d >= 110*time.Millisecond {
		t.Errorf("the default begins with %v", d)
	}
	least := Backoff{Base: time.Second, Factor: backoffLeast, Max: time.Hour}
	for range 1000 {
		if a, b := least.Delay(1), least.Delay(2); a >= b {
			t.Fatalf("%v, then %v", a, b)
		}
	}
	spread := map[time.Duration]bool{}
	for range 100 {
		spread[b.Delay(1)] = true
	}
	if len(spread) < 90 {
		t.Errorf("%d different pauses of 100", len(spread))
	}
}

// pauses returns how long the Saver waited in front of each try of a Put but the first.
type pauses struct {
	sinks.BlobStore
	fail  int // the first tries
	last  time.Time
	waits []time.Duration
}

func (p *pauses) Put(ctx context.Context, name string, size int64, r io.Reader) error {
	if now := time.Now(); !p.last.IsZero() {
		p.waits = append(p.waits, now.Sub(p.last))
	}
	if p.last = time.Now(); p.fail > 0 {
		p.fail--
		return errors.New("down")
	}
	return p.BlobStore.Put(ctx, name, size, r)
}

// TestDefectD24_DelaysBeginAgain: every job begins with the base, whatever came before.
func TestDefectD24_DelaysBeginAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p place
		o := manual()
		o.Backoff, o.MaxAttempts = Backoff{Base: time.Second}, 6
		blobs := &pauses{BlobStore: p.handle(t)}
		s := open(t, blobs, one(), o)
		for n := range 5 {
			fill(t, s.Store(), n, n+1)
			*blobs = pauses{BlobStore: blobs.BlobStore, fail: 3}
			save(t, s)
			if len(blobs.waits) != 4 { // three more tries of the object, then the manifest
				t.Fatalf("%v", blobs.waits)
			}
			for i, d := range blobs.waits[:3] {
				if middle := time.Second << i; d < middle*9/10 || d > middle*11/10 {
					t.Errorf("job %d: pause %d is %v", n, i+1, d)
				}
			}
		}
		same(t, "retries", s.Stats().Retries, 15)
	})
}

func TestParity56_RetryAndRecover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p place
		o := manual()
		o.Manual, o.EveryEvents, o.Backoff = false, 1, Backoff{Base: time.Second}
		blobs := &pauses{BlobStore: p.handle(t), fail: 3}
		s := open(t, blobs, one(), o)
		stop := running(t, s)
		fill(t, s.Store(), 0, 10)
		time.Sleep(20 * time.Second)
		stop()
		x, w := s.Stats(), blobs.waits
		if x.Snapshots != 1 || x.Failures != 0 || x.Retries != 3 || x.AtRisk != 0 {
			t.Errorf("%+v", x)
		}
		if len(w) < 3 || w[0] >= w[1] || w[1] >= w[2] {
			t.Errorf("pauses %v", w)
		}
		same(t, "attempts", s.PartitionStats()[0].Attempts, 4)
	})
	synctest.Test(t, func(t *testing.T) {
		var p place
		o := manual()
		o.Manual, o.Interval, o.MaxAttempts, o.Backoff = false, time.Second, 3, Backoff{Base: 100 * time.Millisecond}
		blobs, plan := p.faulty(t, "put:* error io")
		s := open(t, blobs, keyed(2), o)
		stop := running(t, s)
		fillPartition(t, s.Store(), 1, 0, 10)
		time.Sleep(1500 * time.Millisecond)
		plan.Clear()
		x, parts := s.Stats(), s.PartitionStats()
		if x.Failures < 1 || x.LastError == nil || parts[1].Failures != x.Failures || parts[0].Failures != 0 || parts[1].Attempts != 3 {
			t.Errorf("%+v\n%+v", x, parts)
		}
		time.Sleep(time.Minute)
		stop()
		if x := s.Stats(); x.Snapshots != 1 || x.LastError != nil || x.AtRisk != 0 {
			t.Errorf("%+v", x)
		}
	})
}

// TestRunTriesAgain: behind a snapshot that failed, the next try does not wait for a trigger, and pauses grow; where trying
// again is useless, it waits.
func TestRunTriesAgain(t *testing.T) {
	for rule, tries := range map[string][2]int{"put:* error io": {10, 30}, "put:* error readonly": {1, 1}} {
		synctest.Test(t, func(t *testing.T) {
			var p place
			o := manual()
			o.Manual, o.Interval, o.MaxAttempts = false, time.Hour, 1
			o.Backoff = Backoff{Base: time.Second, Max: 5 * time.Minute}
			blobs, plan := p.faulty(t, rule)
			s := open(t, blobs, one(), o)
			fill(t, s.Store(), 0, 1)
			stop := running(t, s)
			time.Sleep(time.Hour + 50*time.Minute)
			if n := int(plan.Calls("put")); n < tries[0] || n > tries[1] {
				t.Errorf("%s: %d tries", rule, n)
			}
			stop()
		})
	}
}

// saves returns how many snapshots Run takes in a time.
func saves(t *testing.T, o Options[trade], prepare, meanwhile func(s *Saver[trade])) (x Stats) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var p place
		s := open(t, p.handle(t), one(), o)
		prepare(s)
		stop := running(t, s)
		for range 100 {
			time.Sleep(100 * time.Millisecond)
			meanwhile(s)
		}
		synctest.Wait()
		x = s.Stats()
		stop()
	})
	return x
}

func TestDefectD11_TriggersThatAreOff(t *testing.T) {
	nothing := func(*Saver[trade]) {}
	n := 0
	ten := func(s *Saver[trade]) { fill(t, s.Store(), n, n+10); n += 10 }
	for what, c := range map[string]struct {
		interval  time.Duration
		events    int
		manual    bool
		meanwhile func(*Saver[trade])
		taken     [2]uint64
		unchanged [2]uint64
	}{
		"interval only, idle":   {time.Second, 0, false, nothing, [2]uint64{1, 1}, [2]uint64{8, 10}},
		"interval only, busy":   {time.Second, 0, false, ten, [2]uint64{9, 10}, [2]uint64{0, 0}},
		"events only, idle":     {0, 100, false, nothing, [2]uint64{0, 0}, [2]uint64{0, 0}},
		"events only, busy":     {0, 100, false, ten, [2]uint64{9, 10}, [2]uint64{0, 0}},
		"both, idle":            {time.Hour, 1000, false, nothing, [2]uint64{0, 0}, [2]uint64{0, 0}},
		"neither, busy":         {0, 0, true, ten, [2]uint64{0, 0}, [2]uint64{0, 0}},
		"the defaults, not yet": {0, 0, false, ten, [2]uint64{0, 0}, [2]uint64{0, 0}},
	} {
		o := manual()
		o.Manual, o.Interval, o.EveryEvents = c.manual, c.interval, c.events
		x := saves(t, o, nothing, c.meanwhile)
		if x.Snapshots < c.taken[0] || x.Snapshots > c.taken[1] || x.Unchanged < c.unchanged[0] || x.Unchanged > c.unchanged[1] {
			t.Errorf("%s: %d taken, %d unchanged", what, x.Snapshots, x.Unchanged)
		}
	}
}

// TestStalledWriterStartsNoStorm: events behind one that is not published count, and cannot be saved.
func TestStalledWriterStartsNoStorm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := 0
		b := Backoff{Base: time.Second}
		b.setDefaults()
		tr := newTriggers(0, 10, b, 1, func() uint64 { looks++; return 50 })
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		n := 0
		for tr.wait(ctx, nil) {
			tr.succeeded(false)
			n++
		}
		if n < 50 || n > 70 || looks > 500 {
			t.Errorf("%d tries in a minute, %d looks", n, looks)
		}
	})
}

// TestRunEndsWithItsContext even if there is always something to save.
func TestRunEndsWithItsContext(t *testing.T) {
	var p place
	o := manual()
	o.Manual, o.EveryEvents = false, 1
	s := open(t, p.handle(t), one(), o)
	fill(t, s.Store(), 0, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	must(t, s.Run(ctx))
}

// TestClockJumps: the Saver's clock dates snapshots; what is due goes by a clock that does not jump.
func TestClockJumps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p place
		clock := newClock()
		o := manual()
		o.Manual, o.Interval, o.Clock = false, time.Minute, clock.now
		s := open(t, p.handle(t), one(), o)
		stop := running(t, s)
		for _, jump := range []time.Duration{-time.Hour, 100_000 * time.Hour, 0} {
			clock.advance(jump)
			before := s.Stats().Snapshots
			for i := range 60 {
				fill(t, s.Store(), i, i+1)
				time.Sleep(time.Second)
			}
			synctest.Wait()
			same(t, "snapshots", s.Stats().Snapshots, before+1)
			if age := s.Stats().Age; age < 0 {
				t.Error(age)
			}
		}
		clock.advance(-1000 * time.Hour)
		same(t, "age", s.Stats().Age, 0)
		stop()
	})
}

// TestLooksAreCheap: looking at the events takes a thousandth of the time at most.
func TestLooksAreCheap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int64
		tr := newTriggers(0, 10, Backoff{}, 1, func() uint64 {
			looks.Add(1)
			time.Sleep(100 * time.Millisecond)
			return 0
		})
		ctx, cancel := context.WithTimeout(t.Context(), 1000*time.Second)
		defer cancel()
		same(t, "due", tr.wait(ctx, nil), false)
		if n := looks.Load(); n < 9 || n > 11 {
			t.Errorf("%d looks", n)
		}
	})
}

// TestClosedStoreIsAFailure: that the blob store is closed is not that the Saver is.
func TestClosedStoreIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p place
		o := manual()
		o.Manual, o.EveryEvents, o.Backoff = false, 1, Backoff{}
		s := open(t, p.handle(t), one(), o)
		stop := running(t, s)
		must(t, s.blobs.Close())
		fill(t, s.Store(), 0, 1)
		time.Sleep(time.Minute)
		stop()
		if x := s.Stats(); x.Failures < 1 || x.Failures > 10 || !errors.Is(x.LastError, sinks.ErrClosed) {
			t.Errorf("%+v", x)
		}
	})
}

func TestPermanentFailureIsInTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p place
		o := manual()
		o.Manual, o.Interval = false, time.Minute
		blobs, _ := p.faulty(t, "put:* error readonly")
		s := open(t, blobs, one(), o)
		fill(t, s.Store(), 0, 1)
		stop := running(t, s)
		time.Sleep(10*time.Minute + time.Second)
		stop()
		x := s.Stats()
		if !errors.Is(x.LastError, faultstore.ErrInjected) || x.Failures != 10 || x.Retries != 0 {
			t.Errorf("%+v", x)
		}
	})
}
