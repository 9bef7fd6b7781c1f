package faultstore_test

import (
	"context"
	"fmt"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/faultstore"
	"github.com/ephemera-go/ephemera/sinks/memstore"
)

func Example() {
	plan, err := faultstore.Parse("append:1 lost-reply; append:2 error full")
	if err != nil {
		panic(err)
	}
	store := faultstore.Signals(new(memstore.Space).OpenSignals(), plan)
	defer store.Close()

	batch := []sinks.Signal{{Sequence: 1, Name: "order.completed"}}
	for range 3 {
		fmt.Println(store.Append(context.Background(), batch))
	}
	stat, err := store.Stat(context.Background())
	fmt.Println(stat.Count, "stored", err)
	// Output:
	// fault append signals@1: faultstore: injected: outcome unknown
	// fault append signals@1: faultstore: injected: full: no space left on device
	// <nil>
	// 1 stored <nil>
}
