// A user of streams: an append that is safe to repeat.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/ephemera-go/ephemera/streams"
)

func main() {
	ctx := context.Background()
	l, err := streams.New(streams.Options{})
	if err != nil {
		log.Fatal(err)
	}
	order := streams.Append{Stream: "orders/eu", Events: []streams.Event{{ID: "o-1", Type: "order.placed", Data: []byte(`{}`)}}}
	for again := range 2 {
		result, err := l.Append(ctx, order)
		if err != nil || result.Last != 1 || result.Duplicate != (again == 1) {
			log.Fatalf("%+v, %v", result, err)
		}
	}
	if err := l.Close(); err != nil {
		log.Fatal(err)
	}
	fmt.Println("ok")
}
