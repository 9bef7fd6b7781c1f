// A user of the signal window, kept in memory only.
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/ephemera-go/ephemera/window"
)

func main() {
	w, err := window.New(context.Background(), window.Options{})
	if err != nil {
		log.Fatal(err)
	}
	for i := range 3 {
		if _, err := w.Raise("order.completed", fmt.Sprint("order-", i)); err != nil {
			log.Fatal(err)
		}
	}
	n, err := w.Count("order.*", time.Minute)
	if err != nil || n != 3 {
		log.Fatalf("%d signals, %v", n, err)
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}
	fmt.Println("ok")
}
