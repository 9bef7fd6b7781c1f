package memstore_test

import (
	"context"
	"fmt"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/memstore"
)

// Closing a store and opening another one on the same Space is a restart.
func Example() {
	ctx := context.Background()
	var space memstore.Space
	store := space.OpenSignals()
	_ = store.Append(ctx, []sinks.Signal{{Sequence: 1, Name: "started"}, {Sequence: 2, Name: "stopped"}})
	_ = store.Close()

	store = space.OpenSignals()
	defer store.Close()
	latest, err := store.ReadNewest(ctx, 0, 1)
	fmt.Println(latest[0].Sequence, latest[0].Name, err)
	// Output: 2 stopped <nil>
}
