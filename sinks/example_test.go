package sinks_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	_ "github.com/ephemera-go/ephemera/sinks/memstore" // registers mem
)

func Example() {
	ctx := context.Background()
	store, err := sinks.OpenSignals(ctx, "mem://")
	if err != nil {
		panic(err)
	}
	defer store.Close()

	at := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	batch := []sinks.Signal{
		{Sequence: 1, Time: at, Name: "order.completed", Key: "o-17"},
		{Sequence: 2, Time: at.Add(time.Second), Name: "error:Timeout"},
	}
	fmt.Println(store.Append(ctx, batch))
	fmt.Println(store.Append(ctx, batch)) // repeating is safe
	batch[1].Name = "error:Other"
	err = store.Append(ctx, batch)
	fmt.Println(errors.Is(err, sinks.ErrConflict), err)

	latest, err := store.ReadNewest(ctx, 0, 1)
	fmt.Println(latest[0].Name, err)
	// Output:
	// <nil>
	// <nil>
	// true mem append signals@1: conflict with what is stored: sequence 2 holds another signal
	// error:Timeout <nil>
}

// A lease keeps a second writer out, in this process or another one.
func ExampleHold() {
	ctx := context.Background()
	first, _ := sinks.OpenSignals(ctx, "mem://example-hold")
	second, _ := sinks.OpenSignals(ctx, "mem://example-hold")
	defer first.Close()
	defer second.Close()

	lease, err := sinks.Hold(ctx, first, sinks.Claim{Owner: "collector on host a"})
	fmt.Println(lease.Generation(), err)
	fmt.Println(second.Append(ctx, []sinks.Signal{{Sequence: 1, Name: "late"}}))
	fmt.Println(lease.Close())
	// Output:
	// 1 <nil>
	// mem append signals@1: leased to another writer: "collector on host a", generation 1
	// <nil>
}
