package pgstore_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ephemera-go/ephemera/sinks"
	pgstore "github.com/ephemera-go/ephemera/storage-postgres"
)

// somewhere is a store of its own in a database that tests may use, such as postgres://app@localhost/app, and how to remove
// it.
func somewhere(ctx context.Context) (url string, remove func()) {
	database := os.Getenv("EPHEMERA_TEST_POSTGRES")
	schema := "example_" + strings.ToLower(rand.Text())
	return database + "&ephemera_schema=" + schema, func() {
		conn, err := pgx.Connect(ctx, database)
		if err != nil {
			return
		}
		defer conn.Close(ctx)
		conn.Exec(ctx, "DROP SCHEMA "+schema+" CASCADE")
	}
}

// Signals are found again after a restart.
func Example() {
	ctx := context.Background()
	url, remove := somewhere(ctx)
	defer remove()
	for start := uint64(1); start <= 2; start++ {
		store, err := sinks.OpenSignals(ctx, url)
		if err != nil {
			fmt.Println(err)
			return
		}
		stat, _ := store.Stat(ctx)
		next := stat.Last + 1
		err = store.Append(ctx, []sinks.Signal{
			{Sequence: next, Time: time.Unix(1_700_000_000, 0), Name: "order.completed", Key: "order-7"},
			{Sequence: next + 1, Time: time.Unix(1_700_000_001, 0), Name: "error:Timeout"},
		})
		fmt.Println("stored:", err == nil)
		newest, _ := store.ReadNewest(ctx, 0, 3)
		for _, s := range newest {
			fmt.Println(s.Sequence, s.Time.Format(time.TimeOnly), s.Name)
		}
		store.Close()
	}
	// Output:
	// stored: true
	// 1 22:13:20 order.completed
	// 2 22:13:21 error:Timeout
	// stored: true
	// 2 22:13:21 error:Timeout
	// 3 22:13:20 order.completed
	// 4 22:13:21 error:Timeout
}

// One process follows what another one appends.
func ExampleSignals_Tail() {
	ctx := context.Background()
	url, remove := somewhere(ctx)
	defer remove()
	writer, err := sinks.OpenSignals(ctx, url)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer writer.Close()
	go func() {
		for n := uint64(1); n <= 3; n++ {
			writer.Append(ctx, []sinks.Signal{{Sequence: n, Time: time.Unix(int64(n), 0), Name: "tick"}})
		}
	}()

	reader, err := pgstore.OpenSignals(ctx, url, &pgstore.Options{ReadOnly: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer reader.Close()
	for s, err := range reader.Tail(ctx, 0) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(s.Sequence, s.Name)
		if s.Sequence == 3 {
			break
		}
	}
	// Output:
	// 1 tick
	// 2 tick
	// 3 tick
}
