package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
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

// partitions is over how many partitions devices are spread. All samples of a device are in one, in their order.
const partitions = 8

// sense restores the store, fills it until it is told to stop, and saves it.
func sense(ctx context.Context, o options, out io.Writer) (err error) {
	blobs, err := sinks.OpenBlobs(ctx, o.snapshots)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, blobs.Close()) }()
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
		Interval: o.interval, EveryEvents: o.snapshotEvents, Owner: "snapshot-sensors",
	})
	if err != nil {
		return err
	}
	store := saver.Store()
	fmt.Fprintf(out, "restored %d events from %s\n%v\n", store.Len(), sinks.Redact(o.snapshots), saver.Report())
	if o.length > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.length)
		defer cancel()
	}
	// Host runs the saver beside the work, ends the work at an interrupt, and takes the final snapshot.
	err = snapshot.Host(ctx, saver, func(ctx context.Context) error { return work(ctx, o, saver, out) })
	report(out, saver)
	if err == nil {
		fmt.Fprintf(out, "saved %d events in snapshot %d\n", store.Len(), saver.Stats().Ordinal)
	}
	return err
}

// work appends what is due a hundred times a second, and prints figures now and then.
func work(ctx context.Context, o options, saver *snapshot.Saver[Sample], out io.Writer) error {
	appends, figures := time.NewTicker(10*time.Millisecond), time.NewTicker(o.every)
	defer appends.Stop()
	defer figures.Stop()
	begin, done := time.Now(), 0
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-figures.C:
			report(out, saver)
		case now := <-appends.C:
			due := int(now.Sub(begin).Seconds() * float64(o.rate))
			if _, err := saver.Store().AppendBatch(readings(done, due, o.devices, now)); err != nil {
				return err
			}
			done = due
		}
	}
}

// readings makes up readings, of two events each, of one device after the other.
func readings(from, to, devices int, at time.Time) (list []Sample) {
	for n := from; n < to; n++ {
		device := fmt.Sprintf("device-%d", n%devices)
		list = append(list,
			Sample{device, "temperature", 21 + rand.NormFloat64(), at},
			Sample{device, "humidity", 45 + 5*rand.NormFloat64(), at})
	}
	return list
}

// report prints the figures: of the store, of its snapshots, and of what a crash would lose.
func report(out io.Writer, saver *snapshot.Saver[Sample]) {
	l, s := saver.Store().Ledger(), saver.Stats()
	fmt.Fprintf(out, "appended %d, discarded %d, in memory %d; %d snapshots of %d bytes, %d events at risk, %d failures\n",
		l.Appended, l.Discarded, l.Visible, s.Snapshots, s.Bytes, s.AtRisk, s.Failures)
	if s.LastError != nil {
		fmt.Fprintf(out, "not saved: %v\n", s.LastError)
	}
}
