package window_test

import (
	"context"
	"fmt"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	_ "github.com/ephemera-go/ephemera/sinks/memstore"
	"github.com/ephemera-go/ephemera/window"
)

// A window that is found again after a restart.
func Example() {
	ctx := context.Background()
	store, err := sinks.OpenSignals(ctx, "mem://")
	if err != nil {
		panic(err)
	}
	defer store.Close()

	w, err := window.New(ctx, window.Options{Store: store})
	if err != nil {
		panic(err)
	}
	completed, _ := w.Intern("order.completed")
	for i := range 3 {
		completed.Raise(fmt.Sprint("order-", i))
	}
	w.Raise("error:Timeout", "payments")
	fmt.Println("close:", w.Close()) // writes what is pending

	again, err := window.New(ctx, window.Options{Store: store})
	if err != nil {
		panic(err)
	}
	defer again.Close()
	report, _ := again.Load(ctx, window.LoadOptions{MaxAge: time.Hour})
	fmt.Println("restored:", report.Restored)
	again.Raise("order.failed", "order-3")

	orders, _ := again.Sense("order.*")
	for _, s := range orders {
		fmt.Println(s.Sequence, s.Name, s.Key, s.Restored)
	}
	n, _ := again.Count("error:*", time.Minute)
	fmt.Println("errors:", n)
	// Output:
	// close: <nil>
	// restored: 4
	// 1 order.completed order-0 true
	// 2 order.completed order-1 true
	// 3 order.completed order-2 true
	// 5 order.failed order-3 false
	// errors: 1
}
