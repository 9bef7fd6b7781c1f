package sqlitestore_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	sqlitestore "github.com/ephemera-go/ephemera/storage-sqlite"
)

func folder() string {
	dir, _ := os.MkdirTemp("", "example")
	return dir
}

// Signals are found again after a restart.
func Example() {
	ctx, dir := context.Background(), folder()
	defer os.RemoveAll(dir)
	for start := uint64(1); start <= 2; start++ {
		store, err := sinks.OpenSignals(ctx, "sqlite://"+dir+"/signals.db?busy_timeout=5s")
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

// A Writer serializes the writes of a program to a database of its own.
func ExampleWriter() {
	ctx, dir := context.Background(), folder()
	defer os.RemoveAll(dir)
	w, err := sqlitestore.OpenWriter(ctx, filepath.Join(dir, "stock.db"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer w.Close()
	w.Exec(ctx, "CREATE TABLE stock (item TEXT PRIMARY KEY, pieces INTEGER NOT NULL CHECK (pieces >= 0))")
	w.Exec(ctx, "INSERT INTO stock VALUES ('bolt', 10), ('nut', 3)")

	// Both or none: the second statement breaks the CHECK.
	err = w.Batch(ctx, []sqlitestore.Statement{
		{SQL: "UPDATE stock SET pieces = pieces - ? WHERE item = 'bolt'", Args: []any{4}},
		{SQL: "UPDATE stock SET pieces = pieces - ? WHERE item = 'nut'", Args: []any{4}},
	})
	fmt.Println(err)

	var bolts int
	err = w.Do(ctx, func(tx *sqlitestore.Tx) error {
		return tx.Get([]any{&bolts}, "SELECT pieces FROM stock WHERE item = ?", "bolt")
	})
	fmt.Println(bolts, err)
	// Output:
	// sqlite batch stock.db: statement 1: Abort due to constraint violation (SQLITE_CONSTRAINT) [275]
	// 10 <nil>
}

// Old signals are removed a few at a time, beside the appends.
func ExampleOpenSignals_prune() {
	ctx, dir := context.Background(), folder()
	defer os.RemoveAll(dir)
	store, err := sqlitestore.OpenSignals(ctx, filepath.Join(dir, "signals.db"), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()
	for n := uint64(1); n <= 10; n++ {
		store.Append(ctx, []sinks.Signal{{Sequence: n, Time: time.Unix(int64(n), 0), Name: "tick"}})
	}
	removed, err := sinks.Prune(ctx, store, time.Unix(4, 0), 5, 1000)
	fmt.Println(removed, err)
	stat, _ := store.Stat(ctx)
	fmt.Println(stat.First, stat.Last, stat.Count)
	// Output:
	// 5 <nil>
	// 6 10 5
}
