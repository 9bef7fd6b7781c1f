package filestore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

// A step of a script does one thing to a log.
type step struct {
	through uint64 // append up to here, if above 0
	trim    uint64 // or trim up to here
	acked   int    // the number of operations when it was acknowledged
	begunAt int    // the number of operations when it began
}

// script crosses borders of files, trims within one, trims whole ones away and trims everything.
func script() []step {
	return []step{
		{through: 3}, {through: 5}, {trim: 2}, {through: 6}, {through: 9}, {trim: 7}, {through: 10}, {trim: 10}, {through: 11},
	}
}

func crashSignal(n uint64) sinks.Signal {
	return sinks.Signal{
		Sequence: n, Time: time.Unix(int64(n), 0).UTC(), Name: fmt.Sprintf("s%d", n),
		Data: []byte(strings.Repeat(string(rune('a'+n)), 250)),
	}
}

func openCrash(t *testing.T, c *crashFS) sinks.SignalStore {
	t.Helper()
	s, err := tryCrash(t.Context(), c)
	if err != nil {
		t.Fatalf("opening after the crash: %v", err)
	}
	return s
}

func tryCrash(ctx context.Context, c *crashFS) (sinks.SignalStore, error) {
	o, err := (&Options{MaxFileBytes: 1 << 10}).complete()
	if err != nil {
		return nil, err
	}
	s, err := newSignals(ctx, c, o)
	if err != nil {
		return nil, err
	}
	return sinks.CheckedSignals(scheme, s), nil
}

func (s *step) run(ctx context.Context, store sinks.SignalStore, from uint64) error {
	if s.trim > 0 {
		return store.Trim(ctx, s.trim)
	}
	var batch []sinks.Signal
	for n := from + 1; n <= s.through; n++ {
		batch = append(batch, crashSignal(n))
	}
	return store.Append(ctx, batch)
}

// extent is what a log must hold: the signals above trimmed up to last.
type extent struct{ trimmed, last uint64 }

func (e extent) apply(s *step) extent {
	if s.trim > 0 {
		e.trimmed = s.trim
	} else {
		e.last = s.through
	}
	return e
}

// holds checks that a log is exactly one of the extents.
func holds(ctx context.Context, store sinks.SignalStore, allowed ...extent) (extent, error) {
	got, err := store.Read(ctx, 0, 1000)
	if err != nil {
		return extent{}, err
	}
	stat, err := store.Stat(ctx)
	if err != nil {
		return extent{}, err
	}
	for _, e := range allowed {
		if stat.Last != e.last || uint64(len(got)) != e.last-e.trimmed {
			continue
		}
		for i := range got {
			if !got[i].Equal(crashSignal(e.trimmed + 1 + uint64(i))) {
				return extent{}, fmt.Errorf("signal %d of %+v is %+v", i, e, got[i])
			}
		}
		return e, nil
	}
	var sequences []uint64
	for i := range got {
		sequences = append(sequences, got[i].Sequence)
	}
	return extent{}, fmt.Errorf("the log holds %v and says %+v; allowed are %+v", sequences, stat, allowed)
}

// play runs a script to its end and notes when each step was acknowledged.
func play(t *testing.T, c *crashFS, store sinks.SignalStore, steps []step) {
	t.Helper()
	var e extent
	for i := range steps {
		steps[i].begunAt = len(c.ops)
		if err := steps[i].run(t.Context(), store, e.last); err != nil {
			t.Fatal(err)
		}
		e = e.apply(&steps[i])
		steps[i].acked = len(c.ops)
	}
}

// allowedAt returns what a log may hold after a crash at operation n: what was acknowledged, and perhaps the step that
// was under way, which is next.
func allowedAt(steps []step, n int) (allowed []extent, next int) {
	var e extent
	for next = range steps {
		if steps[next].acked > n {
			break
		}
		e = e.apply(&steps[next])
		next++
	}
	allowed = []extent{e}
	if next < len(steps) && steps[next].begunAt < n {
		allowed = append(allowed, e.apply(&steps[next]))
	}
	return allowed, next
}

func TestSignalLogSurvivesPowerCuts(t *testing.T) {
	c := newCrashFS()
	steps := script()
	play(t, c, openCrash(t, c), steps)
	tried, again := 0, 0
	err := powerCuts(t, c, steps, func(state *crashFS, store sinks.SignalStore, found extent, next int) {
		// Going on must work, and a second crash must be as harmless; that is tried on a part.
		if tried%5 == 0 {
			again += goOn(t, state, store, found, steps[next:])
		}
		tried++
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d states after %d operations, %d after a second crash", tried, len(c.ops), again)
	if tried < 200 || again < 200 {
		t.Errorf("only %d and %d states were tried", tried, again)
	}
}

// powerCuts tries every state after every operation.
func powerCuts(t *testing.T, c *crashFS, steps []step, sound func(*crashFS, sinks.SignalStore, extent, int)) error {
	t.Helper()
	for n := range len(c.ops) + 1 {
		allowed, next := allowedAt(steps, n)
		for state := range c.states(n) {
			store, err := tryCrash(t.Context(), state)
			if err != nil {
				return fmt.Errorf("opening after a crash after operation %d of %d: %w", n, len(c.ops), err)
			}
			found, err := holds(t.Context(), store, allowed...)
			if err != nil {
				return fmt.Errorf("crash after operation %d of %d: %w", n, len(c.ops), err)
			}
			sound(state, store, found, next)
		}
	}
	return nil
}

// TestPowerCutsFindMissingSyncs proves that the states are hard enough: without any one kind of sync something is lost.
func TestPowerCutsFindMissingSyncs(t *testing.T) {
	for _, kind := range []string{"sync", "syncdir"} {
		c := newCrashFS()
		c.lie = kind
		steps := script()
		play(t, c, openCrash(t, c), steps)
		err := powerCuts(t, c, steps, func(*crashFS, sinks.SignalStore, extent, int) {})
		if err == nil {
			t.Errorf("nothing is lost although %s does nothing", kind)
		}
	}
}

// goOn repeats the step that was under way, finishes the script on a log that was recovered, and crashes again.
func goOn(t *testing.T, c *crashFS, store sinks.SignalStore, found extent, steps []step) (tried int) {
	t.Helper()
	steps = append([]step(nil), steps...)
	e := found
	begin := e
	for i := range steps {
		s := &steps[i]
		s.begunAt = len(c.ops)
		// The batch is repeated from before what was found: what is there must be skipped.
		if err := s.run(t.Context(), store, min(e.last, max(s.through, 3)-3)); err != nil {
			t.Fatalf("going on after a crash: %v", err)
		}
		e = e.apply(s)
		s.acked = len(c.ops)
	}
	if _, err := holds(t.Context(), store, e); err != nil {
		t.Fatalf("after going on: %v", err)
	}
	for n := 0; n <= len(c.ops); n += 3 {
		want := begin
		next := 0
		for next < len(steps) && steps[next].acked <= n {
			want = want.apply(&steps[next])
			next++
		}
		allowed := []extent{want}
		if next < len(steps) {
			allowed = append(allowed, want.apply(&steps[next]))
		}
		for k := range 3 {
			state := c.after(n, c.pending(n), func(int) int { return min(k, 1) })
			if _, err := holds(t.Context(), openCrash(t, state), allowed...); err != nil {
				t.Fatalf("second crash, after operation %d: %v", n, err)
			}
			tried++
		}
	}
	return tried
}

// TestSignalLogSurvivesFailures lets every operation fail, once or from then on for a while, and cuts the power after
// every step. Nothing that was acknowledged may be missing and nothing may be there twice.
func TestSignalLogSurvivesFailures(t *testing.T) {
	for _, lasts := range []int{1, 2, 5, 9} {
		for at := 0; ; at++ {
			c := newCrashFS()
			hit := false
			c.fail = func(n int) error {
				if n >= at && n < at+lasts {
					hit = true
					return errInjected
				}
				return nil
			}
			store := openCrash(t, c)
			var e extent
			steps := script()
			for i := range steps {
				insist(t, store, &steps[i], e)
				e = e.apply(&steps[i])
				if _, err := holds(t.Context(), store, e); err != nil {
					t.Fatalf("operation %d failed %d times, step %d: %v", at, lasts, i, err)
				}
				for state := range c.states(len(c.ops)) {
					found, err := tryCrash(t.Context(), state)
					if err == nil {
						_, err = holds(t.Context(), found, e)
					}
					if err != nil {
						t.Fatalf("operation %d failed %d times, power cut after step %d: %v", at, lasts, i, err)
					}
				}
			}
			if !hit {
				break
			}
		}
	}
}

// insist repeats a step until it succeeds.
func insist(t *testing.T, store sinks.SignalStore, s *step, e extent) {
	t.Helper()
	for range 100 {
		err := s.run(t.Context(), store, e.last)
		if err == nil {
			return
		}
		if !errors.Is(err, errInjected) {
			t.Fatalf("step %+v: %v", s, err)
		}
	}
	t.Fatalf("step %+v never succeeds", s)
}
