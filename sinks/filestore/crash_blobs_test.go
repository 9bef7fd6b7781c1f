package filestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"testing"

	"github.com/ephemera-go/ephemera/sinks"
)

// A blobStep puts a blob, or deletes it when it has no content.
type blobStep struct {
	name           string
	content        []byte
	begunAt, acked int
}

func blobScript() []*blobStep {
	big := bytes.Repeat([]byte("0123456789abcdef"), 10_000) // two writes
	return []*blobStep{
		{name: "a/b", content: big},
		{name: "c", content: []byte("first")},
		{name: "a/b"},
		{name: "a/b", content: []byte("second")},
		{name: "a/d/e", content: []byte("deep")},
		{name: "a/d/f", content: []byte("beside")},
		{name: "c"},
		{name: "a/d/f"},
	}
}

func (s *blobStep) run(ctx context.Context, store sinks.BlobStore) error {
	if s.content == nil {
		return store.Delete(ctx, s.name)
	}
	return store.Put(ctx, s.name, int64(len(s.content)), bytes.NewReader(s.content))
}

func (s *blobStep) apply(blobs map[string][]byte) map[string][]byte {
	blobs = maps.Clone(blobs)
	if s.content == nil {
		delete(blobs, s.name)
	} else {
		blobs[s.name] = s.content
	}
	return blobs
}

func openCrashBlobs(ctx context.Context, c fsys) (sinks.BlobStore, error) {
	s, err := newBlobs(ctx, c, Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	return sinks.CheckedBlobs(scheme, s), nil
}

// holdsBlobs checks that a store holds exactly one of the allowed sets.
func holdsBlobs(ctx context.Context, store sinks.BlobStore, allowed ...map[string][]byte) error {
	list, err := store.List(ctx, "", "", 0)
	if err != nil {
		return err
	}
	found := make(map[string][]byte)
	for _, b := range list {
		r, size, err := store.Open(ctx, b.Name)
		if err != nil {
			return err
		}
		content, err := io.ReadAll(r)
		if err := errors.Join(err, r.Close()); err != nil || size != b.Size || size != int64(len(content)) {
			return fmt.Errorf("blob %s: sizes %d, %d, %d: %w", b.Name, b.Size, size, len(content), err)
		}
		found[b.Name] = content
	}
	for _, set := range allowed {
		if maps.EqualFunc(found, set, bytes.Equal) {
			return nil
		}
	}
	return fmt.Errorf("the store holds %d blobs (%v), which is none of the %d allowed sets", len(found), list, len(allowed))
}

func playBlobs(t *testing.T, c *crashFS) []*blobStep {
	t.Helper()
	store, err := openCrashBlobs(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	steps := blobScript()
	for _, s := range steps {
		s.begunAt = len(c.ops)
		if err := s.run(t.Context(), store); err != nil {
			t.Fatal(err)
		}
		s.acked = len(c.ops)
	}
	return steps
}

func blobPowerCuts(t *testing.T, c *crashFS, steps []*blobStep) (tried int, err error) {
	t.Helper()
	for n := range len(c.ops) + 1 {
		want := make(map[string][]byte)
		next := 0
		for next < len(steps) && steps[next].acked <= n {
			want = steps[next].apply(want)
			next++
		}
		allowed := []map[string][]byte{want}
		if next < len(steps) {
			allowed = append(allowed, steps[next].apply(want))
		}
		for state := range c.states(n) {
			tried++
			store, err := openCrashBlobs(t.Context(), state)
			if err == nil {
				err = holdsBlobs(t.Context(), store, allowed...)
			}
			if err != nil {
				return tried, fmt.Errorf("crash after operation %d of %d: %w", n, len(c.ops), err)
			}
			if err := finish(t.Context(), store, steps[next:]); err != nil {
				return tried, fmt.Errorf("going on after operation %d of %d: %w", n, len(c.ops), err)
			}
		}
	}
	return tried, nil
}

// finish repeats the step that was under way and takes the others.
func finish(ctx context.Context, store sinks.BlobStore, steps []*blobStep) error {
	for i, s := range steps {
		if err := s.run(ctx, store); err != nil && (i > 0 || !errors.Is(err, sinks.ErrExists)) {
			return err
		}
	}
	final := make(map[string][]byte)
	for _, s := range blobScript() {
		final = s.apply(final)
	}
	return holdsBlobs(ctx, store, final)
}

func TestBlobsSurvivePowerCuts(t *testing.T) {
	c := newCrashFS()
	steps := playBlobs(t, c)
	tried, err := blobPowerCuts(t, c, steps)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d states after %d operations", tried, len(c.ops))
	if tried < 1000 {
		t.Errorf("only %d states were tried", tried)
	}
}

func TestBlobPowerCutsFindMissingSyncs(t *testing.T) {
	for _, kind := range []string{"sync", "syncdir"} {
		c := newCrashFS()
		c.lie = kind
		if _, err := blobPowerCuts(t, c, playBlobs(t, c)); err == nil {
			t.Errorf("nothing is lost although %s does nothing", kind)
		}
	}
}

// TestBlobsSurviveFailures lets every operation fail and cuts the power at the end.
func TestBlobsSurviveFailures(t *testing.T) {
	for _, lasts := range []int{1, 3} {
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
			want := make(map[string][]byte)
			store := insistOpen(t, c)
			for _, s := range blobScript() {
				insistBlob(t, store, s)
				want = s.apply(want)
				if err := holdsBlobs(t.Context(), store, want); err != nil {
					t.Fatalf("operation %d failed %d times, blob %s: %v", at, lasts, s.name, err)
				}
			}
			state := c.after(len(c.ops), c.pending(len(c.ops)), func(int) int { return leaveNone })
			if err := holdsBlobs(t.Context(), insistOpen(t, state), want); err != nil {
				t.Fatalf("operation %d failed %d times, power cut at the end: %v", at, lasts, err)
			}
			if !hit {
				break
			}
		}
	}
}

func insistOpen(t *testing.T, c *crashFS) sinks.BlobStore {
	t.Helper()
	for range 10 {
		store, err := openCrashBlobs(t.Context(), c)
		if err == nil {
			return store
		}
		if !errors.Is(err, errInjected) {
			t.Fatal(err)
		}
	}
	t.Fatal("the store never opens")
	return nil
}

// insistBlob repeats a step until it succeeds. A name that is taken after a failure of unknown outcome is success.
func insistBlob(t *testing.T, store sinks.BlobStore, s *blobStep) {
	t.Helper()
	unknown := false
	for range 10 {
		err := s.run(t.Context(), store)
		if err == nil || unknown && errors.Is(err, sinks.ErrExists) {
			return
		}
		if !errors.Is(err, errInjected) {
			t.Fatalf("blob %s: %v", s.name, err)
		}
		unknown = unknown || errors.Is(err, sinks.ErrUnknownOutcome)
	}
	t.Fatalf("blob %s: it never succeeds", s.name)
}
