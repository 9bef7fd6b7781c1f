package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
	_ "github.com/ephemera-go/ephemera/sinks/filestore" // scheme file
	"github.com/ephemera-go/ephemera/snapshot"
	_ "github.com/ephemera-go/ephemera/storage-postgres" // scheme postgres
	_ "github.com/ephemera-go/ephemera/storage-s3"       // scheme s3
	_ "github.com/ephemera-go/ephemera/storage-sqlite"   // scheme sqlite
)

// A Sample is an event: one value of one reading.
type Sample struct {
	Device, Metric string
	Value          float64
	At             time.Time
}

// The metrics.
const (
	temperature = "temperature"
	humidity    = "humidity"
)

// partitions is over how many partitions devices are spread. All samples of a device are in one, in their order.
const partitions = 8

// sensors is the store and what belongs to it.
type sensors struct {
	store   *core.Store[Sample]
	saver   *snapshot.Saver[Sample]
	metrics *core.Rollup[Sample, map[string]*core.Summary] // by metric
}

func open(ctx context.Context, o options, blobs sinks.BlobStore) (*sensors, error) {
	saver, err := snapshot.Open(ctx, blobs, core.Options[Sample]{
		Capacity: o.capacity, Partitions: partitions,
		Key:  func(s Sample) string { return s.Device },
		Time: func(s *Sample) time.Time { return s.At },
	}, snapshot.Options[Sample]{
		Codec: snapshot.Columns(
			snapshot.TextColumn(func(s *Sample) *string { return &s.Device }),
			snapshot.TextColumn(func(s *Sample) *string { return &s.Metric }),
			snapshot.FloatColumn(func(s *Sample) *float64 { return &s.Value }),
			snapshot.TimeColumn(func(s *Sample) *time.Time { return &s.At }),
		),
		Interval: o.interval, EveryEvents: o.snapshotEvents, Owner: "snapshot-sensors-api",
	})
	if err != nil {
		return nil, err
	}
	// A rollup knows of everything that is in the store, so after a restart nothing has to be counted again by hand.
	metrics, err := core.NewRollup(saver.Store(), core.PerKey(
		func(s *Sample) string { return s.Metric },
		core.Summaries(func(s *Sample) float64 { return s.Value }),
	), core.RollupOptions{Name: "metrics"})
	if err != nil {
		return nil, errors.Join(err, saver.Close())
	}
	return &sensors{saver.Store(), saver, metrics}, nil
}

// answer serves until the context ends, and then lets requests that were begun end. Figures are printed now and then.
func (s *sensors) answer(ctx context.Context, l net.Listener, every time.Duration, out io.Writer) error {
	server := &http.Server{Handler: s.handler(), ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	figures := time.NewTicker(every)
	defer figures.Stop()
	for {
		select {
		case err := <-served:
			return err
		case <-figures.C:
			s.report(out)
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
			defer cancel()
			return server.Shutdown(last)
		}
	}
}

// report prints the figures: of the store, of its snapshots, and of what a crash would lose.
func (s *sensors) report(out io.Writer) {
	l, x := s.store.Ledger(), s.saver.Stats()
	fmt.Fprintf(out, "appended %d, discarded %d, in memory %d; %d snapshots of %d bytes, %d events at risk, %d failures\n",
		l.Appended, l.Discarded, l.Visible, x.Snapshots, x.Bytes, x.AtRisk, x.Failures)
	if x.LastError != nil {
		fmt.Fprintf(out, "not saved: %v\n", x.LastError)
	}
}
