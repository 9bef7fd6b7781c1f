package streams_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/streams"
)

const anEpoch = "0102030405060708090a0b0c0d0e0f10"

func problemReply(status int, members string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, `{"status":%d,%s}`, status, members)
	}
}

func moved(status int) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(status)
	}
}

// endless is a full page of a list, whatever was asked for.
func endless(w http.ResponseWriter) {
	_, _ = w.Write([]byte("["))
	for i := range streams.MaxPage {
		if i > 0 {
			_, _ = w.Write([]byte(","))
		}
		_, _ = fmt.Fprintf(w, `{"stream":"a%05d"}`, i)
	}
	_, _ = w.Write([]byte("]"))
}

// behindEnvoy is what Envoy says when the connection to the server broke, whether the request was sent on it or not.
func behindEnvoy(w http.ResponseWriter) {
	w.WriteHeader(503)
	_, _ = w.Write([]byte("upstream connect error or disconnect/reset before headers. reset reason: connection termination"))
}

func lost(http.ResponseWriter) { panic(http.ErrAbortHandler) }

func conflictAt(version int) func(http.ResponseWriter) {
	return problemReply(412, fmt.Sprintf(`"code":"conflict","currentVersion":%d,"epoch":%q`, version, anEpoch))
}

// TestOutcomes: what a client makes of the replies to one call, the last of which repeats. A refusal behind a lost reply
// decides only if the try whose reply was lost cannot come true any more; otherwise the error is no refusal: "nothing is
// stored" would be a lie.
func TestOutcomes(t *testing.T) {
	add := func(e streams.Expect) func(*testing.T, streams.Log) error {
		return func(t *testing.T, l streams.Log) error {
			_, err := l.Append(t.Context(), streams.Append{Stream: "a", Expect: e, Events: []streams.Event{{Data: []byte(`1`)}}})
			return err
		}
	}
	remove := func(t *testing.T, l streams.Log) error { return l.Delete(t.Context(), "a") }
	info := func(t *testing.T, l streams.Log) error {
		_, err := l.Info(t.Context(), "a")
		return err
	}
	list := func(t *testing.T, l streams.Log) error {
		_, err := l.List(t.Context(), "*", "", 0)
		return err
	}
	setLimits := func(t *testing.T, l streams.Log) error { return l.SetLimits(t.Context(), "a", streams.Limits{}) }
	type replies []func(http.ResponseWriter)
	unknown, full := streams.ErrUnknownOutcome, problemReply(429, `"code":"full"`)
	for _, c := range []struct {
		name    string
		call    func(*testing.T, streams.Log) error
		replies replies
		is      []error // all of them
		not     error
		calls   int64 // 0: any number
	}{
		{"conflict", add(streams.ExpectVersion(5)), replies{conflictAt(3)}, []error{streams.ErrConflict}, unknown, 1},
		{"lost, then passed", add(streams.ExpectVersion(5)), replies{lost, conflictAt(7)}, []error{streams.ErrConflict}, unknown, 2},
		{"lost, then not reached", add(streams.ExpectVersion(5)), replies{lost, conflictAt(3)}, []error{unknown}, streams.ErrConflict, 2},
		{"lost, then it exists", add(streams.ExpectNoStream), replies{lost, conflictAt(3)}, []error{unknown}, streams.ErrConflict, 2},
		{"full", add(streams.ExpectAny), replies{full}, []error{streams.ErrFull}, unknown, 1},
		{"lost, then full", add(streams.ExpectAny), replies{lost, full}, []error{unknown}, streams.ErrFull, 2},
		{"lost, then invalid", add(streams.ExpectAny), replies{lost, problemReply(400, `"code":"invalid"`)}, []error{streams.ErrInvalid}, unknown, 2},
		{"lost, then known with another payload", add(streams.ExpectAny), replies{lost, problemReply(422, `"code":"key_reused","ids":["x"]`)}, []error{streams.ErrKeyReused}, unknown, 2},
		{"lost, then known in part", add(streams.ExpectAny), replies{lost, problemReply(422, `"code":"key_reused","ids":["x"],"partial":true`)}, []error{unknown}, streams.ErrKeyReused, 2},
		{"lost, then denied", add(streams.ExpectAny), replies{lost, problemReply(403, `"code":"denied"`)}, []error{unknown}, streams.ErrDenied, 2},
		{"lost, then not ready", add(streams.ExpectAny), replies{lost, problemReply(503, `"code":"closed"`)}, []error{unknown}, streams.ErrUnavailable, 0},
		{"error of something between", add(streams.ExpectAny), replies{problemReply(500, `"a":1`)}, []error{unknown}, nil, 1},
		{"no reply of ours", add(streams.ExpectAny), replies{func(w http.ResponseWriter) { _, _ = w.Write([]byte("hello")) }}, []error{unknown}, nil, 1},
		{"unknown to the server, too", add(streams.ExpectAny), replies{problemReply(503, `"code":"unknown_outcome"`)}, []error{unknown}, nil, 0},
		{"not ready", add(streams.ExpectAny), replies{problemReply(503, `"code":"closed"`)}, []error{streams.ErrUnavailable}, unknown, 0},
		{"always lost", add(streams.ExpectAny), replies{lost}, []error{unknown}, nil, 0},
		{"deletion lost", remove, replies{lost}, []error{unknown}, nil, 1},
		{"deletion not ready", remove, replies{problemReply(503, `"code":"closed"`), func(w http.ResponseWriter) { w.WriteHeader(204) }}, nil, unknown, 2},
		{"deletion refused by something between", remove, replies{problemReply(504, `"code":"denied"`)}, []error{unknown}, streams.ErrDenied, 1},
		{"nobody knows whether it was passed on", add(streams.ExpectAny), replies{behindEnvoy}, []error{unknown}, streams.ErrUnavailable, 0},
		{"deletion that perhaps was passed on", remove, replies{behindEnvoy, func(w http.ResponseWriter) { w.WriteHeader(204) }}, []error{unknown}, nil, 1},
		{"deletion without a connection", remove, replies{func(w http.ResponseWriter) { w.WriteHeader(503) }, func(w http.ResponseWriter) { w.WriteHeader(204) }}, nil, unknown, 2},
		{"limits lost", setLimits, replies{lost}, []error{unknown}, nil, 1},
		{"moved", add(streams.ExpectAny), replies{moved(301)}, []error{streams.ErrInvalid}, unknown, 1},
		{"moved, all of it", add(streams.ExpectAny), replies{moved(307), conflictAt(3)}, []error{streams.ErrConflict}, unknown, 2},
		{"result elsewhere", add(streams.ExpectAny), replies{moved(303)}, []error{unknown}, nil, 1},
		{"deletion moved", remove, replies{moved(302), func(w http.ResponseWriter) { w.WriteHeader(204) }}, []error{streams.ErrInvalid}, unknown, 1},
		{"no result", add(streams.ExpectAny), replies{func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"status":"ok"}`)) }}, []error{unknown}, nil, 1},
		{"no reply of ours to a deletion", remove, replies{func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{}`)) }}, []error{unknown}, nil, 1},
		{"no reply of ours to limits", setLimits, replies{func(http.ResponseWriter) {}}, []error{unknown}, nil, 1},
		{"a list without end", list, replies{endless}, []error{streams.ErrUnavailable}, unknown, 2},
		{"no reply of ours to a question", info, replies{func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"status":"ok"}`)) }}, []error{streams.ErrUnavailable}, unknown, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int64
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				n := int(calls.Add(1)) - 1
				c.replies[min(n, len(c.replies)-1)](w)
			}))
			defer s.Close()
			l, err := streams.NewClient(s.URL, streams.ClientOptions{RetryTimeout: 500 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = l.Close() }()
			err = c.call(t, l)
			if (err == nil) != (len(c.is) == 0) {
				t.Fatalf("error %v", err)
			}
			for _, want := range c.is {
				if !errors.Is(err, want) {
					t.Errorf("error %q is not %q", err, want)
				}
			}
			if c.not != nil && errors.Is(err, c.not) {
				t.Errorf("error %q", err)
			}
			if n := calls.Load(); c.calls > 0 && n != c.calls {
				t.Errorf("%d requests, want %d", n, c.calls)
			}
		})
	}
}

// TestUnknownOutcomeSaysWhy: the refusal of the second try is told as text, and the end of the caller's context as itself.
func TestUnknownOutcomeSaysWhy(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, c := range []struct {
		ctx   context.Context
		reply func(http.ResponseWriter)
		text  string
		is    error
	}{
		{t.Context(), conflictAt(3), "version 3", nil},
		{ctx, func(w http.ResponseWriter) { cancel(); lost(w) }, "context canceled", context.Canceled},
	} {
		var calls atomic.Int64
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if calls.Add(1) == 1 {
				lost(w)
			}
			c.reply(w)
		}))
		defer s.Close()
		l, err := streams.NewClient(s.URL, streams.ClientOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		_, err = l.Append(c.ctx, streams.Append{Stream: "a", Expect: streams.ExpectVersion(5), Events: []streams.Event{{Data: []byte(`1`)}}})
		if !errors.Is(err, streams.ErrUnknownOutcome) || !strings.Contains(err.Error(), c.text) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("error %q", err)
		}
	}
}

// TestEveryTryIsKnown: net/http repeats no append behind the client's back, also not on a connection that has been used.
func TestEveryTryIsKnown(t *testing.T) {
	var calls atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch calls.Add(1) {
		case 1:
			w.Header().Set("Content-Type", "application/json")
			_, _ = fmt.Fprintf(w, `{"stream":"a","firstVersion":1,"lastVersion":1,"epoch":%q}`, anEpoch)
		case 2:
			lost(w)
		default:
			conflictAt(0)(w)
		}
		if r.Header.Get("Idempotency-Key") == "" {
			t.Error("a request without its key")
		}
	}))
	defer s.Close()
	l, err := streams.NewClient(s.URL, streams.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	appendOne(t, l, "a")
	a := streams.Append{Stream: "a", Expect: streams.ExpectVersion(1), Events: []streams.Event{{Data: []byte(`1`)}}}
	if _, err := l.Append(t.Context(), a); !errors.Is(err, streams.ErrUnknownOutcome) || calls.Load() != 3 {
		t.Errorf("%v after %d requests", err, calls.Load())
	}
}

// TestUntrustedServer: to a server whose certificate is not trusted nothing was sent, and the error says so.
func TestUntrustedServer(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request") }))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	c, err := streams.NewClient(server.URL, streams.ClientOptions{RetryTimeout: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	_, err = c.Append(t.Context(), streams.Append{Stream: "a", Events: []streams.Event{{Data: []byte("1")}}})
	if !errors.Is(err, streams.ErrUnavailable) || errors.Is(err, streams.ErrUnknownOutcome) || !strings.Contains(err.Error(), "certificate") {
		t.Error(err)
	}
}
