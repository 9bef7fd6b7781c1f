package sinktest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

var signalAppendCases = []testCase[sinks.SignalStore]{
	{name: "append", rule: "every field of a signal comes back, the instant to the nanosecond, in UTC", run: with(appendFields)},
	{name: "append-many", rule: "batches of any size come back in order", run: with(func(ctx context.Context, s sinks.SignalStore) error {
		n := uint64(0)
		for _, size := range []uint64{1, 2, 999, 1, 3000, 17} {
			if err := s.Append(ctx, series(n+1, n+size)); err != nil {
				return err
			}
			n += size
		}
		return log(ctx, s, series(1, n))
	})},
	{name: "append-empty", rule: "an empty batch does nothing", run: with(func(ctx context.Context, s sinks.SignalStore) error {
		return all(s.Append(ctx, nil), s.Append(ctx, []sinks.Signal{}), log(ctx, s, nil), last(ctx, s, 0))
	})},
	{name: "append-sparse", rule: "sequences may have gaps, up to MaxSequence", run: with(appendSparse)},
	{name: "append-retry", rule: "repeating a batch, or a part of one, stores nothing twice", run: with(appendRetry)},
	{name: "append-conflict", rule: "a stored sequence with other content is ErrConflict, and nothing of its batch is stored", run: with(appendConflict)},
	{name: "append-passed", rule: "a sequence below the last one that was never stored is ErrConflict, and nothing of its batch is stored", run: with(appendPassed)},
	{name: "append-not-kept", rule: "the store keeps nothing of a batch, and the caller owns what it reads", run: with(appendNotKept)},
	{name: "append-large", rule: "a batch of up to MaxBatchBytes is stored whole", run: with(appendLarge)},
	{name: "append-race", rule: "concurrent appends of the same batches store each signal once, in order", run: with(appendRace)},
	{name: "append-whole", rule: "readers see a batch whole or not at all", run: with(appendWhole)},
}

func appendFields(ctx context.Context, s sinks.SignalStore) error {
	times := []time.Time{
		time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
		time.Date(1969, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
		time.Unix(0, 0),
		time.Date(2262, 4, 12, 0, 0, 0, 123_456_789, time.UTC),
		time.Date(2024, 2, 29, 12, 0, 0, 1000, time.FixedZone("", 5*3600+30*60)),
		time.Date(2024, 2, 29, 12, 0, 0, 120_000_000, time.FixedZone("", -11*3600)),
		time.Now(),
		{},
	}
	var batch []sinks.Signal
	for i, t := range times {
		batch = append(batch, sinks.Signal{Sequence: uint64(i + 1), Time: t, Name: "t"})
	}
	batch = append(batch,
		sinks.Signal{Sequence: 101, Time: origin, Name: "error:Timeout 'x' \"y\" %s \\ ;--", Key: "é\n\t\u2028😀"},
		sinks.Signal{Sequence: 102, Time: origin, Name: " ", Key: " ", Operation: math.MaxUint64},
		sinks.Signal{Sequence: 103, Time: origin, Name: "a", Operation: math.MaxInt64 + 1, Path: []string{"one"}},
		sinks.Signal{Sequence: 104, Time: origin, Name: "a", Path: []string{"x,y", "z\"", "[", "é\n", "same", "same"}, Data: []byte{0}},
		sinks.Signal{Sequence: 105, Time: origin, Name: "a", Path: []string{}, Data: []byte{}},
		sinks.Signal{Sequence: 106, Time: origin, Name: "a", Data: []byte("\xff\x00'\"\\")},
	)
	if err := all(s.Append(ctx, batch), log(ctx, s, batch)); err != nil {
		return err
	}
	got, err := s.Read(ctx, 0, plenty)
	if err != nil {
		return err
	}
	for i := range got {
		if got[i].Time.Location() != time.UTC {
			return fmt.Errorf("signal %d comes back in location %v", got[i].Sequence, got[i].Time.Location())
		}
	}
	return nil
}

func appendSparse(ctx context.Context, s sinks.SignalStore) error {
	var want []sinks.Signal
	for _, n := range []uint64{5, 6, 1000, 1 << 32, 1<<53 + 1, sinks.MaxSequence - 1, sinks.MaxSequence} {
		if err := s.Append(ctx, []sinks.Signal{signal(n)}); err != nil {
			return err
		}
		want = append(want, signal(n))
	}
	beyond, err := s.Read(ctx, math.MaxUint64, 1)
	newest, errNewest := s.ReadNewest(ctx, math.MaxUint64, 1)
	return all(
		log(ctx, s, want),
		err, same("reading after the greatest number", beyond, nil),
		errNewest, same("the newest below the greatest number", newest, want[6:]),
	)
}

func appendRetry(ctx context.Context, s sinks.SignalStore) error {
	return all(
		s.Append(ctx, series(1, 5)),
		s.Append(ctx, series(1, 5)),
		s.Append(ctx, series(2, 3)),
		log(ctx, s, series(1, 5)),
		s.Append(ctx, series(4, 9)),
		s.Append(ctx, series(1, 9)),
		log(ctx, s, series(1, 9)),
		last(ctx, s, 9),
	)
}

func appendConflict(ctx context.Context, s sinks.SignalStore) error {
	original := sinks.Signal{
		Sequence: 2, Time: origin, Name: "name", Key: "key", Operation: 7, Path: []string{"a", "b"}, Data: []byte("data"),
	}
	stored := []sinks.Signal{signal(1), original, signal(3)}
	if err := s.Append(ctx, stored); err != nil {
		return err
	}
	changes := map[string]func(*sinks.Signal){
		"time":      func(o *sinks.Signal) { o.Time = o.Time.Add(1) },
		"name":      func(o *sinks.Signal) { o.Name = "Name" },
		"key":       func(o *sinks.Signal) { o.Key = "" },
		"operation": func(o *sinks.Signal) { o.Operation++ },
		"path":      func(o *sinks.Signal) { o.Path = []string{"ab"} },
		"data":      func(o *sinks.Signal) { o.Data = []byte("datA") },
	}
	for field, change := range changes {
		other := original.Clone()
		change(&other)
		err := all(
			wantErr("Append with another "+field, s.Append(ctx, []sinks.Signal{other}), sinks.ErrConflict),
			wantErr("Append in a batch with another "+field, s.Append(ctx, []sinks.Signal{signal(1), other, signal(3), signal(4)}), sinks.ErrConflict),
			log(ctx, s, stored),
		)
		if err != nil {
			return err
		}
	}
	elsewhere := original.Clone()
	elsewhere.Time = elsewhere.Time.In(time.FixedZone("", 3600))
	return all(s.Append(ctx, []sinks.Signal{elsewhere, signal(3), signal(4)}), log(ctx, s, join(stored, series(4, 4))))
}

func appendPassed(ctx context.Context, s sinks.SignalStore) error {
	stored := join(series(10, 12), series(20, 21))
	return all(
		s.Append(ctx, series(10, 12)),
		s.Append(ctx, series(20, 21)),
		wantErr("Append into a gap", s.Append(ctx, series(15, 15)), sinks.ErrConflict),
		wantErr("Append below the first", s.Append(ctx, series(9, 9)), sinks.ErrConflict),
		wantErr("Append across a gap", s.Append(ctx, series(12, 25)), sinks.ErrConflict),
		log(ctx, s, stored),
	)
}

func appendNotKept(ctx context.Context, s sinks.SignalStore) error {
	batch := []sinks.Signal{{Sequence: 1, Time: origin, Name: "a", Path: []string{"p", "q"}, Data: []byte("data")}}
	want := []sinks.Signal{batch[0].Clone()}
	if err := s.Append(ctx, batch); err != nil {
		return err
	}
	spoil := func(list []sinks.Signal) {
		for i := range list {
			list[i].Name, list[i].Path[0], list[i].Data[0] = "b", "x", 'X'
		}
	}
	spoil(batch)
	for range 2 {
		got, err := s.Read(ctx, 0, 10)
		newest, errNewest := s.ReadNewest(ctx, 0, 10)
		if err := all(err, errNewest, same("read", got, want), same("newest", newest, want)); err != nil {
			return err
		}
		spoil(got)
		spoil(newest)
	}
	return nil
}

func appendLarge(ctx context.Context, s sinks.SignalStore) error {
	const most = sinks.MaxBatchBytes/sinks.MaxDataBytes - 1 // and some text
	batch := series(1, most)
	for i := range batch {
		batch[i].Data = content(uint64(i), sinks.MaxDataBytes)
	}
	return all(s.Append(ctx, batch), log(ctx, s, batch), s.Trim(ctx, most-1), log(ctx, s, batch[most-1:]))
}

func appendRace(ctx context.Context, s sinks.SignalStore) error {
	return raceSignals(ctx, func(int) sinks.SignalStore { return s })
}

// raceSignals appends the same batches several times at the same time.
func raceSignals(ctx context.Context, through func(writer int) sinks.SignalStore) error {
	const writers, batches, size = 4, 15, 6
	err := together(writers, func(writer int) error {
		for b := uint64(0); b < batches; b++ {
			if err := through(writer).Append(ctx, series(b*size+1, b*size+size)); err != nil {
				return err
			}
		}
		return nil
	})
	return all(err, log(ctx, through(0), series(1, batches*size)), log(ctx, through(1), series(1, batches*size)))
}

func appendWhole(ctx context.Context, s sinks.SignalStore) error {
	const batches, size = 25, 8
	done := make(chan error, 1)
	go func() {
		for b := uint64(0); b < batches; b++ {
			if err := s.Append(ctx, series(b*size+1, b*size+size)); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	seen := 0
	for {
		var writer error
		ended := false
		select {
		case writer = <-done:
			ended = true
		default:
		}
		got, err := s.Read(ctx, 0, plenty)
		if err := errors.Join(writer, err); err != nil {
			return err
		}
		if err := same("reading beside a writer", got, series(1, uint64(len(got)))); err != nil {
			return err
		}
		if len(got)%size != 0 || len(got) < seen {
			return fmt.Errorf("a reader saw %d signals after %d; batches have %d", len(got), seen, size)
		}
		seen = len(got)
		if ended {
			return log(ctx, s, series(1, batches*size))
		}
	}
}

var signalHostileCases = []testCase[sinks.SignalStore]{
	{name: "append-hostile", rule: "an invalid signal is ErrInvalid and nothing of its batch is stored", run: with(appendHostile)},
	{name: "append-limits", rule: "the longest texts, path and data are stored", run: with(func(ctx context.Context, s sinks.SignalStore) error {
		longest := strings.Repeat("n", sinks.MaxNameBytes)
		path := make([]string, sinks.MaxPathNames)
		for i := range path {
			path[i] = longest
		}
		batch := []sinks.Signal{
			{Sequence: 1, Time: origin, Name: longest, Key: strings.Repeat("k", sinks.MaxKeyBytes), Path: path, Data: content(1, sinks.MaxDataBytes)},
			{Sequence: 2, Time: origin, Name: "n", Data: content(2, sinks.MaxDataBytes)},
		}
		return all(s.Append(ctx, batch), log(ctx, s, batch))
	})},
}

func appendHostile(ctx context.Context, s sinks.SignalStore) error {
	long := make([]string, sinks.MaxPathNames+1)
	for i := range long {
		long[i] = "p"
	}
	changes := map[string]func(*sinks.Signal){
		"sequence 0":            func(o *sinks.Signal) { o.Sequence = 0 },
		"sequence beyond":       func(o *sinks.Signal) { o.Sequence = sinks.MaxSequence + 1 },
		"the greatest number":   func(o *sinks.Signal) { o.Sequence = math.MaxUint64 },
		"the previous sequence": func(o *sinks.Signal) { o.Sequence = 1 },
		"no name":               func(o *sinks.Signal) { o.Name = "" },
		"NUL in the name":       func(o *sinks.Signal) { o.Name = "a\x00b" },
		"a broken name":         func(o *sinks.Signal) { o.Name = "a\xffb" },
		"a long name":           func(o *sinks.Signal) { o.Name = strings.Repeat("n", sinks.MaxNameBytes+1) },
		"NUL in the key":        func(o *sinks.Signal) { o.Key = "\x00" },
		"a broken key":          func(o *sinks.Signal) { o.Key = "\xc3" },
		"a long key":            func(o *sinks.Signal) { o.Key = strings.Repeat("k", sinks.MaxKeyBytes+1) },
		"a long path":           func(o *sinks.Signal) { o.Path = long },
		"no name in the path":   func(o *sinks.Signal) { o.Path = []string{"a", ""} },
		"NUL in the path":       func(o *sinks.Signal) { o.Path = []string{"\x00"} },
		"a broken path":         func(o *sinks.Signal) { o.Path = []string{"\xed\xa0\x80"} },
		"long data":             func(o *sinks.Signal) { o.Data = make([]byte, sinks.MaxDataBytes+1) },
		"year 10000":            func(o *sinks.Signal) { o.Time = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"year 0":                func(o *sinks.Signal) { o.Time = time.Date(0, 12, 31, 0, 0, 0, 0, time.UTC) },
		"year 0 in UTC":         func(o *sinks.Signal) { o.Time = time.Date(1, 1, 1, 0, 0, 0, 0, time.FixedZone("", 3600)) },
	}
	for what, change := range changes {
		bad := signal(2)
		change(&bad)
		err := all(
			wantErr("Append with "+what, s.Append(ctx, []sinks.Signal{signal(1), bad}), sinks.ErrInvalid),
			log(ctx, s, nil),
		)
		if err != nil {
			return err
		}
	}
	return all(
		wantErr("Append in descending order", s.Append(ctx, []sinks.Signal{signal(3), signal(2)}), sinks.ErrInvalid),
		log(ctx, s, nil),
		last(ctx, s, 0),
	)
}
