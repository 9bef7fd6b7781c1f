package main

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ephemera-go/ephemera/core"
)

// live replays a feed in the live view, in the fake time of the test's bubble, and returns what it printed.
func live(t *testing.T, ctx context.Context, feed []byte, args ...string) string {
	t.Helper()
	o, err := parseFlags(args)
	if err != nil {
		t.Fatal(err)
	}
	quakes, err := parseFeed(bytes.NewReader(feed))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := replay(ctx, o, quakes, &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestLiveReplaysTheWeekInAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		out := live(t, t.Context(), embeddedFeed)
		if took := time.Since(start).Round(time.Second); took != 60*time.Second {
			t.Errorf("took %v", took)
		}
		lines, report, ok := strings.Cut(out, "final report on ")
		if !ok || !strings.Contains(report, "appended 1,707, visible 1,707, discarded 0\n") {
			t.Errorf("no final report, or a wrong one:\n%s", report)
		}
		if n := strings.Count(lines, "\n"); n != 60 {
			t.Errorf("%d lines, want one per second", n)
		}
		if !strings.HasPrefix(lines, "19/1,707 2018-02-07T01:26:13.840Z rate 19.0/s | hour 7 max 3.80 ") {
			t.Errorf("first line: %.120s", lines)
		}
	})
}

func TestLiveReportsFailedOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		quakes, err := parseFeed(bytes.NewReader(embeddedFeed))
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		err = replay(t.Context(), options{capacity: 1, top: 1, speed: 1}, quakes, full{})
		if took := time.Since(start); err == nil || took != time.Second {
			t.Errorf("%v after %v, want an error from the first line", err, took)
		}
	})
}

func TestLiveStopsEarly(t *testing.T) {
	// 1 + 9 + 10 feed seconds at 10 per second: at 1.5 s the third event is not due yet.
	feed := []byte(collection(
		with("a", `"mag":1,"time":20000,"net":"us"`),
		with("b", `"mag":2,"time":21000,"net":"us"`),
		with("c", `"mag":3,"time":12000,"net":"us"`),
		with("d", `"mag":4,"time":2000,"net":"us"`),
	))
	tests := []struct {
		name, end string
		stop      time.Duration
		want      string
	}{
		{"for", "1500ms", time.Hour, "stopped early, after 3 events\n"},
		{"interrupt", "1h", 500 * time.Millisecond, "stopped early, after 2 events\n"},
		{"to the end", "1h", time.Hour, "appended 4, visible 4, discarded 0\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), tt.stop)
				defer cancel()
				out := live(t, ctx, feed, "--speed", "10", "--for", tt.end)
				if !strings.Contains(out, tt.want) {
					t.Errorf("no %q in\n%s", tt.want, out)
				}
			})
		})
	}
}

func TestInterruptAtOnceStillReports(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if out := live(t, ctx, embeddedFeed, "--once"); !strings.Contains(out, "stopped early, after 0 events\n") {
		t.Errorf("got\n%s", out)
	}
}

// The live windows are those of the final report at every moment; only p95 comes from a histogram.
func TestLiveWindowsEqualTheReport(t *testing.T) {
	quakes, err := parseFeed(bytes.NewReader(plantNulls(t, embeddedFeed, 0, 5, 800, 1706)))
	if err != nil {
		t.Fatal(err)
	}
	for _, capacity := range []int{50, 500, 100_000} {
		o := options{capacity: capacity, top: maxTop}
		p, err := newPlayer(quakes, capacity)
		if err != nil {
			t.Fatal(err)
		}
		defer p.close()
		s, err := newScreen(p, &bytes.Buffer{}, o)
		if err != nil {
			t.Fatal(err)
		}
		for range quakes {
			if err := p.one(); err != nil {
				t.Fatal(err)
			}
			if p.sent%97 != 0 && p.sent != len(quakes) {
				continue
			}
			sameAsReport(t, s, o)
		}
	}
}

func sameAsReport(t *testing.T, s *screen, o options) {
	t.Helper()
	f, err := s.frame()
	if err != nil {
		t.Fatal(err)
	}
	r, err := newReport(s.player, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, span := range spans {
		got, want := span.of(&f.windows), span.of(&r.Windows)
		if got.P95 != nil && want.P95 != nil && math.Abs(*got.P95-*want.P95) <= core.HistogramPrecision*math.Abs(*want.P95) {
			got.P95 = want.P95
		}
	}
	if diff := cmp.Diff(r.Windows, f.windows, approx); diff != "" {
		t.Errorf("capacity %d, after %d events: -report +live\n%s", o.capacity, s.player.sent, diff)
	}
	if diff := cmp.Diff(r.Top, f.groups); diff != "" {
		t.Errorf("capacity %d, after %d events: -report +live\n%s", o.capacity, s.player.sent, diff)
	}
}

func TestScreenDrawsOnATerminal(t *testing.T) {
	quakes, err := parseFeed(strings.NewReader(smallFeed))
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPlayer(quakes, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	var out bytes.Buffer
	s, err := newScreen(p, &out, options{capacity: 2, top: 1, speed: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	s.terminal = true
	if err := p.atOnce(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.draw(), s.close()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		toTop + "ephemera: earthquakes at 10000 times their speed, file order, capacity 2" + clearLine,
		"5 of 5 events, newest seen 1970-01-01T02:00:00.000Z" + clearLine,
		"/s, discarded 3" + clearLine,
		"hour            2            0     9.00     6.50 ",
		"ak              2 ##############################" + clearLine,
		"ledger: appended 5 = visible 2 + hidden 0 + discarded 3" + clearLine,
		clearBelow + leaveScreen,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%q", want, out.String())
		}
	}
}

func TestFileIsNoTerminal(t *testing.T) {
	f, err := os.Create(t.TempDir() + "/out")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if isTerminal(f) || isTerminal(&bytes.Buffer{}) {
		t.Error("a file or a buffer is taken for a terminal")
	}
}
