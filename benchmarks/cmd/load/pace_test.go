package main

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const ms = time.Millisecond

func sleepUntil(at time.Time) { time.Sleep(time.Until(at)) }

// takes returns an appender that needs so long.
func takes(d time.Duration) appender {
	return func(context.Context) error { time.Sleep(d); return nil }
}

// A slow server makes those wait that are due meanwhile, and their waiting counts.
func TestLatenciesBeginWhenAppendsAreDue(t *testing.T) {
	for _, c := range []struct {
		name string
		all  []appender
		want []time.Duration
	}{
		{"fast", []appender{takes(0)}, []time.Duration{0, 0, 0, 0}},
		{"slower than the schedule", []appender{takes(10 * ms)}, []time.Duration{10 * ms, 19 * ms, 28 * ms, 37 * ms}},
		{"as many connections as it takes", repeat(takes(3*ms), 3), []time.Duration{3 * ms, 3 * ms, 3 * ms, 3 * ms}},
	} {
		synctest.Test(t, func(t *testing.T) {
			got := openLoop(t.Context(), c.all, 1000, len(c.want), sleepUntil)
			if d := cmp.Diff(c.want, got.latencies); d != "" {
				t.Errorf("%s: latencies (-want +got):\n%s", c.name, d)
			}
			if got.errors != 0 || got.wall != 3*ms+slices.Max(c.want) {
				t.Errorf("%s: %d errors, %v", c.name, got.errors, got.wall)
			}
		})
	}
}

// A generator that is late itself does not hide it, and does not leave appends out.
func TestALateGeneratorCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := true
		late := func(at time.Time) {
			if sleepUntil(at); first {
				first = false
				time.Sleep(5 * ms)
			}
		}
		got := openLoop(t.Context(), []appender{takes(0)}, 1000, 4, late)
		if d := cmp.Diff([]time.Duration{2 * ms, 3 * ms, 4 * ms, 5 * ms}, got.latencies); d != "" {
			t.Errorf("latencies (-want +got):\n%s", d)
		}
	})
}

func TestErrorsAreCountedApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, bad := 0, errors.New("refused")
		flaky := func(context.Context) error {
			if n++; n%4 == 0 {
				return bad
			}
			return nil
		}
		got := openLoop(t.Context(), []appender{flaky}, 1000, 10, sleepUntil)
		if got.errors != 2 || len(got.latencies) != 8 || !errors.Is(got.first, bad) {
			t.Errorf("%+v", got)
		}
	})
}

func TestAnInterruptEndsTheSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*ms+ms/2)
		defer cancel()
		if got := openLoop(ctx, []appender{takes(0)}, 1000, 1000, sleepUntil); len(got.latencies) != 6 {
			t.Errorf("%d appends", len(got.latencies))
		}
	})
}

func TestClosedLoopEndsByTimeOrNumber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := []appender{takes(2 * ms), takes(5 * ms)}
		byTime := closedLoop(t.Context(), all, 10*ms, 0)
		if len(byTime.latencies) != 5+2 || byTime.quantile(500) != 2*ms || byTime.quantile(1000) != 5*ms || byTime.wall != 10*ms {
			t.Errorf("by time: %+v", byTime)
		}
		if byTime.rate() != 700 {
			t.Errorf("%v a second", byTime.rate())
		}
		if got := closedLoop(t.Context(), all, time.Hour, 7); len(got.latencies) != 7 {
			t.Errorf("by number: %d", len(got.latencies))
		}
	})
}

func TestQuantilesAreExact(t *testing.T) {
	var x tally
	if x.quantile(990) != 0 {
		t.Error("of nothing")
	}
	for i := range 1000 {
		x.latencies = append(x.latencies, time.Duration(i+1))
	}
	for perMille, want := range map[int]time.Duration{0: 1, 1: 1, 500: 500, 990: 990, 999: 999, 1000: 1000} {
		if got := x.quantile(perMille); got != want {
			t.Errorf("%d per mille: %d, want %d", perMille, got, want)
		}
	}
	x.latencies = x.latencies[:3]
	if x.quantile(500) != 2 || x.quantile(990) != 3 {
		t.Errorf("of three: %d, %d", x.quantile(500), x.quantile(990))
	}
}

func TestSleeperIsNeverEarly(t *testing.T) {
	wait, end := sleeper()
	defer end()
	for range 5 {
		at := time.Now().Add(200 * time.Microsecond)
		if wait(at); time.Now().Before(at) {
			t.Fatal("early")
		}
	}
	wait(time.Now().Add(-time.Hour))
}
