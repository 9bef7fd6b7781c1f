// A user of the S3 driver whose server is down.
package main

import (
	"context"
	"fmt"
	"log"
	"net"

	"github.com/ephemera-go/ephemera/sinks"
	s3store "github.com/ephemera-go/ephemera/storage-s3"
)

func main() {
	ctx := context.Background()
	if _, err := s3store.OpenBlobs(ctx, "", "", nil); err == nil {
		log.Fatal("a bucket without a name was opened")
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		log.Fatal(err)
	}
	_, err = sinks.OpenSignals(ctx, "s3://bucket/app?region=eu-west-1&attempts=1&endpoint=http://"+closed.Addr().String())
	if err == nil {
		log.Fatal("a server that is down was opened")
	}
	fmt.Println("ok:", err)
}
