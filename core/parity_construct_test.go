//go:build !explore

package core_test

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

func TestParity07Case01_NewStore(t *testing.T) {
	s := parityStore(t, core.Options[int]{})
	if !s.Empty() || s.Full() || s.Len() != 0 {
		t.Fatalf("empty %v, full %v, length %d", s.Empty(), s.Full(), s.Len())
	}
	paritySame(t, "partitions", s.Partitions(), 1)
	paritySame(t, "capacity", s.Capacity(), 100_000)
	parityLedger(t, s, 0)
}

func TestParity07Case02_TotalCapacity(t *testing.T) {
	for _, partitions := range []int{1, 4, 7, 12} {
		s := parityStore(t, core.Options[int]{Capacity: 1000, Partitions: partitions})
		paritySame(t, "capacity", s.Capacity(), 1000)
		paritySame(t, "partitions", s.Partitions(), partitions)
		appended := 0
		for p := range partitions { // more than any share
			b, err := s.AppendBatchTo(p, parityRange(0, 1001))
			parityMust(t, err)
			appended += b.Appended()
		}
		paritySame(t, "length when full", s.Len(), 1000)
		parityLedger(t, s, appended)
	}
}

func TestParity07Case03_RefusedOptions(t *testing.T) {
	onStats := func(core.Stats) {}
	for option, o := range map[string]core.Options[int]{
		"Capacity":      {Capacity: -1},
		"Partitions":    {Partitions: -1},
		"Lanes":         {Lanes: -1},
		"StatsInterval": {StatsInterval: -1, OnStats: onStats},
		"MaxAge":        {MaxAge: -1},
		"MaxBytes":      {MaxBytes: -1},
		"MaxPending":    {MaxPending: -1},
		"MaxKeys":       {MaxKeys: -1},
	} {
		s, err := core.New(o)
		var wrong *core.OptionError
		if s != nil || !errors.Is(err, core.ErrOption) || !errors.As(err, &wrong) || wrong.Option != option {
			t.Errorf("%s: %v", option, err)
		}
	}
	s := parityStore(t, core.Options[parityEvent]{Time: parityTime})
	r, err := core.NewRollup(s, core.Counting[parityEvent](), core.RollupOptions{Name: "n"})
	parityMust(t, err)
	for _, width := range []time.Duration{0, -time.Second} {
		if _, err := r.Buckets(parityT0, parityT0.Add(time.Minute), width); !errors.Is(err, core.ErrArgument) {
			t.Errorf("bucket width %v: %v", width, err)
		}
	}
	parityLedger(t, s, 0)
}

// Any width divides any range: there is no configuration of which a part of the range is lost.
func TestParity07Case04_BucketWidth(t *testing.T) {
	s := parityStore(t, core.Options[parityEvent]{Time: parityTime})
	for i := range 300 {
		parityAppend(t, s, parityEvent{At: parityT0.Add(time.Duration(i) * time.Second)})
	}
	r, err := core.NewRollup(s, core.Counting[parityEvent](), core.RollupOptions{Name: "n"})
	parityMust(t, err)
	for width, buckets := range map[time.Duration]int{
		time.Minute: 5, 2 * time.Minute: 3, 7 * time.Second: 43, time.Hour: 1,
	} {
		series, err := r.Buckets(parityT0, parityT0.Add(5*time.Minute-1), width)
		parityMust(t, err)
		total := uint64(0)
		for i, b := range series.Buckets {
			total += b.Value
			if b.Start.Truncate(width) != b.Start || i > 0 && b.Start.Sub(series.Buckets[i-1].Start) != width {
				t.Errorf("width %v: bucket %d starts at %v", width, i, b.Start)
			}
		}
		// Buckets are aligned to absolute time: a width that does not divide the start may need one more.
		if n := len(series.Buckets); total != 300 || n != buckets && n != buckets+1 {
			t.Errorf("width %v: %d buckets with %d events", width, n, total)
		}
	}
	if _, err := r.Buckets(parityT0, parityT0.Add(time.Hour), time.Millisecond); !errors.Is(err, core.ErrArgument) {
		t.Error("3,600,000 buckets:", err)
	}
	parityLedger(t, s, 300)
}

func TestParity07Case05_PartitionIndex(t *testing.T) {
	s := parityStore(t, core.Options[int]{Capacity: 40, Partitions: 4})
	for _, p := range []int{-1, 4, math.MaxInt, math.MinInt} {
		_, err1 := s.AppendTo(p, 1)
		_, err2 := s.AppendIf(p, 0, 1)
		_, err3 := s.AppendBatchTo(p, []int{1})
		_, err4 := s.Producer(p)
		_, err5 := s.Next(p)
		c := s.Cut(p)
		_, err6 := c.View().Count()
		c.Close()
		for i, err := range []error{err1, err2, err3, err4, err5, err6} {
			if !errors.Is(err, core.ErrNoPartition) {
				t.Errorf("partition %d, call %d: %v", p, i+1, err)
			}
		}
	}
	for p := range 4 {
		pos, err := s.AppendTo(p, 10+p)
		parityMust(t, err)
		paritySame(t, "position", pos, core.Position{Partition: p, Sequence: 0})
		paritySame(t, "content of "+strconv.Itoa(p), parityContent(t, s, p), []int{10 + p})
	}
	parityLedger(t, s, 4)
}

func TestParity07Case17_PartitionerRefusesNoPartitions(t *testing.T) {
	for _, n := range []int{-1, -8} {
		if _, err := core.New(core.Options[parityEvent]{Key: parityKey, Partitions: n}); !errors.Is(err, core.ErrOption) {
			t.Errorf("%d partitions: %v", n, err)
		}
	}
	s := parityStore(t, core.Options[parityEvent]{Key: parityKey}) // 0 is the default, not a request
	paritySame(t, "partitions", s.Partitions(), 1)
	parityLedger(t, s, 0)
}

func TestDefectD32_UncheckedOptions(t *testing.T) {
	size := func(*int) int { return 1 }
	for name, o := range map[string]core.Options[int]{
		"fewer events than partitions": {Capacity: 3, Partitions: 8},
		"bytes without size":           {MaxBytes: 10},
		"less than a byte each":        {MaxBytes: 3, Size: size, Partitions: 4},
		"too many partitions":          {Capacity: math.MaxInt32, Partitions: 1<<20 + 1},
		"key ids without a key":        {MaxKeys: 1},
		"start of one partition only":  {Partitions: 2, StartAt: []uint64{7}},
		"interval without callback":    {StatsInterval: 5},
		"lanes and partitions":         {Lanes: 2, Partitions: 2},
	} {
		if _, err := core.New(o); !errors.Is(err, core.ErrOption) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if beyond := int64(core.MaxCapacity) + 1; strconv.IntSize == 64 {
		if _, err := core.New(core.Options[int]{Capacity: int(beyond)}); !errors.Is(err, core.ErrOption) {
			t.Errorf("capacity %d: %v", beyond, err)
		}
	}
	// All of them are named at once.
	_, err := core.New(core.Options[int]{Capacity: -1, MaxAge: -1, MaxPending: -1})
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) || len(joined.Unwrap()) != 3 {
		t.Errorf("three problems: %v", err)
	}
	// A total that no number of partitions divides is kept exactly, whatever the machine.
	for n := 1; n <= 64; n++ {
		s, err := core.New(core.Options[int]{Capacity: 1000, Partitions: n})
		parityMust(t, err)
		paritySame(t, "capacity", s.Capacity(), 1000)
		parityLedger(t, s, 0)
		parityMust(t, s.Close())
	}
}

// The newest minute must not vanish because some product of settings is smaller than the range.
func TestDefectD32_NoBucketIsLost(t *testing.T) {
	s := parityStore(t, core.Options[parityEvent]{Time: parityTime})
	for i := range 5 {
		parityAppend(t, s, parityEvent{At: parityT0.Add(time.Duration(i) * time.Minute)})
	}
	r, err := core.NewRollup(s, core.Counting[parityEvent](), core.RollupOptions{Name: "n"})
	parityMust(t, err)
	series, err := r.Buckets(parityT0, parityT0.Add(4*time.Minute), time.Minute)
	parityMust(t, err)
	var counts []uint64
	for _, b := range series.Buckets {
		counts = append(counts, b.Value)
	}
	if !slices.Equal(counts, []uint64{1, 1, 1, 1, 1}) {
		t.Fatal(counts)
	}
	parityLedger(t, s, 5)
}
