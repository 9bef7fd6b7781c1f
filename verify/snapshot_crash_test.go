package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"testing"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/memstore"
	"github.com/ephemera-go/ephemera/snapshot"
)

// survive opens every state of a trace and returns how many there were. Of every so many that were recovered it crashes the
// recovery too.
func survive(ctx context.Context, h *trace, torn bool, again int) (states, compound int, err error) {
	v := survivor{h}
	err = h.crashes(torn, func(c crash) error {
		states++
		next, err := v.check(ctx, c)
		if err != nil || again == 0 || states%again != 0 {
			return err
		}
		w := survivor{next}
		return next.crashes(torn, func(c crash) error {
			compound++
			_, err := w.check(ctx, c)
			return err
		})
	})
	return states, compound, err
}

// TestSnapshotCrashStates opens every state that the end of a program may leave, after any of its operations on blobs and
// with any part of those that were under way: what was acknowledged is there, whole, and nothing else. The recovery ends
// early too.
func TestSnapshotCrashStates(t *testing.T) {
	t.Parallel()
	total := 0
	for keep := 1; keep <= 2; keep++ {
		c, err := chronicleOf(t.Context(), keep, pick(3, 3, 2))
		must(t, err)
		states, compound, err := survive(t.Context(), c.trace, false, pick(50, 100, 500))
		if err != nil {
			t.Fatalf("keep %d: %v", keep, err)
		}
		t.Logf("keep %d: %d states after %d steps, %d of recoveries", keep, states, len(c.steps), compound)
		total += states
	}
	if total < pick(5000, 5000, 2000) {
		t.Errorf("only %d states were tried", total)
	}
}

// TestSnapshotCrashStatesTorn is about drivers that break their word and leave in part what was being put. What was
// acknowledged is found all the same, and saving goes on.
func TestSnapshotCrashStatesTorn(t *testing.T) {
	t.Parallel()
	c, err := chronicleOf(t.Context(), 2, 3)
	must(t, err)
	states, _, err := survive(t.Context(), c.trace, true, 0)
	must(t, err)
	t.Logf("%d states after %d steps", states, len(c.steps))
}

// TestSnapshotMutants makes sure that the states tell: each mistake in the protocol leaves one that is found out.
func TestSnapshotMutants(t *testing.T) {
	t.Parallel()
	c, err := chronicleOf(t.Context(), 1, 3)
	must(t, err)
	if _, _, err := survive(t.Context(), c.trace, false, 0); err != nil {
		t.Fatalf("without a mistake: %v", err)
	}
	steps := c.steps
	for name, mistake := range protocolMistakes() {
		t.Run(name, func(t *testing.T) {
			c.steps = slices.Clone(steps)
			made := mistake(c.trace)
			states, _, err := survive(t.Context(), c.trace, false, 0)
			if made == 0 || err == nil {
				t.Fatalf("made %d times and not found in %d states", made, states)
			}
			t.Logf("found in state %d: %v", states, err)
		})
	}
}

// TestSnapshotCopyCrashStates ends Copy after any of its operations. What is at the target then is whole snapshots, or
// none; no position is given there that was given at the source; and Copy goes on where it ended.
func TestSnapshotCopyCrashStates(t *testing.T) {
	t.Parallel()
	c, err := chronicleOf(t.Context(), 3, 3)
	must(t, err)
	// The second program has opened what the first one left, and has appended, but not saved.
	at := slices.IndexFunc(c.steps, func(s step) bool { return s.about("put", "/opened/") }) + 2
	source := crash{blobs: map[string][]byte{}}
	for _, s := range c.steps[:at] {
		s.apply(source.blobs)
	}
	from, err := source.space(t.Context())
	must(t, err)
	rec := &recorder{BlobStore: new(memstore.Space).OpenBlobs()}
	if _, err := snapshot.Copy(t.Context(), from.OpenBlobs(), rec, snapshot.CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	target := &trace{steps: rec.steps}
	states := 0
	must(t, target.crashes(false, func(x crash) error {
		states++
		return copied{c.trace, at}.check(t.Context(), from, x)
	}))
	t.Logf("%d states after %d steps", states, len(rec.steps))
}

// copied checks the target of a copy.
type copied struct {
	*trace
	at int // steps that the source had seen
}

func (c copied) check(ctx context.Context, from *memstore.Space, x crash) error {
	space, err := x.space(ctx)
	if err != nil {
		return err
	}
	to := space.OpenBlobs()
	found, err := snapshot.Verify(ctx, to, snapshot.DefaultName, nil)
	if err != nil {
		return err
	}
	if n := len(found.Snapshots); n > 0 {
		// The first save of a trace has ordinal 1.
		if err := c.open(ctx, to, c.pictures[found.Snapshots[n-1].Ordinal-1]); err != nil {
			return err
		}
	}
	again, err := x.space(ctx)
	if err != nil {
		return err
	}
	_, err = snapshot.Copy(ctx, from.OpenBlobs(), again.OpenBlobs(), snapshot.CopyOptions{})
	return errors.Join(err, sameBlobs(ctx, from.OpenBlobs(), again.OpenBlobs()))
}

func (c copied) open(ctx context.Context, to sinks.BlobStore, want picture) error {
	o := tryingOnce()
	o.NoLease = true
	saver, err := snapshot.Open(ctx, to, tracedOptions(), o)
	if err != nil {
		return err
	}
	defer func() { _ = saver.Store().Close() }()
	if got := pictureOf(saver.Store()); got.print() != want.print() {
		return fmt.Errorf("found %v instead of %v", got, want)
	}
	_, err = survivor{c.trace}.goOn(saver.Store(), c.at, 0)
	return err
}

// sameBlobs compares two stores byte by byte.
func sameBlobs(ctx context.Context, a, b sinks.BlobStore) error {
	one, err := allBlobs(ctx, a)
	if err != nil {
		return err
	}
	two, err := allBlobs(ctx, b)
	if err != nil {
		return err
	}
	if !maps.EqualFunc(one, two, bytes.Equal) {
		return fmt.Errorf("blobs %v on one side, %v on the other", slices.Sorted(maps.Keys(one)), slices.Sorted(maps.Keys(two)))
	}
	return nil
}

func allBlobs(ctx context.Context, b sinks.BlobStore) (map[string][]byte, error) {
	list, err := b.List(ctx, "", "", 0)
	all := map[string][]byte{}
	for _, x := range list {
		r, _, err := b.Open(ctx, x.Name)
		if err != nil {
			return nil, err
		}
		all[x.Name], err = io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil {
			return nil, err
		}
	}
	return all, err
}
