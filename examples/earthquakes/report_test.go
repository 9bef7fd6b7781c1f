package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// plainEvent is read without the program's parser: the recomputation below shares no code with what it checks.
type plainEvent struct {
	Properties struct {
		Mag  *float64
		Time int64
		Net  string
	}
}

type plainWindow struct {
	Count, NoMagnitude int
	Max, Avg, P95      *float64
}

type plainReport struct {
	Events, Appended, Visible, Discarded int
	Windows                              struct{ Hour, Day, Week plainWindow }
	Top                                  []map[string]any
}

// recompute answers from slices what the store should answer.
func recompute(events []plainEvent, capacity int, byTime bool) plainReport {
	events = append([]plainEvent(nil), events...)
	if byTime {
		sort.SliceStable(events, func(i, j int) bool { return events[i].Properties.Time < events[j].Properties.Time })
	}
	r := plainReport{Events: len(events), Appended: len(events)}
	if len(events) > capacity {
		r.Discarded = len(events) - capacity
		events = events[r.Discarded:]
	}
	r.Visible = len(events)
	newest := int64(math.MinInt64)
	counts := map[string]int{}
	for _, e := range events {
		newest = max(newest, e.Properties.Time)
		counts[e.Properties.Net]++
	}
	r.Windows.Hour = plainSpan(events, newest-3_600_000, newest)
	r.Windows.Day = plainSpan(events, newest-86_400_000, newest)
	r.Windows.Week = plainSpan(events, newest-604_800_000, newest)
	r.Top = []map[string]any{}
	for net, n := range counts {
		r.Top = append(r.Top, map[string]any{"key": net, "count": float64(n)})
	}
	sort.Slice(r.Top, func(i, j int) bool {
		a, b := r.Top[i], r.Top[j]
		if a["count"] != b["count"] {
			return a["count"].(float64) > b["count"].(float64)
		}
		return a["key"].(string) < b["key"].(string)
	})
	return r
}

func plainSpan(events []plainEvent, from, to int64) plainWindow {
	var w plainWindow
	var mags []float64
	sum := 0.0
	for _, e := range events {
		if e.Properties.Time < from || e.Properties.Time > to {
			continue
		}
		w.Count++
		if e.Properties.Mag == nil {
			w.NoMagnitude++
			continue
		}
		mags = append(mags, *e.Properties.Mag)
		sum += *e.Properties.Mag
	}
	if n := len(mags); n > 0 {
		sort.Float64s(mags)
		avg := sum / float64(n)
		rank := int(math.Ceil(0.95 * float64(n)))
		w.Max, w.Avg, w.P95 = &mags[n-1], &avg, &mags[rank-1]
	}
	return w
}

// plantNulls takes the magnitude of the features with the given indexes away.
func plantNulls(t *testing.T, feed []byte, at ...int) []byte {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(feed, &doc); err != nil {
		t.Fatal(err)
	}
	features := doc["features"].([]any)
	for _, i := range at {
		if i >= 0 {
			features[i].(map[string]any)["properties"].(map[string]any)["mag"] = nil
		}
	}
	out, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// approx lets sums differ by their last bits: the store may add in another order.
var approx = cmp.Comparer(func(a, b float64) bool { return a == b || math.Abs(a-b) <= 1e-12*math.Max(math.Abs(a), math.Abs(b)) })

func TestReportEqualsPlainRecomputation(t *testing.T) {
	feeds := map[string][]byte{
		"as it is": embeddedFeed,
		// The newest, one in the middle of the week and the oldest: every capacity and order sees a null.
		"with nulls": plantNulls(t, embeddedFeed, 0, 3, 900, 1700, 1706),
	}
	for name, feed := range feeds {
		var plain struct{ Features []plainEvent }
		if err := json.Unmarshal(feed, &plain); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "feed.json")
		if err := os.WriteFile(file, feed, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, capacity := range []int{50, 500, 100_000} {
			for _, byTime := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/capacity %d/by time %v", name, capacity, byTime), func(t *testing.T) {
					args := []string{"--once", "--json", "--capacity", strconv.Itoa(capacity)}
					if byTime {
						args = append(args, "--by-time")
					}
					got := runJSON(t, append(args, file)...)
					want := recompute(plain.Features, capacity, byTime)
					if diff := cmp.Diff(want, got, approx); diff != "" {
						t.Errorf("-want +got\n%s", diff)
					}
					if planted := name != "as it is"; planted != (got.Windows.Week.NoMagnitude > 0) {
						t.Errorf("%d events without magnitude", got.Windows.Week.NoMagnitude)
					}
				})
			}
		}
	}
}

// runJSON runs the program and reads its report into the plain one.
func runJSON(t *testing.T, args ...string) plainReport {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := run(args, nil, &stdout, &stderr); code != 0 || stderr.Len() > 0 {
		t.Fatalf("exit %d: %s", code, &stderr)
	}
	var r plainReport
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestNearestRank(t *testing.T) {
	tests := []struct {
		n    int
		want float64
	}{{1, 1}, {2, 2}, {19, 19}, {20, 19}, {21, 20}, {100, 95}, {101, 96}}
	for _, tt := range tests {
		values := make([]float64, tt.n)
		for i := range values {
			values[i] = float64(tt.n - i) // n … 1
		}
		if got := nearestRank(values, 95); got != tt.want {
			t.Errorf("p95 of 1..%d is %v, want %v", tt.n, got, tt.want)
		}
	}
}
