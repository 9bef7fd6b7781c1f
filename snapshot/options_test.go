package snapshot

import (
	"log/slog"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
)

func TestParity54_BadOptions(t *testing.T) {
	var p place
	blobs := p.handle(t)
	lease, err := sinks.Hold(t.Context(), p.handle(t), sinks.Claim{})
	must(t, err)
	defer func() { _ = lease.Close() }()
	bad := map[string]Options[trade]{
		"Name: \"..\"":         {Name: ".."},
		"Name: \"a/b\"":        {Name: "a/b"},
		"Name: \"with space\"": {Name: "with space"},
		"Compression":          {Compression: 7},
		"Interval":             {Interval: -1},
		"EveryEvents":          {EveryEvents: -1},
		"Manual":               {Manual: true, Interval: 1},
		"Keep":                 {Keep: -1},
		"MaxConcurrent":        {MaxConcurrent: -1},
		"MaxPartitions":        {MaxPartitions: -1},
		"MaxAttempts":          {MaxAttempts: -1},
		"FinalTimeout":         {FinalTimeout: -1},
		"Backoff.Base":         {Backoff: Backoff{Base: -1}},
		"Backoff.Factor":       {Backoff: Backoff{Factor: 1}},
		"Backoff.Factor: NaN":  {Backoff: Backoff{Factor: math.NaN()}},
		"Backoff.Factor: +Inf": {Backoff: Backoff{Factor: math.Inf(1)}},
		"Backoff.Max":          {Backoff: Backoff{Base: time.Second, Max: time.Millisecond}},
		"NoLease":              {NoLease: true, Lease: lease},
		"NoLease: excludes Ow": {NoLease: true, Owner: "x"},
		"Restore":              {Restore: RestoreOptions{Fresh: true, Ordinal: 3}},
		"Codec: has no name":   {Codec: nameless{}},
		"Codec: Fixed":         {Codec: Fixed[trade]("", 0, nil, nil)},
	}
	all := Options[trade]{}
	for what, o := range bad {
		_, err := Open(t.Context(), blobs, one(), o)
		fails(t, err, ErrOption)
		if !strings.Contains(err.Error(), "bad option: "+what) || strings.Count(err.Error(), "bad option") != 1 {
			t.Errorf("%s: %v", what, err)
		}
	}
	all.Keep, all.Interval, all.Name = -1, -1, "."
	_, err = Open(t.Context(), blobs, one(), all)
	if n := strings.Count(err.Error(), "bad option"); n != 3 {
		t.Errorf("%d problems: %v", n, err)
	}
	for what, o := range map[string]core.Options[trade]{
		"Epoch": {Epoch: core.Epoch{1}}, "StartAt": {StartAt: []uint64{1}}, "KeyNames": {KeyNames: []string{"a"}},
		"Restore": {Restore: core.Restore[trade]{PurgedBefore: noon}},
	} {
		_, err := Open(t.Context(), blobs, o, manual())
		fails(t, err, ErrOption)
		if !strings.Contains(err.Error(), "bad option: "+what+": come") {
			t.Errorf("%s: %v", what, err)
		}
		_, _, err = Load(t.Context(), blobs, o, manual())
		fails(t, err, ErrOption)
	}
	_, err = Open(t.Context(), blobs, core.Options[trade]{Capacity: -1}, Options[trade]{NoLease: true})
	fails(t, err, core.ErrOption)
	same(t, "users of the handle", len(handles.users), 0)
}

// nameless is a codec without a name.
type nameless struct{ Codec[trade] }

func (nameless) Name() string { return "" }

func TestParity54_Defaults(t *testing.T) {
	o := Options[trade]{}
	o.setDefaults()
	if o.Name != "store" || o.Codec.Name() != "json" || o.Interval != 5*time.Minute || o.EveryEvents != 100_000 || o.Keep != 3 ||
		o.MaxConcurrent != 2 || o.MaxPartitions != 0 || o.MaxAttempts != 5 || o.FinalTimeout != 5*time.Second || o.NoFinal ||
		o.Backoff != (Backoff{100 * time.Millisecond, 2, 30 * time.Second}) {
		t.Errorf("%+v", o)
	}
	must(t, o.validate())
	one := Options[trade]{EveryEvents: 5}
	one.setDefaults()
	same(t, "the other trigger stays off", one.Interval, 0)
	var p place
	s := open(t, p.handle(t), core.Options[trade]{}, Options[trade]{Clock: newClock().now, Logger: slog.New(slog.DiscardHandler)})
	must(t, s.Close()) // needs nothing more
}

func TestParity55_OffAndOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p place
		s := open(t, p.handle(t), keyed(2), manual())
		stop := running(t, s)
		fill(t, s.Store(), 0, 200_000)
		time.Sleep(time.Hour)
		stop()
		if x := s.Stats(); x.Snapshots != 0 || x.AtRisk != 200_000 || x.Ordinal != 0 || x.Age != 0 {
			t.Errorf("%+v", x)
		}
		same(t, "blobs", len(p.names(t, "store")), 0)
		must(t, s.Close())
		must(t, s.blobs.Close())

		o := manual()
		o.Manual = false // the defaults
		s = open(t, p.handle(t), keyed(2), o)
		stop = running(t, s)
		fill(t, s.Store(), 0, 100_000)
		time.Sleep(lookEvery)
		synctest.Wait()
		x := s.PartitionStats()
		if x[0].Successes != 1 || x[1].Successes != 1 || x[0].AtRisk+x[1].AtRisk != 0 {
			t.Errorf("%+v", x)
		}
		stop()
	})
}
