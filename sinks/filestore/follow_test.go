package filestore

import (
	"context"
	"errors"
	"testing"

	"github.com/ephemera-go/ephemera/sinks"
)

func openOn(t *testing.T, files fsys) sinks.SignalStore {
	t.Helper()
	o, err := (&Options{MaxFileBytes: 1 << 10}).complete()
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSignals(t.Context(), files, o)
	if err != nil {
		t.Fatal(err)
	}
	return sinks.CheckedSignals(scheme, s)
}

// TestFollowingCostsWhatIsNew: a handle that sees others begin new files reads those, and not the whole log again for each
// of them, with all writers waiting.
func TestFollowingCostsWhatIsNew(t *testing.T) {
	c := newCrashFS()
	writer := openOn(t, c)
	count := &countingFS{fsys: c}
	reader := openOn(t, count)
	e := extent{}
	for n := uint64(1); n <= 120; n++ {
		if err := writer.Append(t.Context(), []sinks.Signal{crashSignal(n)}); err != nil {
			t.Fatal(err)
		}
		if n%50 == 0 {
			e.trimmed = n - 20
			if err := writer.Trim(t.Context(), e.trimmed); err != nil {
				t.Fatal(err)
			}
		}
		e.last = n
		before := count.opened.Load()
		stat, err := reader.Stat(t.Context())
		if err != nil || stat.Last != e.last || stat.Count != e.last-e.trimmed || stat.First != e.trimmed+1 {
			t.Fatalf("after signal %d: %+v, %v", n, stat, err)
		}
		// A new file, and one that a trim ends in.
		if opened := count.opened.Load() - before; opened > 2 {
			t.Fatalf("signal %d: %d files were opened to see it", n, opened)
		}
	}
	if n := len(newestNumbers(t, c)); n < 5 {
		t.Fatalf("only %d files: that proves nothing", n)
	}
	for n := uint64(121); n <= 240; n++ { // many files behind
		if err := writer.Append(t.Context(), []sinks.Signal{crashSignal(n)}); err != nil {
			t.Fatal(err)
		}
	}
	// The reader takes over from what it has followed.
	e.last = 241
	if err := reader.Append(t.Context(), []sinks.Signal{crashSignal(240), crashSignal(241)}); err != nil {
		t.Fatal(err)
	}
	for _, s := range []sinks.SignalStore{reader, writer, openOn(t, c)} {
		if _, err := holds(t.Context(), s, e); err != nil {
			t.Error(err)
		}
	}
	state := c.after(len(c.ops), c.pending(len(c.ops)), func(int) int { return leaveNone })
	if _, err := holds(t.Context(), openOn(t, state), e); err != nil {
		t.Errorf("after a power cut: %v", err)
	}
}

func newestNumbers(t *testing.T, c *crashFS) []uint64 {
	t.Helper()
	numbers, err := (&signalStore{door: door{fs: c}}).numbers()
	if err != nil {
		t.Fatal(err)
	}
	return numbers
}

// TestFollowingFindsDamage: a file that was whole when the next one began must still be.
func TestFollowingFindsDamage(t *testing.T) {
	for what, spoil := range map[string]func(n *node){
		"a bit":    func(n *node) { n.data[len(n.data)-5] ^= 1 },
		"its end":  func(n *node) { n.resize(int64(len(n.data)) - 3) },
		"too long": func(n *node) { n.resize(int64(len(n.data)) + 3) },
		"records":  func(n *node) { n.resize(headerSize + (int64(len(n.data))-headerSize)/3) },
	} {
		c := newCrashFS()
		writer, reader := openOn(t, c), openOn(t, c)
		if err := writer.Append(t.Context(), []sinks.Signal{crashSignal(1)}); err != nil {
			t.Fatal(err)
		}
		if _, err := holds(t.Context(), reader, extent{0, 1}); err != nil {
			t.Fatal(err)
		}
		for n := uint64(2); n <= 9; n++ {
			if err := writer.Append(t.Context(), []sinks.Signal{crashSignal(n)}); err != nil {
				t.Fatal(err)
			}
		}
		id, err := c.existing(logName(1))
		if err != nil || len(c.nodes[id].data) != headerSize+3*(len(c.nodes[id].data)-headerSize)/3 {
			t.Fatal("the first file does not hold three records: ", err)
		}
		spoil(c.nodes[id])
		for range 2 {
			if _, err := reader.Stat(t.Context()); !errors.Is(err, sinks.ErrCorrupt) {
				t.Errorf("%s: Stat returned %v", what, err)
			}
		}
		if err := reader.Append(t.Context(), []sinks.Signal{crashSignal(10)}); !errors.Is(err, sinks.ErrCorrupt) {
			t.Errorf("%s: Append returned %v", what, err)
		}
	}
}

// endingFS ends a context while the log is being read.
type endingFS struct {
	fsys
	left   int // reads
	cancel context.CancelFunc
}

type endingFile struct {
	file
	fs *endingFS
}

func (e *endingFS) Open(name string) (file, error) {
	f, err := e.fsys.Open(name)
	return &endingFile{f, e}, err
}

func (f *endingFile) ReadAt(p []byte, offset int64) (int, error) {
	if f.fs.left--; f.fs.left == 0 {
		f.fs.cancel()
	}
	return f.file.ReadAt(p, offset)
}

// TestLongReadsEndWithTheContext: opening, verifying, reading and pruning a large log take long, and hold its lock.
func TestLongReadsEndWithTheContext(t *testing.T) {
	c := newCrashFS()
	s := openOn(t, c)
	for n := uint64(1); n <= 60; n++ {
		if err := s.Append(t.Context(), []sinks.Signal{crashSignal(n)}); err != nil {
			t.Fatal(err)
		}
	}
	ending := &endingFS{fsys: c}
	o, err := (&Options{MaxFileBytes: 1 << 10}).complete()
	if err != nil {
		t.Fatal(err)
	}
	var raw *signalStore
	for what, call := range map[string]func(ctx context.Context) error{
		"open":   func(ctx context.Context) error { _, err := newSignals(ctx, ending, o); return err },
		"verify": func(ctx context.Context) error { return raw.Verify(ctx) },
		"read":   func(ctx context.Context) error { _, err := raw.Read(ctx, 0, 1000); return err },
		"newest": func(ctx context.Context) error { _, err := raw.ReadNewest(ctx, 0, 1000); return err },
		"append": func(ctx context.Context) error { return raw.Append(ctx, rest(1, 61)) },
		"prune":  func(ctx context.Context) error { _, err := raw.Prune(ctx, crashSignal(50).Time, 0, 100); return err },
	} {
		ending.left = 0
		if raw, err = newSignals(t.Context(), ending, o); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ending.left, ending.cancel = 5, cancel
		if err := call(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a context that ends returned %v", what, err)
		}
		if _, err := holds(t.Context(), raw, extent{0, 60}); err != nil {
			t.Errorf("%s: afterwards %v", what, err)
		}
	}
}

func rest(from, to uint64) (batch []sinks.Signal) {
	for n := from; n <= to; n++ {
		batch = append(batch, crashSignal(n))
	}
	return batch
}

// TestFollowingTakesInATrim: others trimmed, then began a file and were killed before they wrote into it.
func TestFollowingTakesInATrim(t *testing.T) {
	c := newCrashFS()
	writer, reader := openOn(t, c), openOn(t, c)
	if err := writer.Append(t.Context(), rest(1, 2)); err != nil {
		t.Fatal(err)
	}
	for n := uint64(3); ; n++ {
		if _, err := reader.Stat(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := writer.Trim(t.Context(), n-2); err != nil {
			t.Fatal(err)
		}
		c.fail = func(i int) error {
			if c.ops[i-1].kind == "rename" {
				c.dead = true
				return errKilled
			}
			return nil
		}
		err := writer.Append(t.Context(), rest(n, n))
		c.fail, c.dead = nil, false
		if errors.Is(err, errKilled) {
			if _, err := holds(t.Context(), reader, extent{n - 2, n - 1}); err != nil {
				t.Error(err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
