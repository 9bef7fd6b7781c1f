//go:build !explore

package core

import (
	"errors"
	"math"
	"testing"
	"time"
)

// fuzzTimes turns bytes into event times: clustered, far apart, before year 1 and beyond year 9999.
func fuzzTimes(data []byte) (out []time.Time) {
	at := time.Unix(1_700_000_000, 0).UTC()
	for _, b := range data {
		switch {
		case b < 100:
			at = at.Add(time.Duration(b) * 100 * time.Millisecond)
		case b < 200:
			at = at.Add(-time.Duration(b-100) * time.Second)
		case b < 240:
			at = at.Add(time.Duration(b-200) * time.Hour)
		case b == 240:
			at = time.Time{}
		case b == 241:
			at = time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC)
		case b == 242:
			at = time.Unix(1_700_000_000, 0).UTC()
		default:
			at = at.Add(time.Nanosecond)
		}
		out = append(out, at)
	}
	return out
}

// Time ranges, rollups and buckets agree with a plain loop over what is visible.
func FuzzTimeRange(f *testing.F) {
	base := int64(1_700_000_000)
	f.Add([]byte{}, base, int32(0), base+10, int32(0), int64(time.Second))
	f.Add([]byte{1, 2, 3, 150, 99, 99, 99, 0, 0, 0, 0, 12}, base, int32(5), base+100, int32(0), int64(time.Second))
	f.Add([]byte{240, 241, 242, 50, 250, 250, 201}, base, int32(0), base+3600, int32(999_999_999), int64(time.Minute))
	f.Add([]byte{10, 10, 10}, base+5, int32(0), base, int32(0), int64(0))
	f.Add([]byte{10, 240, 10}, int64(-62135596800), int32(0), int64(math.MaxInt64), int32(0), int64(1))
	f.Add([]byte{99, 99, 99}, base, int32(0), base+1000, int32(0), int64(-5))
	f.Fuzz(func(t *testing.T, data []byte, fromSec int64, fromNano int32, toSec int64, toNano int32, width int64) {
		if len(data) > 2000 {
			return
		}
		from, to := time.Unix(fromSec, int64(fromNano)), time.Unix(toSec, int64(toNano))
		s := mustNew(t, Options[time.Time]{Capacity: 100, Time: func(e *time.Time) time.Time { return *e }})
		r, err := NewRollup(s, Counting[time.Time](), RollupOptions{Name: "r"})
		wantError(t, "NewRollup", err, nil)
		all := fuzzTimes(data)
		for _, at := range all {
			mustAppend(t, s, at)
		}
		var want []time.Time
		for _, at := range all[max(0, len(all)-100):] {
			a := instantOf(at)
			if (from.IsZero() || !a.before(instantOf(from))) && (to.IsZero() || !a.after(instantOf(to))) {
				want = append(want, at)
			}
		}
		c := s.Cut()
		defer c.Close()
		if n, err := c.Between(from, to).Count(); err != nil || n != len(want) {
			t.Errorf("Between(%v, %v): %d, %v, want %d", from, to, n, err, len(want))
		}
		a, err := r.Query(from, to)
		if err != nil || a.Value != uint64(len(want)) || a.Events != a.Value || !a.Exact() {
			t.Errorf("Query(%v, %v): %+v, %v, want %d", from, to, a, err, len(want))
		}
		fuzzBuckets(t, r, from, to, time.Duration(width), want)
	})
}

func fuzzBuckets(t *testing.T, r *Rollup[time.Time, uint64], from, to time.Time, width time.Duration, want []time.Time) {
	series, err := r.Buckets(from, to, width)
	if err != nil {
		if !errors.Is(err, ErrArgument) {
			t.Errorf("Buckets(%v, %v, %v): %v", from, to, width, err)
		}
		return
	}
	if len(series.Buckets) > MaxBuckets {
		t.Errorf("%d buckets", len(series.Buckets))
	}
	expect := map[time.Time]uint64{}
	for _, at := range want {
		expect[at.Truncate(width).UTC()]++
	}
	counted, k := uint64(0), 0
	for i, b := range series.Buckets {
		if i > 0 && !b.Start.Equal(series.Buckets[i-1].Start.Add(width)) || !b.Start.Equal(b.Start.Truncate(width)) {
			t.Errorf("bucket %d starts at %v, width %v", i, b.Start, width)
		}
		if n := expect[b.Start.UTC()]; n != b.Value {
			t.Errorf("bucket %v + %v: %d, want %d", b.Start, width, b.Value, n)
		}
		counted += b.Value
		k++
	}
	if k > 0 && (counted != uint64(len(want)) || series.Events != counted) {
		t.Errorf("buckets of [%v, %v] by %v hold %d events, want %d: %+v", from, to, width, counted, len(want), series.Coverage)
	}
}

// New answers every combination of options with a store that works or with OptionErrors, and never panics.
func FuzzOptions(f *testing.F) {
	f.Add(0, 0, 0, 0, int64(0), int64(0), 0, 0, uint16(0), uint64(0))
	f.Add(100, 4, 0, 10, int64(time.Second), int64(1000), 5, 100, uint16(0x1ff), ^uint64(0))
	f.Add(-1, -1, -1, -1, int64(-1), int64(-1), -1, -1, uint16(0xffff), uint64(1))
	f.Add(3, 0, 2, 0, int64(0), int64(0), 1, 0, uint16(8), uint64(1)<<32)
	f.Add(math.MaxInt, 1, 0, 0, int64(0), int64(0), 0, 0, uint16(0), uint64(0))
	f.Add(math.MaxInt, math.MaxInt, math.MaxInt, math.MaxInt, int64(math.MaxInt64), int64(math.MaxInt64),
		math.MaxInt, math.MaxInt, uint16(0x2ff), uint64(0))
	f.Add(1<<30, 1<<20, 0, 0, int64(0), int64(0), 0, 0, uint16(4), uint64(0))
	f.Fuzz(func(t *testing.T, capacity, partitions, lanes, maxKeys int, age, bytes int64, interval, pending int,
		flags uint16, start uint64,
	) {
		o := Options[[2]uint64]{
			Capacity: capacity, Partitions: partitions, Lanes: lanes, MaxKeys: maxKeys, MaxAge: time.Duration(age),
			MaxBytes: bytes, StatsInterval: interval, MaxPending: pending, Arrival: flags&1 != 0,
		}
		fuzzFunctions(&o, flags)
		if flags&128 != 0 {
			o.StartAt = []uint64{start, start + 1}[:1+start%2]
		}
		if flags&256 != 0 {
			o.KeyNames = []string{"a", "b", "a"}[:1+start%3]
		}
		if n := o.MemoryEstimate(); n < 0 {
			t.Errorf("estimate %d of %+v", n, o)
		}
		if partitions > 1000 || lanes > 1000 {
			o.Partitions, o.Lanes = min(partitions, 1000), min(lanes, 1000) // big ones only cost time
		}
		fuzzStore(t, o)
	})
}

func fuzzFunctions(o *Options[[2]uint64], flags uint16) {
	if flags&2 != 0 {
		o.Time = func(e *[2]uint64) time.Time { return time.Unix(int64(e[1]), 0) }
	}
	if flags&4 != 0 {
		o.Key = func(e [2]uint64) string { return string(rune('a' + e[0]%3)) }
	}
	if flags&8 != 0 {
		o.Size = func(e *[2]uint64) int { return int(e[0]) }
	}
	if flags&16 != 0 {
		o.OnDiscard = func(Position, *[2]uint64) {}
	}
	if flags&32 != 0 {
		o.OnStats = func(Stats) {}
	}
	if flags&64 != 0 {
		o.OnFull = func() {}
	}
}

// fuzzStore checks that New fails with OptionErrors only, or gives a store that takes and shows events.
func fuzzStore(t *testing.T, o Options[[2]uint64]) {
	s, err := New(o)
	if err != nil {
		joined, ok := err.(interface{ Unwrap() []error })
		if !ok || !errors.Is(err, ErrOption) {
			t.Fatalf("%v is no join of OptionErrors", err)
		}
		for _, e := range joined.Unwrap() {
			var bad *OptionError
			if !errors.As(e, &bad) || bad.Option == "" || bad.Problem == "" {
				t.Errorf("%v is no OptionError", e)
			}
		}
		return
	}
	accepted := uint64(0)
	for i := range uint64(50) {
		_, err := s.Append([2]uint64{i, i})
		if err == nil {
			accepted++
		} else if !errors.Is(err, ErrNoKey) && !errors.Is(err, ErrKeysFull) {
			t.Errorf("Append: %v", err)
		}
	}
	mustSync(t, s)
	l := s.Ledger()
	if checkLedger(t, l); l.Appended != accepted || l.Visible > uint64(s.Capacity()) || s.Len() != int(l.Visible) {
		t.Errorf("%d accepted, %d shown: %+v", accepted, s.Len(), l)
	}
	wantError(t, "Close", s.Close(), nil)
}
