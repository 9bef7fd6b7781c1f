package filestore

import (
	"errors"
	"testing"

	"github.com/ephemera-go/ephemera/sinks"
)

// TestKilledThenPowerCut kills the process after every operation. Its successor, which comes then or has been following all
// the time, sees what was written but never synced, repeats the step and acknowledges it; then the power is cut. What was
// only seen must have become durable.
func TestKilledThenPowerCut(t *testing.T) {
	for _, follows := range []bool{false, true} {
		killedThenPowerCut(t, follows)
	}
}

func killedThenPowerCut(t *testing.T, follows bool) {
	t.Helper()
	for at := 0; ; at++ {
		c := newCrashFS()
		c.fail = func(n int) error {
			if n == at {
				c.dead = true
				return errKilled
			}
			return nil
		}
		store := openCrash(t, c)
		if c.dead {
			t.Fatal("opening does something")
		}
		next := openCrash(t, c)
		steps := script()
		var e extent
		for i := range steps {
			// It also writes, though nothing, so that it has synced what it saw.
			if err := next.Trim(t.Context(), 0); errors.Is(err, errKilled) {
				c.dead, c.fail = false, nil
			} else if err != nil {
				t.Fatal(err)
			}
			err := steps[i].run(t.Context(), store, e.last)
			if errors.Is(err, errKilled) {
				c.dead, c.fail = false, nil
				if store = next; !follows {
					store = openCrash(t, c)
				}
				if _, err := holds(t.Context(), store, e, e.apply(&steps[i])); err != nil {
					t.Fatalf("killed at operation %d, step %d: %v", at, i, err)
				}
				err = steps[i].run(t.Context(), store, e.last)
			}
			if err != nil {
				t.Fatalf("killed at operation %d, step %d: %v", at, i, err)
			}
			e = e.apply(&steps[i])
			// The successor may have found everything done, so a cut right after its reply is the hard case.
			for k := range 2 {
				state := c.after(len(c.ops), c.pending(len(c.ops)), func(int) int { return k * leaveFront })
				if _, err := holds(t.Context(), openCrash(t, state), e); err != nil {
					t.Fatalf("killed at operation %d, power cut after step %d: %v", at, i, err)
				}
			}
		}
		if at >= len(c.ops) {
			break
		}
	}
}

// TestOthersGoOnAfterFailure lets one handle fail in a way that it cannot undo. Another handle goes on; then the first
// one comes back. Neither loses what it acknowledged.
func TestOthersGoOnAfterFailure(t *testing.T) {
	same := []sinks.Signal{crashSignal(2)}
	other := []sinks.Signal{crashSignal(2), crashSignal(3)}
	for name, theirs := range map[string][]sinks.Signal{"nothing": nil, "the same": same, "more": other} {
		// The write succeeds, its sync fails, and so does the truncation; or the write itself breaks off.
		for _, first := range []string{"sync", "write"} {
			c := newCrashFS()
			a, b := openCrash(t, c), openCrash(t, c)
			if err := a.Append(t.Context(), []sinks.Signal{crashSignal(1)}); err != nil {
				t.Fatal(err)
			}
			begin := len(c.ops)
			c.fail = func(n int) error {
				if n >= begin && (first == "write" || n > begin) {
					return errInjected
				}
				return nil
			}
			if err := a.Append(t.Context(), same); !errors.Is(err, sinks.ErrUnknownOutcome) {
				t.Fatalf("a failure that cannot be undone returned %v", err)
			}
			if err := a.Append(t.Context(), same); !errors.Is(err, errInjected) {
				t.Fatalf("repeating it on a broken disk returned %v", err)
			}
			c.fail = nil
			if _, err := holds(t.Context(), a, extent{0, 1}, extent{0, 2}); err != nil {
				t.Errorf("%s, %s: %v", name, first, err)
			}
			last := uint64(1)
			if theirs != nil {
				if err := b.Append(t.Context(), theirs); err != nil {
					t.Fatal(err)
				}
				last = theirs[len(theirs)-1].Sequence
			}
			if err := a.Append(t.Context(), []sinks.Signal{crashSignal(1), crashSignal(2), crashSignal(3), crashSignal(4)}); err != nil {
				t.Fatalf("%s, %s: %v (the other is at %d)", name, first, err, last)
			}
			for _, s := range []sinks.SignalStore{a, b} {
				if _, err := holds(t.Context(), s, extent{0, 4}); err != nil {
					t.Errorf("%s, %s: %v", name, first, err)
				}
			}
			state := c.after(len(c.ops), c.pending(len(c.ops)), func(int) int { return leaveNone })
			if _, err := holds(t.Context(), openCrash(t, state), extent{0, 4}); err != nil {
				t.Errorf("%s, %s, power cut: %v", name, first, err)
			}
		}
	}
}

// TestNewFileAfterFailure goes on in a new file after a failed sync: pages that the kernel dropped are not used again.
func TestNewFileAfterFailure(t *testing.T) {
	c := newCrashFS()
	s := openCrash(t, c)
	if err := s.Append(t.Context(), []sinks.Signal{crashSignal(1)}); err != nil {
		t.Fatal(err)
	}
	failing := len(c.ops) + 1
	c.fail = func(n int) error {
		if n == failing {
			return errInjected
		}
		return nil
	}
	if err := s.Append(t.Context(), []sinks.Signal{crashSignal(2)}); !errors.Is(err, errInjected) || errors.Is(err, sinks.ErrUnknownOutcome) {
		t.Fatalf("a failed sync that was undone returned %v", err)
	}
	if err := s.Append(t.Context(), []sinks.Signal{crashSignal(2)}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Lstat(logName(2)); err != nil {
		t.Error(err)
	}
	if _, err := holds(t.Context(), s, extent{0, 2}); err != nil {
		t.Error(err)
	}
}
