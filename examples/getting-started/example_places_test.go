package gettingstarted

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
	_ "github.com/ephemera-go/ephemera/sinks/filestore" // file:
	"github.com/ephemera-go/ephemera/snapshot"
	"github.com/ephemera-go/ephemera/streams"
	"github.com/ephemera-go/ephemera/window"
)

func raise(ctx context.Context, w io.Writer) error {
	signals, err := window.New(ctx, window.Options{MaxAge: time.Hour})
	if err != nil {
		return err
	}
	defer signals.Close()
	if _, err := signals.Raise("order.completed", "order-17"); err != nil { // name, key
		return err
	}
	if _, err := signals.Raise("error:Timeout", "payments"); err != nil {
		return err
	}
	n, err := signals.Count("error:*", time.Minute)
	if err != nil {
		return err
	}
	recent, err := signals.Sense("order.*,error:*") // oldest first
	if err != nil {
		return err
	}
	fmt.Fprintln(w, n, "error,", len(recent), "signals, the first of", recent[0].Key)
	return nil
}

// restart keeps a store at a URL, twice.
func restart(ctx context.Context, url string, w io.Writer) error {
	for range 2 {
		if err := keep(ctx, url, w); err != nil {
			return err
		}
	}
	return nil
}

func keep(ctx context.Context, url string, w io.Writer) error {
	blobs, err := sinks.OpenBlobs(ctx, url) // "file:///var/lib/app/orders"
	if err != nil {
		return err
	}
	defer blobs.Close()
	saver, err := snapshot.Open(ctx, blobs, core.Options[Order]{Capacity: 1000}, snapshot.Options[Order]{})
	if err != nil {
		return err
	}
	return snapshot.Host(ctx, saver, func(ctx context.Context) error { // saves now and then, on SIGTERM and at the end
		fmt.Fprintln(w, "restored", saver.Report().Events, "orders")
		_, err := saver.Store().Append(Order{"ada", 12.50, time.Now()})
		return err
	})
}

func overHTTP(ctx context.Context, w io.Writer) error {
	local, err := streams.New(streams.Options{})
	if err != nil {
		return err
	}
	defer local.Close()
	handler, err := streams.NewHandler(local, streams.HandlerOptions{})
	if err != nil {
		return err
	}
	server := httptest.NewServer(http.Handler(handler)) // in a program: http.Server, see docs/http.md
	defer server.Close()
	return follow(ctx, server.URL, w)
}

func follow(ctx context.Context, url string, w io.Writer) error {
	client, err := streams.NewClient(url, streams.ClientOptions{})
	if err != nil {
		return err
	}
	defer client.Close()
	order := streams.Append{Stream: "orders/eu", Expect: streams.ExpectNoStream, Events: []streams.Event{
		{ID: "o-17", Type: "order.placed", Data: []byte(`{"amount":12.5}`)},
	}}
	first, err := client.Append(ctx, order)
	if err != nil {
		return err
	}
	again, err := client.Append(ctx, order) // the same id: stored once
	if err != nil {
		return err
	}
	fmt.Fprintln(w, "version", first.Last, "duplicate", again.Duplicate)
	page, err := client.Read(ctx, streams.Read{Stream: "orders/eu"})
	if err != nil {
		return err
	}
	fmt.Fprintln(w, len(page.Events), "event:", string(page.Events[0].Data))
	return nil
}
