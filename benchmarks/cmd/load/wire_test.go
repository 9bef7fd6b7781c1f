package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// What is not an append's reply is an error that says what came instead.
func TestWireTellsReplies(t *testing.T) {
	bodies := 0
	handlers := []struct {
		name, want string
		reply      http.HandlerFunc
	}{
		{"created", "", func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if err == nil && r.URL.Path == "/streams/"+streamName && r.Header.Get("Authorization") == "Bearer "+token && len(body) > 100 {
				bodies++
			}
			w.WriteHeader(http.StatusCreated)
			fmt.Fprint(w, `{"first":1,"last":1}`)
		}},
		{"refused", "HTTP/1.1 503 Service Unavailable: busy\n", func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "busy", http.StatusServiceUnavailable)
		}},
		{"another status", "HTTP/1.1 200 OK: done", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "done") }},
		{"no length", errReply.Error() + `: "HTTP/1.1 201 Created"`, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusCreated)
			_ = http.NewResponseController(w).Flush()
		}},
		{"cut off", "EOF", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
	}
	for _, x := range handlers {
		t.Run(x.name, func(t *testing.T) {
			server := httptest.NewServer(x.reply)
			defer server.Close()
			s, err := connectWire(t.Context(), server.URL, 1)
			if err != nil {
				t.Fatal(err)
			}
			defer s.close()
			got := ""
			if err := s.appenders[0](t.Context()); err != nil {
				got = err.Error()
			}
			if got != x.want {
				t.Errorf("%q, want %q", got, x.want)
			}
			if x.want != "" {
				return
			}
			if err := s.appenders[0](t.Context()); err != nil || bodies != 2 {
				t.Errorf("the same connection again: %v; the server understood %d requests", err, bodies)
			}
		})
	}
}

// A server that never answers does not hold an append beyond its context.
func TestWireEndsWithItsContext(t *testing.T) {
	arrived := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(arrived)
		<-r.Context().Done()
	}))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, err := connectWire(ctx, server.URL, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	failed := make(chan error, 1)
	go func() { failed <- s.appenders[0](ctx) }()
	<-arrived
	cancel()
	if err := <-failed; err == nil || !strings.Contains(err.Error(), "timeout") {
		t.Errorf("%v, want a timeout", err)
	}
}
