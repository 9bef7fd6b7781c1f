// A user of snapshots: a store in files that comes back.
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
	_ "github.com/ephemera-go/ephemera/sinks/filestore"
	"github.com/ephemera-go/ephemera/snapshot"
)

type sale struct{ Cents int }

func main() {
	ctx := context.Background()
	for start := range 2 {
		blobs, err := sinks.OpenBlobs(ctx, "file:./snapshots")
		if err != nil {
			log.Fatal(err)
		}
		saver, err := snapshot.Open(ctx, blobs, core.Options[sale]{Capacity: 1000}, snapshot.Options[sale]{})
		if err != nil {
			log.Fatal(err)
		}
		pos, err := saver.Store().Append(sale{Cents: start})
		if err != nil || pos.Sequence != uint64(start) {
			log.Fatalf("appended at %v, %v", pos, err)
		}
		for _, err := range []error{saver.Close(), blobs.Close()} {
			if err != nil {
				log.Fatal(err)
			}
		}
	}
	fmt.Println("ok")
}
