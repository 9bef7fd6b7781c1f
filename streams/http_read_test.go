package streams_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/ephemera-go/ephemera/streams"
)

func versionsIn(t *testing.T, body string) (list []int) {
	t.Helper()
	var page []struct{ Version int }
	if err := json.Unmarshal([]byte(body), &page); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	for _, e := range page {
		list = append(list, e.Version)
	}
	return list
}

func TestHTTPRead(t *testing.T) {
	s := serve(t, openLocal(t, streams.Options{Limits: streams.Limits{Events: 5}}), streams.HandlerOptions{})
	if a := s.ask("", "GET /streams/a"); a.body != "[]\n" || a.header.Get("ETag") != `"0"` || a.header.Get("Ephemera-Oldest") != "1" {
		t.Error(a)
	}
	s.post(`[1,2,3,4,5,6,7,8]`).wantResult(t, 201, 1, 8)
	for path, want := range map[string]struct {
		versions  string
		gap, more string
	}{
		"":                                  {"[4 5 6 7 8]", "", ""},
		"?from=0":                           {"[4 5 6 7 8]", "", ""},
		"?from=6":                           {"[6 7 8]", "", ""},
		"?from=4&limit=2":                   {"[4 5]", "", "true"},
		"?from=2":                           {"[4 5 6 7 8]", "2-3; cause=limit", ""},
		"?from=9":                           {"[]", "", ""},
		"?from=18446744073709551615":        {"[]", "", ""},
		"?backward=true&limit=2":            {"[8 7]", "", "true"},
		"?backward=true&from=5&limit=10000": {"[5 4]", "", ""},
		"?backward=false&aggregate=false&info=false&from=8": {"[8]", "", ""},
	} {
		a := s.ask("", "GET /streams/a"+path)
		if got := fmt.Sprint(versionsIn(t, a.body)); got != want.versions || a.header.Get("Ephemera-Gap") != want.gap ||
			a.header.Get("Ephemera-More") != want.more || a.header.Get("ETag") != `"8"` || a.header.Get("Ephemera-Oldest") != "4" || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %s %v, want %+v", path, got, a.header, want)
		}
	}
	a := s.ask("", "GET /streams/a?from=7", "Accept: application/x-ndjson")
	if lines := strings.Split(a.body, "\n"); len(lines) != 3 || lines[2] != "" || a.header.Get("Content-Type") != "application/x-ndjson" || !strings.Contains(lines[1], `"version":8,`) {
		t.Errorf("%q", a.body)
	}
	if a := s.ask("", "GET /streams/none", "Accept: application/x-ndjson"); a.body != "" || a.status != 200 {
		t.Errorf("%q", a.body)
	}
	if a := s.ask("", "HEAD /streams/a"); a.body != "" || a.header.Get("ETag") != `"8"` {
		t.Error(a)
	}
	for query, field := range map[string]string{
		"from=-1": "from", "from=1.5": "from", "from=x": "from", "from=": "from", "from=18446744073709551616": "from", "from=1&from=2": "from", "from=%2B1": "from", "from=0x1": "from",
		"limit=0": "limit", "limit=10001": "limit", "limit=-1": "limit", "limit=1e3": "limit", "limit": "limit",
		"backward=yes": "backward", "backward": "backward", "aggregate=1": "aggregate", "info=TRUE": "info", "form=1": "form",
		"by=x": "by", "field=x": "field", "aggregate=true&from=1": "from", "info=true&limit=1": "limit", "%zz=1": "", "from=1;limit=2": "",
	} {
		s.ask("", "GET /streams/a?"+query).wantProblem(t, 400, problem{Field: field, Code: "invalid"})
	}
	s.ask("1", "POST /streams/a?from=1").wantProblem(t, 400, problem{Field: "from"})
}

// TestHTTPLongPage: a page longer than any buffer arrives whole, and the connection is good for the next request.
func TestHTTPLongPage(t *testing.T) {
	log := openLocal(t, streams.Options{})
	s := serve(t, log, streams.HandlerOptions{})
	var events []streams.Event
	for i := range 700 {
		events = append(events, streams.Event{Data: []byte(fmt.Sprintf(`"%d%s"`, i, strings.Repeat("x", 1000)))})
	}
	if _, err := log.Append(t.Context(), streams.Append{Stream: "a", Events: events}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got := versionsIn(t, s.ask("", "GET /streams/a").body); len(got) != 700 || got[699] != 700 {
			t.Error(len(got))
		}
		if a := s.ask("", "GET /streams/a", "Accept: application/x-ndjson"); strings.Count(a.body, "\n") != 700 {
			t.Error(len(a.body))
		}
	}
}

func TestHTTPAggregate(t *testing.T) {
	s := serve(t, openLocal(t, streams.Options{}), streams.HandlerOptions{})
	s.post(`[{"id":"o1","valor":10,"gatewayId":"g1"},{"id":"o2","valor":20,"gatewayId":"g2"},{"id":"o3","valor":30,"gatewayId":"g1"},{"id":"o4","valor":"NaN"}]`)
	var got struct {
		Stream                       string
		TotalEvents, TotalValor      float64
		Gateways                     map[string]map[string]any
		DurationMs, Min, Max, Avg    *float64
		Numbers, NotNumbers, Version uint64
		Percentiles                  map[string]float64
		Field, By                    string
	}
	a := s.ask("", "GET /streams/a?aggregate=true")
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		t.Fatal(err)
	}
	if got.Stream != "a" || got.TotalEvents != 4 || got.TotalValor != 60 || got.DurationMs == nil || *got.Min != 10 || *got.Max != 30 || *got.Avg != 20 ||
		got.Numbers != 3 || got.NotNumbers != 1 || got.Version != 4 || got.Field != "valor" || got.By != "gatewayId" ||
		math.Abs(got.Percentiles["p50"]-20) > 1 || len(got.Percentiles) != 4 ||
		got.Gateways["g1"]["count"] != 2.0 || got.Gateways["g1"]["sum"] != 40.0 || got.Gateways["g1"]["avg"] != 20.0 || got.Gateways["g2"]["sum"] != 20.0 || got.Gateways[""]["count"] != 1.0 {
		t.Error(a.body)
	}
	a = s.ask("", "GET /streams/a?aggregate=true&field=&by=id")
	if !strings.Contains(a.body, `"totalEvents":4,"totalValor":0,"gateways":{"o1":{"count":1,"sum":0,"numbers":0,"min":null,"max":null,"avg":null}`) {
		t.Error(a.body)
	}
	if a := s.ask("", "GET /streams/none?aggregate=true"); !strings.Contains(a.body, `"totalEvents":0,"totalValor":0,"gateways":{},`) || a.header.Get("ETag") != `"0"` {
		t.Error(a)
	}
	// A sum may leave the range of numbers, and is told all the same, also to our client.
	s.ask(`[{"valor":1e308},{"valor":1e308}]`, "POST /streams/b")
	if a := s.ask("", "GET /streams/b?aggregate=true"); !strings.Contains(a.body, `"totalValor":"Infinity"`) || !strings.Contains(a.body, `"avg":"Infinity"`) {
		t.Error(a.body)
	}
	c, err := streams.NewClient(s.URL, streams.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if x, err := c.Aggregate(t.Context(), streams.Aggregate{Stream: "b", Field: "valor"}); err != nil || !math.IsInf(x.Numbers.Sum, 1) || x.Numbers.Max != 1e308 {
		t.Error(x, err)
	}
}

func TestHTTPList(t *testing.T) {
	s := serve(t, openLocal(t, streams.Options{}), streams.HandlerOptions{})
	for _, name := range []string{"b/1", "b/2", "c", "a"} {
		s.ask("1", "POST /streams/"+name)
	}
	for query, want := range map[string]string{"": "a b/1 b/2 c", "?pattern=b/*": "b/1 b/2", "?pattern=b/*,a&after=a&limit=1": "b/1+", "?limit=4": "a b/1 b/2 c", "?after=c": ""} {
		a := s.ask("", "GET /streams"+query)
		var list []struct{ Stream string }
		if err := json.Unmarshal([]byte(a.body), &list); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, i := range list {
			names = append(names, i.Stream)
		}
		got := strings.Join(names, " ")
		if a.header.Get("Ephemera-More") == "true" {
			got += "+"
		}
		if got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	for query, field := range map[string]string{"limit=0": "limit", "limit=10001": "limit", "x=1": "x", "pattern=%00": "", "pattern=" + strings.Repeat("a,", 5000): ""} {
		s.ask("", "GET /streams?"+query).wantProblem(t, 400, problem{Field: field, Code: "invalid"})
	}
	if a := s.ask("", "GET /openapi.yaml"); a.status != 200 || a.header.Get("Content-Type") != "application/yaml" || !strings.HasPrefix(a.body, "openapi: 3") {
		t.Error(a)
	}
}
