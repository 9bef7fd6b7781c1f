package s3store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	s3store "github.com/ephemera-go/ephemera/storage-s3"
)

// The URL says where; the environment holds the credentials.
func Example() {
	ctx := context.Background()
	store, err := sinks.OpenSignals(ctx, "s3://bucket/app?endpoint=http://127.0.0.1:9000")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()
	stat, err := store.Stat(ctx)
	err = errors.Join(err, store.Append(ctx, []sinks.Signal{
		{Sequence: stat.Last + 1, Time: time.Now(), Name: "order.completed", Key: "order-7"},
		{Sequence: stat.Last + 2, Time: time.Now(), Name: "error:Timeout"},
	}))
	newest, errRead := store.ReadNewest(ctx, 0, 100)
	fmt.Println(len(newest), errors.Join(err, errRead))
}

// A blob is created once. Whoever comes second learns it, also after a failure that left the outcome open.
func ExampleOpenBlobs() {
	ctx := context.Background()
	store, err := s3store.OpenBlobs(ctx, "bucket", "app", &s3store.Options{Region: "eu-west-1"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()
	err = store.Put(ctx, "reports/2024-02-29", 5, strings.NewReader("hello"))
	switch {
	case errors.Is(err, sinks.ErrExists):
		fmt.Println("somebody was faster")
	case errors.Is(err, sinks.ErrUnknownOutcome):
		fmt.Println("ask again: Put says ErrExists if it is there")
	}
}

// What a URL must not hold is refused, all of it at once, without repeating a secret.
func ExampleOpener() {
	_, err := sinks.OpenBlobs(context.Background(), "s3://key:secret@bucket/app?attempts=100")
	fmt.Println(errors.Is(err, sinks.ErrInvalid))
	fmt.Println(err)
	// Output:
	// true
	// s3 open s3://bucket/app?attempts=…: invalid: credentials do not belong into the URL: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
	// invalid: query key attempts must be a number from 1 to 20
}
