package state

import (
	"context"
	"time"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/snapshot"
)

// A Metric is a measured value under a label.
type Metric struct {
	Label string
	Value float64
	Time  time.Time // UTC
}

func metricOptions(events int) core.Options[Metric] {
	return core.Options[Metric]{Capacity: events, Time: func(m *Metric) time.Time { return m.Time }}
}

func metricCodec() snapshot.Codec[Metric] {
	return snapshot.Columns(
		snapshot.TextColumn(func(m *Metric) *string { return &m.Label }),
		snapshot.FloatColumn(func(m *Metric) *float64 { return &m.Value }),
		snapshot.TimeColumn(func(m *Metric) *time.Time { return &m.Time }),
	)
}

// Clear forgets all events of streams and metrics. Versions go on, and so do limits and idempotency keys.
func (s *State) Clear() error {
	if err := s.Events.Store().Clear(); err != nil {
		return wrap("clear", "streams", err)
	}
	return wrap("clear", "metrics", s.Metrics.Store().Clear())
}

// Reset deletes every stream with its limits and keys, and forgets all metrics. Versions go on all the same.
func (s *State) Reset(ctx context.Context) error {
	list, err := s.Log.List(ctx, "", "", 0)
	if err != nil {
		return wrap("reset", "streams", err)
	}
	for i := range list {
		if err := s.Log.Delete(ctx, list[i].Stream); err != nil {
			return wrap("reset", "streams", err)
		}
	}
	return wrap("reset", "metrics", s.Metrics.Store().Clear())
}

// Purge forgets what is older: events by when they were appended, metrics by their own time.
func (s *State) Purge(before time.Time) error {
	if err := s.Events.Store().Purge(before); err != nil {
		return wrap("purge", "streams", err)
	}
	return wrap("purge", "metrics", s.Metrics.Store().Purge(before))
}
