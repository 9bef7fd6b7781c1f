package state_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ephemera-go/ephemera/server/internal/state"
	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/streams"
)

func options(dir string) state.Options {
	return state.Options{
		Streams: streams.Options{Limits: streams.Limits{Events: 10_000}, MaxStreams: 1000, MaxKeys: 1000, KeyAge: time.Hour},
		Data:    dir, Owner: "a test", Restore: state.Newest, MetricEvents: 1000, SignalCount: 100, SignalAge: time.Hour, Keep: 3,
		FinalTimeout: 10 * time.Second,
	}
}

func open(t *testing.T, o state.Options) *state.State {
	t.Helper()
	s, err := state.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s
}

func fill(t *testing.T, s *state.State) {
	t.Helper()
	_, err := s.Log.Append(t.Context(), streams.Append{Stream: "a", Events: []streams.Event{{Data: []byte("1")}, {Data: []byte("2")}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Metrics.Store().Append(state.Metric{Label: "cpu", Value: 3, Time: time.Now().UTC()}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Signals.Raise("order.completed", "17"); err != nil {
		t.Fatal(err)
	}
}

func check(t *testing.T, s *state.State, events, metrics, signals int) {
	t.Helper()
	page, err := s.Log.Read(t.Context(), streams.Read{Stream: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if got := [3]int{len(page.Events), s.Metrics.Store().Len(), s.Signals.Len()}; got != [3]int{events, metrics, signals} {
		t.Fatalf("events, metrics and signals: %v, want %v", got, [3]int{events, metrics, signals})
	}
}

func TestEverythingComesBack(t *testing.T) {
	dir := t.TempDir()
	s := open(t, options(dir))
	fill(t, s)
	epoch := s.Log.Epoch()
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	s = open(t, options(dir))
	check(t, s, 2, 1, 1)
	if s.Log.Epoch() != epoch {
		t.Error("the epoch ended although everything was saved")
	}
}

func TestOneProcessPerDataDirectory(t *testing.T) {
	dir := t.TempDir()
	open(t, options(dir))
	o := options(dir)
	o.Owner = "the second"
	_, err := state.Open(t.Context(), o)
	if !errors.Is(err, state.ErrHeld) || !errors.Is(err, sinks.ErrLeased) || !strings.Contains(err.Error(), "a test") {
		t.Fatalf("a second one got %v, which should name the first", err)
	}
}

func TestForeignDirectory(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "thesis.tex"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := state.Open(t.Context(), options(dir))
	if !errors.Is(err, state.ErrForeign) || !strings.Contains(err.Error(), "thesis.tex") {
		t.Fatalf("got %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("the directory was changed: %v, %v", entries, err)
	}
}

// TestUnfinishedMarker: a full disk or a crash may cut short the first file of a data directory, which is no reason not to start.
func TestUnfinishedMarker(t *testing.T) {
	for text, fine := range map[string]bool{"": true, "data dir": true, "data directory of ephemera, format 2\n": false, "x": false} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "EPHEMERA"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := state.Open(t.Context(), options(dir))
		if (err == nil) != fine || !fine && !errors.Is(err, state.ErrForeign) {
			t.Errorf("%q: %v", text, err)
		}
		if err != nil {
			continue
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		open(t, options(dir)) // it is whole now
	}
	dir := t.TempDir()
	for _, name := range []string{"EPHEMERA", "thesis.tex"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := state.Open(t.Context(), options(dir)); !errors.Is(err, state.ErrForeign) || !strings.Contains(err.Error(), "thesis.tex") {
		t.Errorf("got %v", err)
	}
}

// TestRestoredCopy: a directory that holds what a backup was copied to, and nothing else, becomes a data directory.
func TestRestoredCopy(t *testing.T) {
	from, dir := t.TempDir(), t.TempDir()
	s := open(t, options(from))
	fill(t, s)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "snapshots"), os.DirFS(filepath.Join(from, "snapshots"))); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(from, "signals.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "signals.db"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := state.CheckData(dir); err != nil {
		t.Error(err)
	}
	check(t, open(t, options(dir)), 2, 1, 1)
}

func TestNoCopy(t *testing.T) {
	for name, build := range map[string]func(dir string) error{
		"snapshots of others": func(dir string) error { return os.MkdirAll(filepath.Join(dir, "snapshots", "@hourly"), 0o700) },
		"more than blobs": func(dir string) error {
			return errors.Join(os.MkdirAll(filepath.Join(dir, "snapshots", "blobs"), 0o700), os.MkdirAll(filepath.Join(dir, "snapshots", "mine"), 0o700))
		},
		"signals of others": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "signals.db"), append([]byte("SQLite format 3\x00"), bytes.Repeat([]byte{0}, 1000)...), 0o600)
		},
		"a log alone": func(dir string) error { return os.WriteFile(filepath.Join(dir, "signals.db-wal"), nil, 0o600) },
		"a file beside": func(dir string) error {
			return errors.Join(os.MkdirAll(filepath.Join(dir, "snapshots", "blobs"), 0o700), os.WriteFile(filepath.Join(dir, "x"), nil, 0o600))
		},
	} {
		dir := t.TempDir()
		if err := build(dir); err != nil {
			t.Fatal(err)
		}
		if err := state.CheckData(dir); !errors.Is(err, state.ErrForeign) {
			t.Errorf("%s: got %v", name, err)
		}
		if _, err := state.Open(t.Context(), options(dir)); !errors.Is(err, state.ErrForeign) {
			t.Errorf("%s: got %v", name, err)
		}
		if _, err := os.Stat(filepath.Join(dir, "EPHEMERA")); err == nil {
			t.Errorf("%s: marked all the same", name)
		}
	}
}

func TestDataThatCannotBeWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{file, filepath.Join(file, "below")} {
		if _, err := state.Open(t.Context(), options(dir)); !errors.Is(err, state.ErrData) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

func manifests(t *testing.T, dir, name string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "snapshots", "blobs", name+"+", "manifests+", "*"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no manifest: %v", err)
	}
	return found
}

// blobs lists all of the snapshots.
func blobs(t *testing.T, dir string) []string {
	t.Helper()
	store, err := sinks.OpenBlobs(t.Context(), "file:"+filepath.Join(dir, "snapshots")+"?read_only=true")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	list, err := store.List(t.Context(), "", "", 0)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, b := range list {
		names = append(names, b.Name)
	}
	return names
}

// damage changes the manifest of the newest snapshot and returns its name.
func damage(t *testing.T, dir, of string) string {
	t.Helper()
	found := manifests(t, dir, of)
	name := found[len(found)-1]
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	content[len(content)/2] ^= 0x10
	if err := os.Chmod(name, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return filepath.Base(name)
}

func TestDamagedNewestSnapshot(t *testing.T) {
	dir := t.TempDir()
	s := open(t, options(dir))
	fill(t, s)
	if err := s.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
	fill(t, s)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	name := damage(t, dir, state.StreamsName)
	for range 2 { // refusing changes nothing
		_, err := state.Open(t.Context(), options(dir))
		if !errors.Is(err, state.ErrDamaged) || !errors.Is(err, sinks.ErrCorrupt) ||
			!strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "--restore=older") {
			t.Fatalf("got %v, which should name %s and the way out", err, name)
		}
	}
	o := options(dir)
	o.Restore = state.Older
	s = open(t, o)
	check(t, s, 2, 2, 2) // of the streams only, because the metrics were not damaged
	if got := s.Events.Report().Skipped; len(got) != 1 {
		t.Errorf("skipped: %v", got)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.Restore = state.Empty
	check(t, open(t, o), 0, 0, 2)
}

// TestFailedRestoreSavesNothing: what could be restored before something else could not is not saved again, also after a crash or
// when an older snapshot was asked for; each try would push out an older one.
func TestFailedRestoreSavesNothing(t *testing.T) {
	for name, damaged := range map[string]func(dir string) error{
		"metrics": func(dir string) error { damage(t, dir, state.MetricsName); return nil },
		"signals": func(dir string) error {
			for _, name := range []string{"signals.db-wal", "signals.db-shm"} {
				if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
					return err
				}
			}
			return os.WriteFile(filepath.Join(dir, "signals.db"), []byte(strings.Repeat("no database ", 1000)), 0o600)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, crashed := t.TempDir(), t.TempDir()
			s := open(t, options(dir))
			fill(t, s)
			if err := s.Save(t.Context()); err != nil {
				t.Fatal(err)
			}
			fill(t, s)
			if err := s.Save(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := os.CopyFS(crashed, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			for _, dir := range []string{dir, crashed} {
				if err := damaged(dir); err != nil {
					t.Fatal(err)
				}
				before := blobs(t, dir)
				for _, ordinals := range []map[string]uint64{nil, {state.StreamsName: 1}} {
					o := options(dir)
					o.Ordinals = ordinals
					if _, err := state.Open(t.Context(), o); !errors.Is(err, sinks.ErrCorrupt) {
						t.Error(err)
					}
				}
				if d := cmp.Diff(before, blobs(t, dir)); d != "" {
					t.Error(d)
				}
			}
		})
	}
}

func TestBadOptionsTogether(t *testing.T) {
	_, err := state.Open(t.Context(), state.Options{})
	for _, name := range []string{"Data", "Restore", "MetricEvents", "FinalTimeout"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not in %v", name, err)
		}
	}
}

func TestClearResetPurge(t *testing.T) {
	s := open(t, options(t.TempDir()))
	fill(t, s)
	if err := s.Clear(); err != nil {
		t.Fatal(err)
	}
	check(t, s, 0, 0, 1)
	fill(t, s)
	page, err := s.Log.Read(t.Context(), streams.Read{Stream: "a"})
	if err != nil || page.Version != 4 || page.Oldest != 3 {
		t.Fatalf("after Clear versions go on: %+v, %v", page, err)
	}
	if err := s.Purge(time.Now().Add(-time.Hour)); err != nil {
		t.Fatal(err)
	}
	check(t, s, 2, 1, 2)
	if err := s.Purge(time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	check(t, s, 0, 0, 2)
	if err := s.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	info, err := s.Log.Info(t.Context(), "a")
	if err != nil || info.Exists || info.Version != 4 {
		t.Fatalf("after Reset: %+v, %v", info, err)
	}
}
