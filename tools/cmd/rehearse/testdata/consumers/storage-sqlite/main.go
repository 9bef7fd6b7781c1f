// A user of the SQLite driver: a signal is found again after a restart.
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	_ "github.com/ephemera-go/ephemera/storage-sqlite"
)

func main() {
	ctx := context.Background()
	for start := range uint64(2) {
		store, err := sinks.OpenSignals(ctx, "sqlite:./signals.db")
		if err != nil {
			log.Fatal(err)
		}
		stat, err := store.Stat(ctx)
		if err != nil || stat.Last != start {
			log.Fatalf("%+v, %v", stat, err)
		}
		if err := store.Append(ctx, []sinks.Signal{{Sequence: start + 1, Time: time.Now(), Name: "order.completed"}}); err != nil {
			log.Fatal(err)
		}
		if err := store.Close(); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println("ok")
}
