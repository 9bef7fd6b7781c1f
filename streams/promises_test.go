package streams_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/streams"
)

// nearAndFar runs a test with a log in this process, and with one over HTTP.
func nearAndFar(t *testing.T, o streams.Options, test func(t *testing.T, l streams.Log)) {
	t.Run("local", func(t *testing.T) { test(t, openLocal(t, o)) })
	t.Run("http", func(t *testing.T) { test(t, openClient(t, o)) })
}

func numbered(n int) streams.Event { return streams.Event{Data: fmt.Appendf(nil, `{"n":%d}`, n)} }

// together makes one call from several goroutines at once.
func together(callers int, call func(caller int)) {
	var gate, all sync.WaitGroup
	gate.Add(callers)
	for i := range callers {
		all.Go(func() {
			gate.Done()
			gate.Wait()
			call(i)
		})
	}
	all.Wait()
}

// TestCheckStoreAndRememberAreOneStep: of several appends with one key and one expected version, one stores and all the
// others are its duplicates. None is a conflict: that would be between storing and remembering.
func TestCheckStoreAndRememberAreOneStep(t *testing.T) {
	nearAndFar(t, streams.Options{}, func(t *testing.T, l streams.Log) {
		const callers, rounds = 6, 60
		for round := range rounds {
			var stored atomic.Int64
			together(callers, func(int) {
				r, err := l.Append(t.Context(), streams.Append{
					Stream: "a", Key: fmt.Sprint(round), Expect: streams.ExpectVersion(uint64(round)), Events: []streams.Event{numbered(round)},
				})
				if err != nil || r.First != uint64(round+1) {
					t.Errorf("round %d: %+v, %v", round, r, err)
				}
				if !r.Duplicate {
					stored.Add(1)
				}
			})
			if n := stored.Load(); n != 1 {
				t.Fatalf("round %d: %d appends stored", round, n)
			}
		}
		if i, err := l.Info(t.Context(), "a"); err != nil || i.Version != rounds {
			t.Errorf("version %d, %v", i.Version, err)
		}
	})
}

// TestKeyComesFirst: a repeated append gets its first result, although the stream has gone on, the expectation does not
// hold any more, and the limits have discarded what it stored.
func TestKeyComesFirst(t *testing.T) {
	nearAndFar(t, streams.Options{Limits: streams.Limits{Events: 2}}, func(t *testing.T, l streams.Log) {
		first := streams.Append{Stream: "a", Expect: streams.ExpectNoStream, Events: []streams.Event{{ID: "1", Data: []byte(`1`)}, {ID: "2", Data: []byte(`2`)}}}
		if _, err := l.Append(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			appendOne(t, l, "a")
		}
		if r, err := l.Append(t.Context(), first); err != nil || !r.Duplicate || r.First != 1 || r.Last != 2 {
			t.Errorf("%+v, %v", r, err)
		}
		first.Events[1].Data = []byte(`3`)
		_, err := l.Append(t.Context(), first)
		if k := (*streams.KeyError)(nil); !errors.As(err, &k) || !slices.Equal(k.Keys, []string{"2"}) {
			t.Errorf("another payload: %v", err)
		}
		if i, err := l.Info(t.Context(), "a"); err != nil || i.Version != 7 {
			t.Errorf("version %d, %v", i.Version, err)
		}
	})
}

// TestParity68_OneOfTwoWriters: of two writers with one expected version exactly one succeeds; the other is told where the
// stream is, and nothing of it is stored. The event of the first again stores nothing and gives the first result.
func TestParity68_OneOfTwoWriters(t *testing.T) {
	nearAndFar(t, streams.Options{}, func(t *testing.T, l streams.Log) {
		for round := range 40 {
			version := uint64(round)
			var won atomic.Int64
			together(2, func(writer int) {
				id := fmt.Sprint(round, "-", writer)
				a := streams.Append{Stream: "orders", Expect: streams.ExpectVersion(version), Events: []streams.Event{{ID: id, Data: []byte(`{}`)}}}
				r, err := l.Append(t.Context(), a)
				at := (*streams.ConflictError)(nil)
				switch {
				case err == nil && r.First == version+1:
					won.Add(1)
					if again, err := l.Append(t.Context(), a); err != nil || !again.Duplicate || again.First != r.First {
						t.Errorf("again: %+v, %v", again, err)
					}
				case !errors.As(err, &at) || at.Version != version+1:
					t.Errorf("round %d: %+v, %v", round, r, err)
				}
			})
			p, err := l.Read(t.Context(), streams.Read{Stream: "orders", From: version + 1})
			if err != nil || won.Load() != 1 || len(p.Events) != 1 || p.Version != version+1 {
				t.Fatalf("round %d: %d won, page %+v, %v", round, won.Load(), p, err)
			}
		}
	})
}

// TestVersionsNeverFall: not when number, bytes, age, lower limits or a deletion discard events.
func TestVersionsNeverFall(t *testing.T) {
	var now atomic.Int64
	o := streams.Options{
		Limits: streams.Limits{Events: 5, Bytes: 1000, Age: time.Minute},
		Clock:  func() time.Time { return time.Unix(1e9+now.Load(), 0) },
	}
	nearAndFar(t, o, func(t *testing.T, l streams.Log) {
		want := uint64(0)
		check := func(events int, what string) {
			t.Helper()
			i, err := l.Info(t.Context(), "a")
			p, err2 := l.Read(t.Context(), streams.Read{Stream: "a", From: 1})
			if err := errors.Join(err, err2); err != nil || i.Version != want || i.Events != events || p.Version != want || len(p.Events) != events {
				t.Errorf("%s: info %+v, page of version %d with %d events, %v; want version %d and %d events", what, i, p.Version, len(p.Events), err, want, events)
			}
			if p.Gap == nil || p.Gap.From != 1 || p.Gap.To != want-uint64(events) {
				t.Errorf("%s: gap %+v", what, p.Gap)
			}
		}
		for range 9 {
			appendOne(t, l, "a")
			want++
		}
		check(5, "number")
		large := streams.Event{Data: []byte(`"` + strings.Repeat("x", 700) + `"`)}
		if _, err := l.Append(t.Context(), streams.Append{Stream: "a", Events: []streams.Event{large}}); err != nil {
			t.Fatal(err)
		}
		want++
		check(3, "bytes") // 702 and twice 1, and three times 96
		now.Add(3600)
		check(0, "age")
		appendOne(t, l, "a")
		appendOne(t, l, "a")
		want += 2
		if err := l.SetLimits(t.Context(), "a", streams.Limits{Events: 1}); err != nil {
			t.Fatal(err)
		}
		check(1, "lower limits")
		deleteStream(t, l, "a")
		check(0, "deletion")
		appendOne(t, l, "a")
		want++
		check(1, "begun again")
	})
}

// TestEveryReplyCarriesTheEpoch: and another log has another one.
func TestEveryReplyCarriesTheEpoch(t *testing.T) {
	seen := map[core.Epoch]bool{}
	nearAndFar(t, streams.Options{Limits: streams.Limits{Events: 1}}, func(t *testing.T, l streams.Log) {
		ctx := t.Context()
		epoch := appendOne(t, l, "a").Epoch
		appendOne(t, l, "a")
		i, err1 := l.Info(ctx, "a")
		p, err2 := l.Read(ctx, streams.Read{Stream: "a"})
		none, err3 := l.Read(ctx, streams.Read{Stream: "none"})
		list, err4 := l.List(ctx, "", "", 0)
		sum, err5 := l.Aggregate(ctx, streams.Aggregate{Stream: "a"})
		if err := errors.Join(err1, err2, err3, err4, err5); err != nil || len(list) != 1 {
			t.Fatal(err, list)
		}
		_, err := l.Append(ctx, streams.Append{Stream: "a", Expect: streams.ExpectNoStream, Events: []streams.Event{numbered(1)}})
		at := (*streams.ConflictError)(nil)
		if !errors.As(err, &at) {
			t.Fatal(err)
		}
		epochs := []core.Epoch{i.Epoch, p.Epoch, none.Epoch, list[0].Epoch, sum.Epoch, at.Epoch}
		for m, err := range l.Subscribe(ctx, streams.Subscription{Pattern: "a", After: map[string]streams.Checkpoint{"a": {}}}) {
			if err != nil {
				t.Fatal(err)
			}
			if epochs = append(epochs, m.Epoch); m.Kind == streams.MessageCaughtUp {
				break
			}
		}
		if len(epochs) != 9 || epoch.IsZero() || seen[epoch] {
			t.Errorf("%d epochs of 9; %v", len(epochs), epoch)
		}
		for n, e := range epochs {
			if e != epoch {
				t.Errorf("reply %d carries epoch %v, not %v", n, e, epoch)
			}
		}
		seen[epoch] = true
		other := core.Epoch{1}
		_, err = l.Append(ctx, streams.Append{Stream: "a", Epoch: other, Events: []streams.Event{numbered(1)}})
		if !errors.Is(err, streams.ErrConflict) {
			t.Errorf("an append for another epoch: %v", err)
		}
	})
}

// TestBatchIsWholeOrNothing: whoever reads beside a writer of batches finds all of a batch or nothing, the limits included,
// and a batch with one bad event leaves nothing.
func TestBatchIsWholeOrNothing(t *testing.T) {
	const size, keep = 100, 1000
	nearAndFar(t, streams.Options{Limits: streams.Limits{Events: keep}}, func(t *testing.T, l streams.Log) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var reads atomic.Int64
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				for ctx.Err() == nil {
					p, err := l.Read(t.Context(), streams.Read{Stream: "a", Limit: keep})
					if err != nil || p.Version%size != 0 || len(p.Events)%size != 0 || uint64(len(p.Events)) != min(p.Version, keep) {
						t.Errorf("version %d with %d events, %v", p.Version, len(p.Events), err)
						return
					}
					reads.Add(1)
				}
			})
		}
		batch := make([]streams.Event, size)
		for n := 0; n < 30 || reads.Load() < 30 && !t.Failed(); n++ {
			for i := range batch {
				batch[i] = numbered(n*size + i)
			}
			if n%3 == 2 {
				batch[size-1].Data = []byte(`{"n":NaN}`)
			}
			_, err := l.Append(t.Context(), streams.Append{Stream: "a", Events: batch})
			if bad := n%3 == 2; bad != errors.Is(err, streams.ErrInvalid) || !bad && err != nil {
				t.Errorf("batch %d: %v", n, err)
			}
		}
		cancel()
		all.Wait()
	})
}
