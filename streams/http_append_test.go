package streams_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ephemera-go/ephemera/streams"
)

// result is the reply to an append.
type result struct {
	Stream, Epoch, Durability string
	FirstVersion, LastVersion uint64
	Duplicate                 *bool
}

func (a answer) wantResult(t *testing.T, status int, first, last uint64) {
	t.Helper()
	var r result
	err := json.Unmarshal([]byte(a.body), &r)
	if err != nil || a.status != status || r.FirstVersion != first || r.LastVersion != last || r.Duplicate == nil ||
		*r.Duplicate != (status == 200) || r.Durability != "memory" || r.Stream != "a" || len(r.Epoch) != 32 {
		t.Errorf("%d %s, want %d and versions %d to %d", a.status, a.body, status, first, last)
	}
	if a.header.Get("ETag") != fmt.Sprintf(`"%d"`, last) || a.header.Get("Ephemera-Epoch") != r.Epoch ||
		a.header.Get("Content-Type") != "application/json" {
		t.Errorf("headers %v", a.header)
	}
}

func TestHTTPAppend(t *testing.T) {
	s := serve(t, openLocal(t, streams.Options{}), streams.HandlerOptions{})
	s.post(`{"id":"1","type":"x","time":"2026-02-03T04:05:06.789Z","data":{"b":1,"a":[1.50]},"extra":true}`).wantResult(t, 201, 1, 1)
	s.post(`[{"data":1},{"data":null}]`).wantResult(t, 201, 2, 3)
	s.ask("{\"data\":4}\n\n {\"data\":5} \r\n", "POST /streams/a", "Content-Type: application/x-ndjson; charset=utf-8").wantResult(t, 201, 4, 5)
	s.post(`{"id":"o1","valor":10,"timestamp":"2026-01-01T00:00:00Z","gatewayId":"g1"}`).wantResult(t, 201, 6, 6)
	s.post(`{"id":7,"valor":1}`).wantResult(t, 201, 7, 7)
	s.ask("[8,\"x\"]", "POST /streams/a").wantResult(t, 201, 8, 9)
	s.post(packed(t, `{"data":10}`), "Content-Encoding: GZIP").wantResult(t, 201, 10, 10)

	var page []map[string]any
	a := s.ask("", "GET /streams/a")
	if err := json.Unmarshal([]byte(a.body), &page); err != nil || len(page) != 10 {
		t.Fatal(a.body, err)
	}
	for i, want := range []string{
		`{"data":{"a":[1.5],"b":1},"id":"1","meta":{"extra":true},"stream":"a","time":"2026-02-03T04:05:06.789Z","type":"x","version":1}`,
		`{"data":1,"id":"","stream":"a","type":"","version":2}`, `{"data":null,"id":"","stream":"a","type":"","version":3}`, `{"data":4,"id":"","stream":"a","type":"","version":4}`,
		`{"data":5,"id":"","stream":"a","type":"","version":5}`,
		`{"data":{"gatewayId":"g1","id":"o1","timestamp":"2026-01-01T00:00:00Z","valor":10},"id":"o1","stream":"a","type":"","version":6}`,
		`{"data":{"id":7,"valor":1},"id":"","stream":"a","type":"","version":7}`, `{"data":8,"id":"","stream":"a","type":"","version":8}`,
		`{"data":"x","id":"","stream":"a","type":"","version":9}`, `{"data":10,"id":"","stream":"a","type":"","version":10}`,
	} {
		if _, ok := page[i]["time"]; !ok {
			t.Error("no time")
		}
		if i > 0 {
			delete(page[i], "time")
		}
		if got, err := json.Marshal(page[i]); err != nil || string(got) != want {
			t.Errorf("event %d is %s\nwant %s", i+1, got, want)
		}
	}
	if !strings.Contains(a.body, `{"a":[1.50],"b":1}`) {
		t.Error("a number lost its spelling")
	}
}

func TestHTTPKeys(t *testing.T) {
	s := serve(t, openLocal(t, streams.Options{}), streams.HandlerOptions{})
	s.post(`[{"id":"1","data":{"x":1,"y":"ä"}},{"id":"2","data":2}]`).wantResult(t, 201, 1, 2)
	s.post(`[{"data":{"y":"\u00e4", "x":1},"id":"1"},{"id":"2","data":2}]`, `If-Match: "77"`).wantResult(t, 200, 1, 2)
	s.post(`{"id":"2","data":2}`, "If-None-Match: *").wantResult(t, 200, 2, 2)
	for body, want := range map[string]struct {
		ids     []string
		partial bool
	}{
		`{"id":"1","data":{"x":1.0,"y":"ä"}}`:                                {[]string{"1"}, false},
		`[{"id":"1","data":5},{"id":"2","data":5}]`:                          {[]string{"1", "2"}, false},
		`{"id":"2","data":2,"type":"x"}`:                                     {[]string{"2"}, false},
		`{"id":"2","data":2,"time":"2026-01-01T00:00:00Z"}`:                  {[]string{"2"}, false},
		`[{"id":"2","data":2},{"id":"3","data":3}]`:                          {[]string{"2"}, true},
		`[{"id":"2","data":2},{"id":"1","data":{"x":1,"y":"ä"}}]`:            {[]string{"2", "1"}, true},
		`[{"id":"1","data":{"x":1,"y":"ä"}},{"id":"2","data":2},{"data":3}]`: {[]string{"1", "2"}, true},
	} {
		p := s.post(body).wantProblem(t, 422, problem{Code: "key_reused"})
		if fmt.Sprint(p.IDs) != fmt.Sprint(want.ids) || p.Partial != want.partial {
			t.Errorf("%s: ids %v, partial %v", body, p.IDs, p.Partial)
		}
	}
	s.wantVersion("2")
	s.post(`{"id":"1","data":3}`, "Idempotency-Key: k").wantResult(t, 201, 3, 3) // with a key, the id is only data
	s.post(`{"id":"1","data":3}`, "Idempotency-Key: k", `If-Match: "0"`).wantResult(t, 200, 3, 3)
	if p := s.post(`{"id":"1","data":4}`, "Idempotency-Key: k").wantProblem(t, 422, problem{}); fmt.Sprint(p.IDs) != "[k]" {
		t.Error(p.IDs)
	}
	if a := s.ask(`{"data":3}`, "POST /streams/b", "Idempotency-Key: k"); a.status != 201 {
		t.Error("keys are per stream:", a)
	}
	s.post(`1`, "Idempotency-Key: "+strings.Repeat("k", streams.MaxKeyBytes)).wantResult(t, 201, 4, 4)
	s.post(`1`, "Idempotency-Key: "+strings.Repeat("k", streams.MaxKeyBytes+1)).wantProblem(t, 400, problem{Code: "invalid"})
	s.post(`1`, "Idempotency-Key: a", "Idempotency-Key: b").wantProblem(t, 400, problem{Field: "Idempotency-Key"})
}

func TestHTTPPreconditions(t *testing.T) {
	log := openLocal(t, streams.Options{})
	s := serve(t, log, streams.HandlerOptions{})
	epoch := log.Epoch().String()
	s.post(`1`, `If-Match: "0"`).wantResult(t, 201, 1, 1)
	s.post(`2`, `If-Match: "1"`, "Ephemera-Epoch: "+epoch).wantResult(t, 201, 2, 2)
	s.post(`3`, `If-Match: *`).wantResult(t, 201, 3, 3)
	for _, head := range []string{
		`If-Match: "0"`, `If-Match: "2"`, `If-Match: "4"`, `If-Match: "18446744073709551615"`, `If-None-Match: *`,
		"Ephemera-Epoch: 00000000000000000000000000000001",
	} {
		a := s.post(`4`, head)
		p := a.wantProblem(t, 412, problem{Code: "conflict"})
		if p.CurrentVersion == nil || *p.CurrentVersion != 3 || p.Epoch != epoch || p.Stream != "a" || a.header.Get("ETag") != `"3"` {
			t.Errorf("%s: %s", head, a.body)
		}
	}
	if a := s.ask(`1`, "POST /streams/none", "If-Match: *"); a.status != 412 || !strings.Contains(a.body, `"currentVersion":0`) {
		t.Error(a)
	}
	for _, head := range [][]string{
		{`If-Match: 3`},
		{`If-Match: W/"3"`},
		{`If-Match: "03"`},
		{`If-Match: "-1"`},
		{`If-Match: "+3"`},
		{`If-Match: "3`},
		{`If-Match: ""`},
		{`If-Match: "3", "4"`},
		{`If-Match: "18446744073709551616"`},
		{`If-Match: "1e0"`},
		{`If-Match: "3"`, `If-Match: "3"`},
		{`If-Match: "3"`, `If-None-Match: *`},
		{`If-None-Match: "3"`},
		{"Ephemera-Epoch: 1"},
		{"Ephemera-Epoch: " + strings.Repeat("g", 32)},
		{"Ephemera-Epoch: " + strings.Repeat("0", 32)}, // in process it is none
		{"Ephemera-Epoch: "},
		{"If-Match: "},
		{"If-None-Match: "},
		{"Idempotency-Key: "},
	} {
		field, _, _ := strings.Cut(head[0], ":")
		s.post(`4`, head...).wantProblem(t, 400, problem{Field: field, Code: "invalid"})
	}
	s.wantVersion("3")
}

// standIn is a Log whose appends do what a test wants.
type standIn struct {
	streams.Log
	append func(ctx context.Context, a streams.Append) (streams.Result, error)
}

func (l standIn) Append(ctx context.Context, a streams.Append) (streams.Result, error) {
	return l.append(ctx, a)
}

func TestHTTPKeyInFlight(t *testing.T) {
	local := openLocal(t, streams.Options{})
	arrived, release := make(chan bool), make(chan bool)
	s := serve(t, standIn{local, func(ctx context.Context, a streams.Append) (streams.Result, error) {
		if a.Events[0].Type == "slow" {
			arrived <- true
			<-release
		}
		return local.Append(ctx, a)
	}}, streams.HandlerOptions{})
	first := make(chan answer)
	go func() { first <- s.post(`[{"id":"1","type":"slow","data":1},{"id":"2","data":2}]`) }()
	<-arrived
	s.post(`{"id":"2","data":2}`).wantProblem(t, 409, problem{Code: "in_flight"})
	s.post(`{"data":3}`, "Idempotency-Key: 2").wantResult(t, 201, 1, 1) // another kind of key
	if a := s.ask(`{"id":"2","data":2}`, "POST /streams/b"); a.status != 201 {
		t.Error("keys are per stream:", a)
	}
	release <- true
	(<-first).wantResult(t, 201, 2, 3)
	s.post(`{"id":"2","data":2}`).wantResult(t, 200, 3, 3)
}

func TestHTTPErrorsOfTheLog(t *testing.T) {
	var failure error
	s := serve(t, standIn{openLocal(t, streams.Options{}), func(context.Context, streams.Append) (streams.Result, error) {
		return streams.Result{}, &streams.Error{Op: "append", Stream: "a", Err: failure}
	}}, streams.HandlerOptions{})
	for _, x := range []struct {
		err    error
		status int
		code   string
	}{
		{streams.ErrFull, 429, "full"},
		{streams.ErrTooManyStreams, 429, "too_many_streams"},
		{streams.ErrTooLarge, 413, "too_large"},
		{streams.ErrUnavailable, 503, "unavailable"},
		{streams.ErrClosed, 503, "closed"},
		{streams.ErrUnknownOutcome, 503, "unknown_outcome"},
	} {
		failure = fmt.Errorf("%w: the cause", x.err)
		s.post(`1`).wantProblem(t, x.status, problem{Code: x.code, Detail: "the cause"})
	}
	for _, x := range []struct {
		err    error
		status int
	}{{streams.ErrDenied, 403}, {context.DeadlineExceeded, 504}, {errors.New("disk on fire"), 500}} {
		failure = x.err
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/streams/a", strings.NewReader("1"))
		w := httptest.NewRecorder()
		s.Config.Handler.ServeHTTP(w, r) // openapi.yaml describes them as default
		if w.Code != x.status || w.Header().Get("Content-Type") != "application/problem+json" {
			t.Error(x.err, w.Code)
		}
	}
}

func TestHTTPLimits(t *testing.T) {
	s := serve(t, openLocal(t, streams.Options{MaxStreams: 2}), streams.HandlerOptions{})
	if a := s.ask(`{"events":2,"full":"refuseNew","age":"1h"}`, "PUT /streams/a?limits=true"); a.status != 204 {
		t.Error(a)
	}
	s.post(`[1,2]`).wantResult(t, 201, 1, 2)
	s.post(`3`).wantProblem(t, 429, problem{Code: "full"})
	s.ask(`1`, "POST /streams/b")
	s.ask(`1`, "POST /streams/c").wantProblem(t, 429, problem{Code: "too_many_streams"})
	if a := s.ask("", "GET /streams/a?info=true"); !strings.Contains(a.body, `"limits":{"events":2,"age":"1h0m0s","bytes":0,"full":"refuseNew"}`) {
		t.Error(a.body)
	}
	for body, field := range map[string]string{
		`{"events":-1}`: "", `{"events":"2"}`: "events", `{"age":"2 days"}`: "age", `{"full":"never"}`: "full", `{"event":2}`: "", `[]`: "", `null`: "", `{}{}`: "",
		`{"events":1,"events":2}`: "events", `{"events":1.5}`: "events", ``: "",
	} {
		s.ask(body, "PUT /streams/a?limits=true").wantProblem(t, 400, problem{Field: field, Code: "invalid"})
	}
	s.ask(`{}`, "PUT /streams/a").wantProblem(t, 400, problem{Field: "limits"})
	if a := s.ask("", "DELETE /streams/a"); a.status != 204 {
		t.Error(a)
	}
	s.wantVersion("2")
	s.ask("", "DELETE /streams/a?x=1").wantProblem(t, 400, problem{Field: "x"})
}

// TestHTTPIDFlood: the memory for ids stays bounded, the oldest are forgotten, and that is counted.
func TestHTTPIDFlood(t *testing.T) {
	s := serve(t, openLocal(t, streams.Options{MaxKeys: 100}), streams.HandlerOptions{})
	for i := range 25 {
		var lines strings.Builder
		for k := range 40 {
			fmt.Fprintf(&lines, "{\"id\":\"%d\",\"data\":%d}\n", i*40+k, k)
		}
		if a := s.ask(lines.String(), "POST /streams/a", "Content-Type: application/x-ndjson"); a.status != 201 {
			t.Fatal(a)
		}
	}
	if a := s.ask("", "GET /streams/a?info=true"); !strings.Contains(a.body, `"keys":100,"keysForgotten":900`) {
		t.Error(a.body)
	}
	s.post(`{"id":"999","data":39}`).wantResult(t, 200, 1000, 1000)
	s.post(`{"id":"900","data":20}`).wantResult(t, 200, 901, 901)
	s.post(`{"id":"899","data":19}`).wantResult(t, 201, 1001, 1001) // forgotten: stored again
}
