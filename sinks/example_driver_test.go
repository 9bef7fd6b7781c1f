package sinks_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/memstore"
)

// slow is a driver of one's own: memory with a delay, such as slow://?delay=5ms. What it returns is checked by package
// sinks; package sinktest checks the driver.
type slow struct{}

func (slow) open(u *url.URL) (*memstore.Space, error) {
	p := sinks.NewParams(u)
	time.Sleep(p.Duration("delay", 0, 0, time.Second))
	return new(memstore.Space), p.Err() // an unknown key, and a value out of range, are errors
}

func (d slow) OpenSignals(_ context.Context, u *url.URL) (sinks.SignalStore, error) {
	space, err := d.open(u)
	if err != nil {
		return nil, err
	}
	return sinks.CheckedSignals("slow", space.OpenSignals()), nil
}

func (d slow) OpenBlobs(_ context.Context, u *url.URL) (sinks.BlobStore, error) {
	space, err := d.open(u)
	if err != nil {
		return nil, err
	}
	return sinks.CheckedBlobs("slow", space.OpenBlobs()), nil
}

// A driver is an Opener. Registered with Register in its init, it serves OpenSignals and OpenBlobs of the whole program;
// a Mux is a registry of one's own.
func ExampleOpener() {
	var mux sinks.Mux
	mux.Register("slow", slow{})
	store, err := mux.OpenSignals(context.Background(), "slow://?delay=1ms")
	if err != nil {
		panic(err)
	}
	defer store.Close()
	_, err = mux.OpenSignals(context.Background(), "slow://?dealy=1ms")
	fmt.Println(errors.Is(err, sinks.ErrInvalid), err)
	// Output:
	// true slow open slow:?dealy=…: invalid: unknown query key dealy
}

// Prune keeps a log small, a bounded step at a time.
func ExamplePrune() {
	ctx := context.Background()
	store := new(memstore.Space).OpenSignals()
	defer store.Close()
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	for n := range uint64(10) {
		_ = store.Append(ctx, []sinks.Signal{{Sequence: n + 1, Time: noon.Add(time.Duration(n) * time.Minute), Name: "tick"}})
	}
	removed, err := sinks.Prune(ctx, store, time.Time{}, 7, 2) // keep 7, remove at most 2
	fmt.Println(removed, err)
	removed, err = sinks.Prune(ctx, store, noon.Add(5*time.Minute), 0, 1000) // nothing from before 12:05
	fmt.Println(removed, err)
	stat, err := store.Stat(ctx)
	fmt.Println(stat.First, stat.Last, stat.Count, err)
	// Output:
	// 2 <nil>
	// 3 <nil>
	// 6 10 5 <nil>
}
