package sinks_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/faultstore"
	"github.com/ephemera-go/ephemera/sinks/memstore"
)

func hold(t *testing.T, rules string, ttl time.Duration) (*sinks.Lease, *faultstore.Plan, *memstore.Space, sinks.SignalStore) {
	t.Helper()
	plan, err := faultstore.Parse(rules)
	if err != nil {
		t.Fatal(err)
	}
	space := new(memstore.Space)
	store := faultstore.Signals(space.OpenSignals(), plan)
	lease, err := sinks.Hold(t.Context(), store, sinks.Claim{Owner: "holder", TTL: ttl})
	if err != nil {
		t.Fatal(err)
	}
	return lease, plan, space, store
}

func wait(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(time.Minute):
		t.Fatalf("%s does not happen", what)
	}
}

func TestHoldRenews(t *testing.T) {
	t.Parallel()
	lease, plan, space, store := hold(t, "renew:1 error io", 6*time.Second)
	if lease.Generation() != 1 {
		t.Errorf("generation %d", lease.Generation())
	}
	// The first renewal fails; the second comes in time all the same.
	wait(t, "the second renewal", plan.Reached("renew", 2))
	if err := lease.Err(); err != nil {
		t.Errorf("lost: %v", err)
	}
	other := space.OpenSignals()
	if _, err := sinks.Hold(t.Context(), other, sinks.Claim{Owner: "other"}); !errors.Is(err, sinks.ErrLeased) {
		t.Errorf("a second holder: %v", err)
	}
	if err := errors.Join(lease.Close(), lease.Close()); err != nil {
		t.Error(err)
	}
	if err := lease.Err(); !errors.Is(err, sinks.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	wait(t, "the end of the lease", lease.Done())
	if _, err := sinks.Acquire(t.Context(), other, sinks.Claim{Owner: "other"}); err != nil {
		t.Errorf("acquiring after Close: %v", err)
	}
	if err := errors.Join(store.Close(), other.Close()); err != nil {
		t.Error(err)
	}
}

func TestHoldNoticesTakeover(t *testing.T) {
	lease, plan, space, store := hold(t, "renew:1 stall", 30*time.Millisecond)
	select {
	case <-plan.Reached("renew", 1):
	case <-lease.Done(): // a machine that is very busy may not even get to the first attempt in time
	case <-time.After(time.Minute):
		t.Fatal("the first renewal does not happen")
	}
	other := space.OpenSignals()
	for {
		_, err := sinks.Acquire(t.Context(), other, sinks.Claim{Owner: "other"})
		if err == nil {
			break
		}
		if !errors.Is(err, sinks.ErrLeased) {
			t.Fatal(err)
		}
	}
	plan.Clear()
	wait(t, "the loss", lease.Done())
	if err := lease.Err(); err == nil {
		t.Error("lost without a cause")
	}
	if err := store.Append(t.Context(), []sinks.Signal{{Sequence: 1, Name: "late"}}); !errors.Is(err, sinks.ErrFenced) {
		t.Errorf("a late write returned %v", err)
	}
	if err := lease.Close(); err != nil {
		t.Errorf("closing a lost lease: %v", err)
	}
}

func TestHoldGivesUp(t *testing.T) {
	lease, _, _, _ := hold(t, "renew:* error io", 30*time.Millisecond)
	wait(t, "the loss", lease.Done())
	// A machine that is very busy may not even get to the first attempt in time.
	if err := lease.Err(); !errors.Is(err, faultstore.ErrInjected) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("cause %v", err)
	}
	if err := lease.Close(); err != nil {
		t.Error(err)
	}
}

// hung is a store whose disk does not answer: after Acquire no call returns, whatever becomes of its context.
type hung struct {
	sinks.SignalStore
	answer chan struct{}
}

func (h *hung) Acquire(context.Context, sinks.Claim) (uint64, error) { return 1, nil }

func (h *hung) Renew(context.Context) error { return h.hang() }

func (h *hung) Release(context.Context) error { return h.hang() }

func (h *hung) hang() error {
	<-h.answer
	return nil
}

// TestHoldOnAHungStore: the holder learns in time that it may have lost the lease, and can go on.
func TestHoldOnAHungStore(t *testing.T) {
	h := &hung{answer: make(chan struct{})}
	defer close(h.answer)
	lease, err := sinks.Hold(t.Context(), h, sinks.Claim{TTL: 30 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	wait(t, "the loss", lease.Done())
	if err := lease.Err(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("cause %v", err)
	}
	if err := lease.Close(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("closing returned %v", err)
	}
}

func TestHoldNoticesClose(t *testing.T) {
	lease, _, _, store := hold(t, "", 30*time.Millisecond)
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	wait(t, "the loss", lease.Done())
	if err := lease.Err(); !errors.Is(err, sinks.ErrClosed) {
		t.Errorf("cause %v", err)
	}
	if err := lease.Close(); err != nil {
		t.Error(err)
	}
}

// plain hides everything beyond the contract.
type plain struct{ sinks.SignalStore }

// named reports whether the error says in one *Error what failed.
func named(err error) bool {
	var known, inner *sinks.Error
	return errors.As(err, &known) && known.Op != "" && known.Driver != "" && !errors.As(known.Err, &inner)
}

func TestUnsupported(t *testing.T) {
	bare := plain{new(memstore.Space).OpenSignals()}
	if err := sinks.Renew(t.Context(), bare); !errors.Is(err, errors.ErrUnsupported) || !named(err) {
		t.Errorf("of a bare store: %v", err)
	}
	s := sinks.CheckedSignals("plain", bare)
	if _, err := sinks.Prune(t.Context(), s, time.Time{}, 1, 0); !errors.Is(err, sinks.ErrInvalid) || !named(err) {
		t.Errorf("prune nothing: %v", err)
	}
	_, acquire := sinks.Acquire(t.Context(), s, sinks.Claim{})
	_, hold := sinks.Hold(t.Context(), s, sinks.Claim{})
	for op, err := range map[string]error{
		"acquire": acquire, "hold": hold, "renew": sinks.Renew(t.Context(), s), "release": sinks.Release(t.Context(), s),
		"verify": sinks.Verify(t.Context(), s),
	} {
		if !errors.Is(err, errors.ErrUnsupported) || !named(err) {
			t.Errorf("%s returned %v", op, err)
		}
	}
}

func TestClaimLimits(t *testing.T) {
	s := new(memstore.Space).OpenSignals()
	for _, c := range []sinks.Claim{{TTL: -1}, {TTL: time.Millisecond}, {TTL: 25 * time.Hour}, {Owner: "\xff"}, {Owner: string(make([]byte, 129))}} {
		_, acquire := sinks.Acquire(t.Context(), s, c)
		_, hold := sinks.Hold(t.Context(), s, c)
		if !errors.Is(acquire, sinks.ErrInvalid) || !errors.Is(hold, sinks.ErrInvalid) || !named(acquire) || !named(hold) {
			t.Errorf("%+v: %v, %v", c, acquire, hold)
		}
	}
}

// TestPruneFallback compares reading and trimming with a driver's own way.
func TestPruneFallback(t *testing.T) {
	ctx := context.Background()
	begin := time.Unix(0, 0)
	build := func() sinks.SignalStore {
		s := new(memstore.Space).OpenSignals()
		var batch []sinks.Signal
		for n := range uint64(2500) {
			batch = append(batch, sinks.Signal{Sequence: n + 1, Name: "n", Time: begin.Add(time.Duration(n%1700) * time.Second)})
		}
		if err := s.Append(ctx, batch); err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, before := range []time.Time{{}, begin, begin.Add(1500 * time.Second), begin.Add(1700 * time.Second), begin.Add(time.Hour)} {
		for _, keep := range []uint64{0, 1, 700, 2500, 9999} {
			for _, atMost := range []int{1, 999, 1000, 1001, 1 << 30} {
				own, plain := build(), plain{build()}
				n, err := sinks.Prune(ctx, own, before, keep, atMost)
				m, errPlain := sinks.Prune(ctx, plain, before, keep, atMost)
				a, errA := own.Stat(ctx)
				b, errB := plain.Stat(ctx)
				if err := errors.Join(err, errPlain, errA, errB); err != nil || n != m || a != b || n != 2500-int(a.Count) {
					t.Errorf("before %v, keep %d, at most %d: removed %d and %d, left %+v and %+v, error %v", before, keep, atMost, n, m, a, b, err)
				}
			}
		}
	}
}
