package streams_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/ephemera-go/ephemera/streams"
)

func Example() {
	ctx := context.Background()
	log, err := streams.New(streams.Options{})
	if err != nil {
		panic(err)
	}
	defer func() { _ = log.Close() }()

	order := streams.Append{Stream: "orders/eu", Expect: streams.ExpectNoStream, Events: []streams.Event{
		{ID: "o-1", Type: "order.placed", Data: []byte(`{"amount":12.5}`)},
	}}
	first, err := log.Append(ctx, order)
	fmt.Println(first.Last, first.Duplicate, err)

	again, err := log.Append(ctx, order) // a retry: the same result, and nothing is stored
	fmt.Println(again.Last, again.Duplicate, err)

	order.Events[0].ID = "o-2"
	_, err = log.Append(ctx, order) // the stream is not empty any more
	fmt.Println(errors.Is(err, streams.ErrConflict))

	page, err := log.Read(ctx, streams.Read{Stream: "orders/eu"})
	for _, e := range page.Events {
		fmt.Println(e.Version, e.Type, string(e.Data), err)
	}
	// Output:
	// 1 false <nil>
	// 1 true <nil>
	// true
	// 1 order.placed {"amount":12.5} <nil>
}
