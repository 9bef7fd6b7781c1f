package verify

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/streams"
)

// streamTally counts what histories of streams were made of.
type streamTally struct {
	Histories, Calls, Concurrent                                        int
	Stored, Duplicates, Conflicts, Reused, Full, Unknown, Gaps, Deleted int
}

func (t *streamTally) add(ops []porcupine.Operation) {
	t.Histories++
	t.Calls += len(ops)
	for i, a := range ops {
		in, out := a.Input.(streamOp), a.Output.(streamOut)
		switch {
		case out.Verdict == conflict:
			t.Conflicts++
		case out.Verdict == reused:
			t.Reused++
		case out.Verdict == full:
			t.Full++
		case out.Verdict == unknownOutcome:
			t.Unknown++
		case in.Kind == streamAppend && out.Duplicate:
			t.Duplicates++
		case in.Kind == streamAppend:
			t.Stored++
		case in.Kind == streamDelete:
			t.Deleted++
		case out.Gap != streams.Gap{}:
			t.Gaps++
		}
		for k, b := range ops {
			if i != k && a.Call < b.Return && b.Call < a.Return {
				t.Concurrent++
				break
			}
		}
	}
}

// checkStreams is nil if the calls took effect one at a time, each between call and return.
func checkStreams(r streamRules, epoch core.Epoch, ops []porcupine.Operation) error {
	switch verdict := porcupine.CheckOperationsTimeout(streamModel(r, epoch), ops, checkLimit); verdict {
	case porcupine.Illegal:
		return fmt.Errorf("not linearizable:\n%s", showStreams(r, ops))
	case porcupine.Unknown:
		return fmt.Errorf("undecided after %v:\n%s", checkLimit, showStreams(r, ops))
	}
	return nil
}

// streamHistory runs one history in this process. The clock yields inside of appends, and nothing depends on it.
func streamHistory(ctx context.Context, seed uint64, wrap func(streams.Log) streams.Log) (streamRules, core.Epoch, []porcupine.Operation, error) {
	rng := rand.New(rand.NewPCG(seed, 0))
	r := streamRules{Events: []uint64{3, 10, 10_000}[rng.IntN(3)], Refuse: rng.IntN(4) == 0, Keys: []int{3, 1000}[rng.IntN(2)]}
	var ticks atomic.Uint64
	o := streams.Options{
		Limits: streams.Limits{Events: int(r.Events)}, MaxKeys: r.Keys,
		Clock: func() time.Time {
			if mix(seed+ticks.Add(1))%3 > 0 {
				runtime.Gosched()
			}
			return time.Unix(1e9, 0)
		},
	}
	if r.Refuse {
		o.Limits.Full = streams.RefuseNew
	}
	l, err := streams.New(o)
	if err != nil {
		return r, core.Epoch{}, nil, err
	}
	defer func() { _ = l.Close() }()
	wrapped := wrap(l)
	clients := newStreamClients(seed, 6, streamMix{Streams: []string{"a", "b/c"}, Deletes: true},
		func(int) streams.Log { return wrapped }, l.Epoch())
	ops, err := streamCrowd(ctx, clients, 10)
	return r, l.Epoch(), ops, err
}

// linearizeStreams runs histories until one is wrong.
func linearizeStreams(ctx context.Context, seed uint64, histories int, wrap func(streams.Log) streams.Log) (t streamTally, err error) {
	for i := range histories {
		r, epoch, ops, err := streamHistory(ctx, mix(seed+uint64(i)), wrap)
		if err == nil {
			t.add(ops)
			err = checkStreams(r, epoch, ops)
		}
		if err != nil {
			return t, fmt.Errorf("history %d: %w", i, err)
		}
	}
	return t, nil
}

// TestStreamsAreLinearizable: to all who use it at once, a stream is a list with a version and a memory of keys.
// Every append with its expectation and its keys, every read, question and deletion takes effect at one moment.
func TestStreamsAreLinearizable(t *testing.T) {
	histories, err := envNumber("EPHEMERA_HISTORIES", pick[uint64](2000, 300, 150))
	must(t, err)
	tally, err := linearizeStreams(t.Context(), seedOf(t), int(histories), func(l streams.Log) streams.Log { return l })
	t.Logf("%+v", tally)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{
		tally.Stored, tally.Duplicates, tally.Conflicts, tally.Reused, tally.Full, tally.Gaps, tally.Deleted, tally.Concurrent - tally.Calls/4,
	} {
		if n <= 0 {
			t.Errorf("the test proves nothing: too little happened, or not at the same time: %+v", tally)
		}
	}
}

// TestStreamCheckerCatchesMistakes: each planted mistake is caught in every one of 20 runs.
func TestStreamCheckerCatchesMistakes(t *testing.T) {
	const runs = 20
	for name, wrap := range streamMistakes {
		t.Run(name, func(t *testing.T) {
			seed, most := seedOf(t), 0
			for run := range pick(runs, 3, 3) {
				tally, err := linearizeStreams(t.Context(), mix(seed)+uint64(run)<<32, 2000, wrap)
				if err == nil {
					t.Fatalf("run %d: not caught: %+v", run, tally)
				}
				most = max(most, tally.Histories)
			}
			t.Logf("caught at the latest by history %d", most)
		})
	}
}

// streamMistakes are logs that break a promise.
var streamMistakes = map[string]func(streams.Log) streams.Log{
	"check-then-append":  func(l streams.Log) streams.Log { return checkThenAppendStream{l} },
	"batch-in-pieces":    func(l streams.Log) streams.Log { return batchInPiecesStream{l} },
	"version-then-event": func(l streams.Log) streams.Log { return versionThenEvents{l} },
}

// checkThenAppendStream compares the version first and appends afterwards.
type checkThenAppendStream struct{ streams.Log }

func (l checkThenAppendStream) Append(ctx context.Context, a streams.Append) (streams.Result, error) {
	none := streams.Append{Stream: a.Stream, Expect: a.Expect}
	if none.Expect == streams.ExpectAny {
		return l.Log.Append(ctx, a)
	}
	i, err := l.Info(ctx, a.Stream)
	if err != nil {
		return streams.Result{}, err
	}
	holds := a.Expect == streams.ExpectVersion(i.Version) || a.Expect == streams.ExpectNoStream && !i.Exists || a.Expect == streams.ExpectExists && i.Exists
	if !holds {
		return l.Log.Append(ctx, a) // it tells the conflict
	}
	runtime.Gosched()
	a.Expect = streams.ExpectAny
	return l.Log.Append(ctx, a)
}

// batchInPiecesStream stores the events of a batch one by one.
type batchInPiecesStream struct{ streams.Log }

func (l batchInPiecesStream) Append(ctx context.Context, a streams.Append) (r streams.Result, err error) {
	if a.Key != "" || len(a.Events) == 1 || a.Expect != streams.ExpectAny {
		return l.Log.Append(ctx, a)
	}
	for i := range a.Events {
		one := a
		one.Events = a.Events[i : i+1]
		x, err := l.Log.Append(ctx, one)
		if err != nil {
			return x, err
		}
		if i == 0 {
			r = x
		}
		r.Last = x.Last
		runtime.Gosched()
	}
	return r, nil
}

// versionThenEvents answers with a version from before the events.
type versionThenEvents struct{ streams.Log }

func (l versionThenEvents) Read(ctx context.Context, r streams.Read) (streams.Page, error) {
	i, err := l.Info(ctx, r.Stream)
	if err != nil {
		return streams.Page{}, err
	}
	runtime.Gosched()
	p, err := l.Log.Read(ctx, r)
	p.Version = i.Version
	return p, err
}
