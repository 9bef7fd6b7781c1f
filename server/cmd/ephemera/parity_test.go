package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type event struct {
	Version uint64
	Data    struct {
		ID        string
		Valor     float64
		GatewayID string
	}
}

func orders(r *running) {
	r.t.Helper()
	for i, g := range []string{"g1", "g2", "g1"} {
		body := fmt.Sprintf(`{"id":"o%d","valor":%d,"gatewayId":%q,"timestamp":"2026-01-01T00:00:0%dZ"}`, i, 10*(i+1), g, i)
		r.want(http.StatusCreated, nil, "POST", "/streams/orders/eu", body)
	}
}

// TestParity07Case65_HTTP is the acceptance case of the server as the predecessor's documents promise it.
func TestParity07Case65_HTTP(t *testing.T) {
	r := serve(t, t.TempDir())
	var health string
	if r.want(200, &health, "GET", "/health", ""); health != "OK" {
		t.Errorf("health %q", health)
	}
	orders(r)
	t.Run("list in append order, read from N", func(t *testing.T) {
		var all, from []event
		r.want(200, &all, "GET", "/streams/orders/eu", "")
		r.want(200, &from, "GET", "/streams/orders/eu?from=2", "")
		var ids []string
		for _, e := range append(all, from...) {
			ids = append(ids, e.Data.ID)
		}
		if d := cmp.Diff([]string{"o0", "o1", "o2", "o1", "o2"}, ids); d != "" {
			t.Error(d)
		}
	})
	t.Run("aggregate", func(t *testing.T) {
		var a struct {
			Stream      string
			TotalEvents int
			TotalValor  float64
			Gateways    map[string]struct {
				Count int
				Sum   float64
			}
		}
		r.want(200, &a, "GET", "/streams/orders/eu?aggregate=true", "")
		if a.Stream != "orders/eu" || a.TotalEvents != 3 || a.TotalValor != 60 || a.Gateways["g1"].Sum != 40 ||
			a.Gateways["g1"].Count != 2 || a.Gateways["g2"].Sum != 20 {
			t.Errorf("%+v", a)
		}
	})
	t.Run("conditional append, duplicate id", func(t *testing.T) {
		r.want(http.StatusPreconditionFailed, nil, "POST", "/streams/orders/eu", `{"valor":1}`, with("If-Match", `"2"`))
		again := `{"id":"o2","valor":30,"gatewayId":"g1","timestamp":"2026-01-01T00:00:02Z"}`
		r.want(http.StatusOK, nil, "POST", "/streams/orders/eu", again)
		var all []event
		if r.want(200, &all, "GET", "/streams/orders/eu", ""); len(all) != 3 {
			t.Errorf("%d events", len(all))
		}
	})
	t.Run("metrics", func(t *testing.T) { parityMetrics(t, r) })
	t.Run("admin", func(t *testing.T) { parityAdmin(t, r) })
}

func parityMetrics(t *testing.T, r *running) {
	now := time.Now().UTC()
	for _, m := range []struct {
		label string
		value float64
		at    time.Time
	}{{"cpu", 10, now.Add(-time.Minute)}, {"cpu", 20, now}, {"mem", 5, now}, {"cpu", 100, now.Add(-time.Hour)}} {
		body, err := json.Marshal(map[string]any{"label": m.label, "value": m.value, "timestamp": m.at})
		if err != nil {
			t.Fatal(err)
		}
		r.want(http.StatusCreated, nil, "POST", "/metrics", string(body))
	}
	from := now.Add(-2 * time.Minute).Format(time.RFC3339Nano)
	to := now.Format(time.RFC3339Nano)
	for path, want := range map[string]float64{
		"/metrics/sum?label=cpu":                            130,
		"/metrics/sum?label=cpu&from=" + from + "&to=" + to: 30,
		"/metrics/sum?label=none":                           0,
		"/metrics/sum-window?label=cpu&minutes=2":           30,
		"/metrics/sum-window?label=cpu":                     30, // ten minutes
		"/metrics/sum?label=CPU":                            0,  // labels are compared as they are
		"/metrics/sum?label=cpu&from=" + to + "&to=" + from: 0,
		"/metrics/sum?label=cpu&from=" + to:                 20, // both ends count
		"/metrics/sum?label=mem&to=" + to:                   5,
	} {
		var got float64
		if r.want(200, &got, "GET", path, ""); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
	var w struct {
		Count         int
		Sum           float64
		Min, Max, Avg *float64
		Window        struct{ From, To, Label *string }
	}
	r.want(200, &w, "GET", "/metrics/window?label=cpu&from="+from, "")
	if w.Count != 2 || w.Sum != 30 || *w.Min != 10 || *w.Max != 20 || *w.Avg != 15 || *w.Window.Label != "cpu" || w.Window.To != nil ||
		*w.Window.From != now.Add(-2*time.Minute).Format("2006-01-02T15:04:05.000Z") {
		t.Errorf("window %+v", w)
	}
	type row struct {
		Label string
		Sum   float64
		Count int
	}
	var top []row
	r.want(200, &top, "GET", "/metrics/top?k=1&from="+from, "")
	if d := cmp.Diff([]row{{"cpu", 30, 2}}, top); d != "" {
		t.Error(d)
	}
	var views struct {
		Partitions, TotalEvents int
		Views                   []struct {
			SegmentCount, TotalCount int
			HasWrapAround, IsEmpty   bool
		}
	}
	r.want(200, &views, "GET", "/metrics/snapshot-views", "")
	if views.Partitions != 1 || views.TotalEvents != 4 || len(views.Views) != 1 || views.Views[0].TotalCount != 4 || views.Views[0].IsEmpty {
		t.Errorf("views %+v", views)
	}
}

func parityAdmin(t *testing.T, r *running) {
	var flags struct {
		Cleared, Reset bool
		PurgedBefore   string
	}
	r.want(http.StatusBadRequest, nil, "POST", "/admin/purge", "")
	r.want(200, &flags, "POST", "/admin/purge?olderThanMinutes=30", "")
	if flags.PurgedBefore == "" {
		t.Error("no purgedBefore")
	}
	var sum float64
	if r.want(200, &sum, "GET", "/metrics/sum?label=cpu", ""); sum != 30 {
		t.Errorf("after the purge %v, want 30", sum)
	}
	// What olderThan says counts more than minutes.
	r.want(200, &flags, "POST", "/admin/purge?olderThanMinutes=0&olderThan=2020-01-01T00:00:00Z", "")
	if r.want(200, &sum, "GET", "/metrics/sum?label=cpu", ""); sum != 30 || flags.PurgedBefore != "2020-01-01T00:00:00.000Z" {
		t.Errorf("after a purge of what is very old %v, want 30; %s", sum, flags.PurgedBefore)
	}
	r.want(200, &flags, "POST", "/admin/clear", "")
	got := r.want(200, nil, "GET", "/streams/orders/eu?from=1", "")
	if gap := got.header.Get("Ephemera-Gap"); got.body != "[]" || gap != "1-3; cause=deleted" {
		t.Errorf("after clear: %s, gap %q", got.body, gap)
	}
	r.want(200, &flags, "POST", "/admin/reset", "")
	if !flags.Cleared || !flags.Reset {
		t.Errorf("%+v", flags)
	}
	var all []event
	if r.want(200, &all, "GET", "/streams/orders/eu", ""); len(all) != 0 {
		t.Errorf("%d events after clear", len(all))
	}
	if r.want(200, &sum, "GET", "/metrics/sum?label=cpu", ""); sum != 0 {
		t.Errorf("metrics of %v after clear", sum)
	}
}

// TestDefectD35_Server tries what went wrong in the predecessor's server.
func TestDefectD35_Server(t *testing.T) {
	t.Run("a noisy stream evicts no other", func(t *testing.T) {
		r := serve(t, t.TempDir(), "--stream-events", "10")
		orders(r)
		for i := range 50 {
			r.want(http.StatusCreated, nil, "POST", "/streams/noise", fmt.Sprintf(`{"data":{"valor":%d}}`, i))
		}
		var all, noise []event
		r.want(200, &all, "GET", "/streams/orders/eu", "")
		got := r.want(200, &noise, "GET", "/streams/noise?from=1&limit=3", "")
		if len(all) != 3 || len(noise) != 3 || noise[0].Version != 41 || got.header.Get("Ephemera-Gap") == "" {
			t.Errorf("%d orders, noise %+v, gap %q", len(all), noise, got.header.Get("Ephemera-Gap"))
		}
	})
	t.Run("nobody without the token is an administrator", func(t *testing.T) {
		const token = "a-token-of-some-length"
		r := serve(t, t.TempDir(), "--token-file", write(t, "token", token+"\n"))
		for _, path := range []string{"clear", "reset", "purge?olderThanMinutes=0", "snapshot", "verify"} {
			r.want(http.StatusUnauthorized, nil, "POST", "/admin/"+path, "")
			r.want(http.StatusOK, nil, "POST", "/admin/"+path, "", with("Authorization", "Bearer "+token))
		}
	})
	t.Run("bad metrics are refused, not stored", func(t *testing.T) {
		r := serve(t, t.TempDir())
		for _, body := range []string{
			`{"value":1}`, `{"label":null,"value":1}`, `{"label":"","value":1}`, `{"label":"a"}`, `{"label":"a","value":"1"}`,
			`{"label":"a","value":1,"timestamp":"yesterday"}`, `{"label":"a","value":1e999}`, `[]`, ``, `{"label":"a","value":1}x`,
		} {
			r.want(http.StatusBadRequest, nil, "POST", "/metrics", body)
		}
		var views struct{ TotalEvents int }
		if r.want(200, &views, "GET", "/metrics/snapshot-views", ""); views.TotalEvents != 0 {
			t.Errorf("%d events of bad requests", views.TotalEvents)
		}
	})
	t.Run("times with an offset are instants", func(t *testing.T) {
		r := serve(t, t.TempDir())
		r.want(http.StatusCreated, nil, "POST", "/metrics", `{"label":"a","value":7,"timestamp":"2026-01-01T02:00:00+02:00"}`)
		r.want(http.StatusCreated, nil, "POST", "/metrics", `{"label":"a","value":8,"timestamp":"2026-01-01T00:00:00"}`) // UTC
		var sum float64
		if r.want(200, &sum, "GET", "/metrics/sum?label=a&from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", ""); sum != 15 {
			t.Errorf("%v, want 15", sum)
		}
	})
	t.Run("bad parameters are refused", func(t *testing.T) {
		r := serve(t, t.TempDir())
		for _, path := range []string{
			"/metrics/sum", "/metrics/sum?label=a&from=x", "/metrics/top?k=0", "/metrics/top?k=-1", "/metrics/sum-window?label=a&minutes=x",
			"/metrics/window?form=2026-01-01T00:00:00Z", "/metrics/window?label=a&label=b", "/signals?limit=0", "/signals?since=x",
		} {
			r.want(http.StatusBadRequest, nil, "GET", path, "")
		}
	})
}
