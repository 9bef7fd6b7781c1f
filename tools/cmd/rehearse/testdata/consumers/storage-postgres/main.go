// A user of the PostgreSQL driver whose server is down.
package main

import (
	"context"
	"fmt"
	"log"
	"net"

	"github.com/ephemera-go/ephemera/sinks"
	pgstore "github.com/ephemera-go/ephemera/storage-postgres"
)

func main() {
	ctx := context.Background()
	if _, err := pgstore.OpenBlobs(ctx, "postgres://%", nil); err == nil {
		log.Fatal("a URL that is none was opened")
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		log.Fatal(err)
	}
	_, err = sinks.OpenSignals(ctx, "postgres://app@"+closed.Addr().String()+"/app?sslmode=disable&ephemera_retry_timeout=100ms")
	if err == nil {
		log.Fatal("a server that is down was opened")
	}
	fmt.Println("ok:", err)
}
