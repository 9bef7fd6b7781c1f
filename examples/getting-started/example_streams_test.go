package gettingstarted

import (
	"context"
	"fmt"
	"io"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/snapshot"
	"github.com/ephemera-go/ephemera/streams"
)

// keepStreams keeps streams at a URL, twice: events, versions, limits and idempotency keys come back.
func keepStreams(ctx context.Context, url string, w io.Writer) error {
	for range 2 {
		if err := hostStreams(ctx, url, w); err != nil {
			return err
		}
	}
	return nil
}

func hostStreams(ctx context.Context, url string, w io.Writer) error {
	blobs, err := sinks.OpenBlobs(ctx, url)
	if err != nil {
		return err
	}
	defer blobs.Close()
	o := streams.Options{}
	store, err := streams.StoreOptions(o)
	if err != nil {
		return err
	}
	saver, err := snapshot.Open(ctx, blobs, store, snapshot.Options[streams.Record]{Codec: streams.Codec{}})
	if err != nil {
		return err
	}
	log, err := streams.Over(saver.Store(), o)
	if err == nil {
		err = saver.Attach(log) // names, versions, limits and keys travel with the events
	}
	if err != nil {
		saver.Close()
		return err
	}
	defer log.Close()
	return snapshot.Host(ctx, saver, func(ctx context.Context) error {
		r, err := log.Append(ctx, streams.Append{Stream: "orders/eu", Events: []streams.Event{{ID: "o-17", Data: []byte(`{"amount":12.5}`)}}})
		fmt.Fprintln(w, "version", r.Last, "stored before:", r.Duplicate)
		return err
	})
}
