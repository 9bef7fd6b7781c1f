package streams_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"

	"github.com/ephemera-go/ephemera/streams"
)

func placed(id string, amount float64, region string) streams.Event {
	return streams.Event{ID: id, Type: "order.placed", Data: fmt.Appendf(nil, `{"amount":%v,"region":%q}`, amount, region)}
}

// A subscription gives what is there, says that it has caught up, and goes on with what comes. A checkpoint, which may be
// kept anywhere, lets another one go on behind it.
func ExampleLog_subscribe() {
	var log streams.Log
	log, err := streams.New(streams.Options{})
	if err != nil {
		panic(err)
	}
	defer func() { _ = log.Close() }()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	place := func(id string) {
		if _, err := log.Append(ctx, streams.Append{Stream: "orders/eu", Events: []streams.Event{placed(id, 7, "eu")}}); err != nil {
			panic(err)
		}
	}
	place("o-1")
	place("o-2")

	done := map[string]streams.Checkpoint{}
	for m, err := range log.Subscribe(ctx, streams.Subscription{Pattern: "orders/*"}) {
		switch {
		case errors.Is(err, context.Canceled):
			fmt.Println("stopped")
		case err != nil:
			panic(err)
		case m.Kind == streams.MessageEvent:
			fmt.Println(m.Stream, m.Event.Version, m.Event.ID)
			done[m.Stream] = streams.Checkpoint{Epoch: m.Epoch, Version: m.Event.Version}
			if m.Event.ID == "o-3" {
				cancel()
			}
		case m.Kind == streams.MessageGap:
			fmt.Println("missed", m.Gap.From, "to", m.Gap.To, m.Gap.Cause)
		case m.Kind == streams.MessageCaughtUp:
			fmt.Println("caught up")
			place("o-3")
		}
	}

	for m, err := range log.Subscribe(context.Background(), streams.Subscription{Pattern: "orders/*", After: done}) {
		fmt.Println("again:", m.Kind == streams.MessageCaughtUp, err) // nothing comes twice
		break
	}
	// Output:
	// orders/eu 1 o-1
	// orders/eu 2 o-2
	// caught up
	// orders/eu 3 o-3
	// stopped
	// again: true <nil>
}

// A log is served over HTTP, and a client of it is a Log again.
func ExampleNewHandler() {
	local, err := streams.New(streams.Options{})
	if err != nil {
		panic(err)
	}
	defer func() { _ = local.Close() }()
	handler, err := streams.NewHandler(local, streams.HandlerOptions{})
	if err != nil {
		panic(err)
	}
	server := httptest.NewServer(handler) // in a program an http.Server with its timeouts, see docs/http.md
	defer server.Close()

	client, err := streams.NewClient(server.URL, streams.ClientOptions{})
	if err != nil {
		panic(err)
	}
	defer func() { _ = client.Close() }()
	ctx := context.Background()
	result, err := client.Append(ctx, streams.Append{Stream: "orders/eu", Events: []streams.Event{placed("o-1", 7, "eu")}})
	fmt.Println("version", result.Last, err)

	_, err = client.Append(ctx, streams.Append{Stream: "orders/eu", Expect: streams.ExpectVersion(5), Events: []streams.Event{placed("o-2", 7, "eu")}})
	var conflict *streams.ConflictError
	switch {
	case errors.Is(err, streams.ErrUnknownOutcome):
		fmt.Println("repeat it with the same ids")
	case errors.As(err, &conflict):
		fmt.Println("nothing stored: the stream is at version", conflict.Version)
	}
	// Output:
	// version 1 <nil>
	// nothing stored: the stream is at version 1
}

// Sums by another member of the data, over what is there. Later questions about the same members read only what is new.
func ExampleLocal_Aggregate() {
	log, err := streams.New(streams.Options{})
	if err != nil {
		panic(err)
	}
	defer func() { _ = log.Close() }()
	ctx := context.Background()
	events := []streams.Event{placed("o-1", 10, "eu"), placed("o-2", 30, "us"), placed("o-3", 20, "eu"), {Data: []byte(`{"note":"no amount"}`)}}
	if _, err := log.Append(ctx, streams.Append{Stream: "orders", Events: events, Key: "batch-1"}); err != nil {
		panic(err)
	}
	s, err := log.Aggregate(ctx, streams.Aggregate{Stream: "orders", Field: "amount", By: "region"})
	fmt.Println(s.Events, "events,", s.NotNumbers, "without a number, sum", s.Numbers.Sum, "largest", s.Numbers.Max, err)
	fmt.Println("eu:", s.Groups["eu"].Events, s.Groups["eu"].Numbers.Sum)
	fmt.Println("us:", s.Groups["us"].Events, s.Groups["us"].Numbers.Sum)
	// Output:
	// 4 events, 1 without a number, sum 60 largest 30 <nil>
	// eu: 2 30
	// us: 1 30
}
