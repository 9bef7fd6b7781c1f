package verify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/faultstore"
	"github.com/ephemera-go/ephemera/snapshot"
)

// A fault makes the k-th of some operations fail.
type fault struct {
	op       string // that is counted
	rule     string // with the number in the place of %d
	attempts int    // of a blob
}

var everyFault = []fault{
	{"*", "*:%d error io", 1},
	{"*", "*:%d error io", 3},
	{"*", "*:%d+ error io", 2},
	{"*", "*:%d lost-reply", 1},
	{"*", "*:%d lost-reply", 3},
	{"put", "put:%d partial 10 bytes full", 1},
	{"put", "put:%d+ partial 10 bytes full", 2},
	{"open", "open:%d partial 30 bytes io", 1},
}

// mostCalls bounds what a deed may do: more means that the counting never ends.
const mostCalls = 500

// failAt lets one call fail, and reports whether there was such a call.
func failAt(ctx context.Context, d deed, r *faulted, f fault, k uint64) (fired bool, err error) {
	b := r.plain
	// Calls before the deed are counted first.
	var plan *faultstore.Plan
	turn := &turnout{to: b}
	r.faulty = turn
	result, again, err := d.do(ctx, r, func() {
		if plan, err = faultstore.Parse(fmt.Sprintf(f.rule, k)); err != nil {
			panic(err)
		}
		turn.to = faultstore.Blobs(b, plan)
	})
	if err != nil {
		return false, err
	}
	fired = plan.Injected() > 0
	plan.Clear()
	var typed *snapshot.Error
	switch {
	case result != nil && !fired:
		return fired, fmt.Errorf("failed without a fault: %w", result)
	case result != nil && (!errors.As(result, &typed) || !errors.Is(result, faultstore.ErrInjected)):
		return fired, fmt.Errorf("the error does not tell the cause: %w", result)
	}
	if d.name != "copy to" {
		if err := r.found(ctx, b, false); err != nil {
			return fired, fmt.Errorf("after %w: %w", orNil(result), err)
		}
	}
	if err := again(); err != nil {
		return fired, fmt.Errorf("after %w, without the cause: %w", orNil(result), err)
	}
	return fired, nil
}

func orNil(err error) error {
	if err == nil {
		return errors.New("success")
	}
	return err
}

// A turnout leads to one store or another.
type turnout struct{ to sinks.BlobStore }

func (t *turnout) Put(ctx context.Context, name string, size int64, r io.Reader) error {
	return t.to.Put(ctx, name, size, r)
}

func (t *turnout) Open(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	return t.to.Open(ctx, name)
}

func (t *turnout) List(ctx context.Context, prefix, after string, limit int) ([]sinks.Blob, error) {
	return t.to.List(ctx, prefix, after, limit)
}

func (t *turnout) Delete(ctx context.Context, name string) error { return t.to.Delete(ctx, name) }

func (t *turnout) Close() error { return t.to.Close() }

func (t *turnout) Acquire(ctx context.Context, c sinks.Claim) (uint64, error) {
	return sinks.Acquire(ctx, t.to, c)
}

func (t *turnout) Renew(ctx context.Context) error { return sinks.Renew(ctx, t.to) }

func (t *turnout) Release(ctx context.Context) error { return sinks.Release(ctx, t.to) }

// TestSnapshotEveryFault lets every operation on blobs fail that a deed makes, once and for good, until a deed makes no
// more: it says so, or succeeds; what is found is never wrong; and when the cause is gone it succeeds.
func TestSnapshotEveryFault(t *testing.T) {
	t.Parallel()
	for _, p := range places() {
		t.Run(p.name, func(t *testing.T) {
			b := openPlace(t, p.url(t))
			runs := 0
			for _, d := range deeds() {
				for i, f := range everyFault {
					if !worthwhile(t, p.name, i) {
						continue
					}
					runs += failEvery(t, d, b, f, i)
				}
			}
			t.Logf("%d runs", runs)
		})
	}
}

// worthwhile leaves out on slow drivers what depends on the driver in no way, unless EPHEMERA_KILLS asks for more.
func worthwhile(t *testing.T, place string, i int) bool {
	t.Helper()
	if place == "mem" || place == "sqlite" && !testing.Short() || killsOr(t, 0) > 0 {
		return true
	}
	f := everyFault[i]
	return f.op == "*" && f.attempts == 1
}

func failEvery(t *testing.T, d deed, b sinks.BlobStore, f fault, i int) (runs int) {
	t.Helper()
	var r *faulted
	for k := uint64(1); ; k++ {
		if r == nil || !d.looks {
			r = &faulted{name: fmt.Sprintf("%s-%d-%d", strings.ReplaceAll(d.name, " ", "-"), i, k), plain: b, attempts: f.attempts}
			if d.name != "copy to" {
				must(t, r.prepare(t.Context()))
			}
		}
		fired, err := failAt(t.Context(), d, r, f, k)
		if err != nil {
			t.Errorf("%s, %s: %v", d.name, fmt.Sprintf(f.rule, k), err)
		}
		runs++
		if !fired {
			if k == 1 && (f.op == "*" || f.op == "open" && d.name != "close" && d.name != "save") {
				t.Errorf("%s: %s never happens", d.name, f.rule)
			}
			return runs
		}
		if k == mostCalls {
			t.Fatalf("%s: more than %d calls", d.name, k)
		}
	}
}
