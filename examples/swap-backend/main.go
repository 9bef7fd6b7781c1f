// Command swap-backend keeps a store of orders across restarts, wherever its one argument says.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
	_ "github.com/ephemera-go/ephemera/sinks/filestore"
	"github.com/ephemera-go/ephemera/snapshot"
	_ "github.com/ephemera-go/ephemera/storage-postgres"
	_ "github.com/ephemera-go/ephemera/storage-s3"
	_ "github.com/ephemera-go/ephemera/storage-sqlite"
)

// Order is an event.
type Order struct {
	Customer string
	Cents    int64
	At       time.Time
}

// perRun is how many orders one run adds.
const perRun = 1000

func main() {
	if len(os.Args) != 2 || strings.HasPrefix(os.Args[1], "-") {
		fmt.Fprintln(os.Stderr, "usage: swap-backend URL, such as file:///tmp/orders; see README.md")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "swap-backend:", err)
		os.Exit(1)
	}
}

// run restores the store, writes all that is in it, and adds orders.
func run(ctx context.Context, url string, w io.Writer) (err error) {
	blobs, err := sinks.OpenBlobs(ctx, url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, blobs.Close()) }()
	saver, err := snapshot.Open(ctx, blobs, core.Options[Order]{
		Capacity: 10_000, Partitions: 4, MaxKeys: 100,
		Key:  func(o Order) string { return o.Customer },
		Time: func(o *Order) time.Time { return o.At },
	}, snapshot.Options[Order]{Codec: columns(), Manual: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, saver.Close()) }() // saves everything
	orders := saver.Store()
	if err := dump(w, orders); err != nil {
		return err
	}
	first := orders.Len()
	for n := first; n < first+perRun; n++ {
		if _, err := orders.Append(order(n)); err != nil {
			return err
		}
	}
	return nil
}

func columns() snapshot.Codec[Order] {
	return snapshot.Columns(
		snapshot.TextColumn(func(o *Order) *string { return &o.Customer }),
		snapshot.IntColumn(func(o *Order) *int64 { return &o.Cents }),
		snapshot.TimeColumn(func(o *Order) *time.Time { return &o.At }),
	)
}

// order makes up an order.
func order(n int) Order {
	return Order{
		Customer: fmt.Sprintf("customer-%02d", n*n%97), Cents: int64(n*7919%100_000 + 1),
		At: time.Date(2025, 3, 1, 9, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Second),
	}
}

// dump writes everything that comes back: sequences, orders, names.
func dump(w io.Writer, orders *core.Store[Order]) error {
	cut := orders.Cut()
	defer cut.Close()
	for pos, o := range cut.All() {
		if _, err := fmt.Fprintf(w, "%v %s %d %s\n", pos, o.Customer, o.Cents, o.At.Format(time.RFC3339)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(w, orders.Len(), "orders,", orders.Keys().Names())
	return err
}
