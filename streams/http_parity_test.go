package streams_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ephemera-go/ephemera/streams"
)

// TestParity65_Streams: what the predecessor's server did with streams, with its requests.
func TestParity65_Streams(t *testing.T) {
	s := serve(t, openLocal(t, streams.Options{}), streams.HandlerOptions{})
	const path = "/streams/orders/eu"
	for i, x := range []struct {
		gateway string
		valor   int
	}{{"g1", 10}, {"g2", 20}, {"g1", 30}} {
		body := fmt.Sprintf(`{"id":"o%d","valor":%d,"timestamp":"2026-01-01T00:00:0%dZ","gatewayId":%q}`, i+1, x.valor, i, x.gateway)
		for try := range 2 { // each id counts once
			if a := s.ask(body, "POST "+path); a.status != 201-try {
				t.Fatal(a)
			}
		}
	}
	var page []struct {
		Version int
		Data    struct {
			ID    string
			Valor int
		}
	}
	a := s.ask("", "GET "+path)
	if err := json.Unmarshal([]byte(a.body), &page); err != nil || fmt.Sprint(page) != "[{1 {o1 10}} {2 {o2 20}} {3 {o3 30}}]" {
		t.Error(a.body, err)
	}
	if a := s.ask("", "GET "+path+"?from=2"); fmt.Sprint(versionsIn(t, a.body)) != "[2 3]" {
		t.Error(a.body)
	}
	var sum struct {
		Stream                  string
		TotalEvents, TotalValor int
		Gateways                map[string]struct{ Count, Sum int }
		DurationMs              float64
	}
	a = s.ask("", "GET "+path+"?aggregate=true")
	err := json.Unmarshal([]byte(a.body), &sum)
	if err != nil || sum.Stream != "orders/eu" || sum.TotalEvents != 3 || sum.TotalValor != 60 || fmt.Sprint(sum.Gateways) != "map[g1:{2 40} g2:{1 20}]" {
		t.Error(a.body, err)
	}
	a = s.ask(`{"id":"o4","valor":1}`, "POST "+path, `If-Match: "2"`)
	if a.wantProblem(t, 412, problem{Code: "conflict"}); !strings.Contains(a.body, `"currentVersion":3`) {
		t.Error(a.body)
	}
	if a := s.ask("", "GET /streams/unknown"); a.body != "[]\n" {
		t.Error(a.body)
	}
}

// TestParity67_QuickStart: a client appends an order, reads it from 0, and from N on only what came later.
func TestParity67_QuickStart(t *testing.T) {
	s := serve(t, openLocal(t, streams.Options{}), streams.HandlerOptions{})
	c, err := streams.NewClient(s.URL, streams.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	add := func(id string) uint64 {
		t.Helper()
		e := streams.Event{ID: id, Data: []byte(`{"valor":10,"gatewayId":"g1"}`)}
		r, err := c.Append(t.Context(), streams.Append{Stream: "gateway/orders", Events: []streams.Event{e}})
		if err != nil {
			t.Fatal(err)
		}
		return r.Last
	}
	read := func(from uint64) (ids []string) {
		t.Helper()
		p, err := c.Read(t.Context(), streams.Read{Stream: "gateway/orders", From: from})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range p.Events {
			ids = append(ids, e.ID)
		}
		return ids
	}
	n := add("o-1")
	if got := fmt.Sprint(read(0)); got != "[o-1]" {
		t.Error(got)
	}
	add("o-2")
	add("o-3")
	if got := fmt.Sprint(read(n + 1)); got != "[o-2 o-3]" {
		t.Error(got)
	}
	if got := fmt.Sprint(read(4)); got != "[]" {
		t.Error(got)
	}
	e := streams.Event{ID: "o-4", Data: []byte(`1`)}
	_, err = c.Append(t.Context(), streams.Append{Stream: "gateway/orders", Expect: streams.ExpectVersion(n), Events: []streams.Event{e}})
	if conflict := (*streams.ConflictError)(nil); !errors.As(err, &conflict) || conflict.Version != 3 {
		t.Error(err)
	}
}
