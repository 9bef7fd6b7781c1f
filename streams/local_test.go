package streams_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/ephemera-go/ephemera/streams"
)

func TestSmoke(t *testing.T) {
	l, err := streams.New(streams.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	t.Run("local", func(t *testing.T) { smoke(t, l) })
	o, err := streams.New(streams.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = o.Close() }()
	h, err := streams.NewHandler(o, streams.HandlerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h)
	defer srv.Close()
	c, err := streams.NewClient(srv.URL, streams.ClientOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	t.Run("http", func(t *testing.T) { smoke(t, c) })
}

func smoke(t *testing.T, l streams.Log) {
	ctx := context.Background()
	ev := func(i int) streams.Event {
		return streams.Event{ID: fmt.Sprint(i), Data: []byte(fmt.Sprintf(`{"n": %d, "g":"x%d"}`, i, i%2))}
	}
	for i := range 10 {
		r, err := l.Append(ctx, streams.Append{Stream: "orders/eu", Expect: streams.ExpectVersion(uint64(i)), Events: []streams.Event{ev(i)}})
		if err != nil || r.First != uint64(i+1) || r.Duplicate {
			t.Fatal(r, err)
		}
	}
	r, err := l.Append(ctx, streams.Append{Stream: "orders/eu", Expect: streams.ExpectNoStream, Events: []streams.Event{ev(3), ev(4)}})
	if err != nil || !r.Duplicate || r.First != 4 || r.Last != 5 {
		t.Fatal(r, err)
	}
	_, err = l.Append(ctx, streams.Append{Stream: "orders/eu", Expect: streams.ExpectVersion(3), Events: []streams.Event{ev(30)}})
	if !errors.Is(err, streams.ErrConflict) {
		t.Fatal(err)
	}
	p, err := l.Read(ctx, streams.Read{Stream: "orders/eu", From: 8})
	if err != nil || len(p.Events) != 3 || p.Events[0].Version != 8 {
		t.Fatal(p, err)
	}
	s, err := l.Aggregate(ctx, streams.Aggregate{Stream: "orders/eu", Field: "n", By: "g"})
	if err != nil || s.Numbers.Sum != 45 || s.Groups["x1"].Events != 5 {
		t.Fatal(s, err)
	}
	sub, cancel := context.WithCancel(ctx)
	n := 0
	for m, err := range l.Subscribe(sub, streams.Subscription{Pattern: "orders/*"}) {
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			break
		}
		switch m.Kind {
		case streams.MessageEvent:
			n++
			if n == 12 {
				cancel()
			}
		case streams.MessageCaughtUp:
			if n == 10 {
				go func() {
					_, _ = l.Append(ctx, streams.Append{Stream: "orders/us", Events: []streams.Event{ev(1), ev(2)}})
				}()
			}
		}
	}
	if n != 12 {
		t.Fatal(n)
	}
	cancel()
}
