// A user of sinks alone: blobs in files and signals in memory, by URL.
package main

import (
	"context"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	_ "github.com/ephemera-go/ephemera/sinks/filestore"
	_ "github.com/ephemera-go/ephemera/sinks/memstore"
)

func main() {
	ctx := context.Background()
	blobs, err := sinks.OpenBlobs(ctx, "file:./blobs")
	if err != nil {
		log.Fatal(err)
	}
	if err := blobs.Put(ctx, "reports/today", 5, strings.NewReader("hello")); err != nil {
		log.Fatal(err)
	}
	signals, err := sinks.OpenSignals(ctx, "mem://")
	if err != nil {
		log.Fatal(err)
	}
	if err := signals.Append(ctx, []sinks.Signal{{Sequence: 1, Time: time.Now(), Name: "order.completed"}}); err != nil {
		log.Fatal(err)
	}
	newest, err := signals.ReadNewest(ctx, 0, 10)
	if err != nil || len(newest) != 1 {
		log.Fatalf("%d signals, %v", len(newest), err)
	}
	for _, err := range []error{signals.Close(), blobs.Close()} {
		if err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println("ok")
}
