package verify

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/window"
)

// TestSameProgramAnyStore does the same with every driver; only the URL differs.
func TestSameProgramAnyStore(t *testing.T) {
	for name, url := range map[string]string{
		"mem": fmt.Sprint("mem://verify-", rand.Uint64()), "file": fileURL(t), "sqlite": sqliteURL(t, ""),
	} {
		t.Run(name, func(t *testing.T) { restart(t, url) })
	}
}

func TestSignalCase29OnSQLite(t *testing.T) { restart(t, sqliteURL(t, "synchronous=full")) }

// restart writes, closes, opens and loads, three times: the window is the same, and goes on.
func restart(t *testing.T, url string) {
	t.Helper()
	now := time.Date(2026, 3, 1, 12, 0, 0, 123_456_789, time.UTC)
	all := []window.Signal{}
	for run := range 3 {
		store, err := sinks.OpenSignals(t.Context(), url)
		must(t, err)
		o := byHand(store)
		o.MaxPerFlush, o.Clock = 100, func() time.Time { return now.Add(time.Duration(run) * time.Second) }
		w := openWindow(t, o)
		raiseNumbered(t, w, fmt.Sprint("before", run), 0, 10)
		r := load(t, w, window.LoadOptions{})
		equal(t, "report", r, window.LoadReport{Read: len(all), Restored: len(all)})
		list := sense(t, w, "")
		equal(t, "restored", list[:len(all)], all)
		done := sense(t, w.Diagnostics(), "window.load.done:*")
		if len(done) != 1 || done[0].Name != fmt.Sprint("window.load.done:", len(all)) {
			t.Errorf("told %+v", done)
		}
		raiseNumbered(t, w, fmt.Sprint("after", run), 0, 505)
		for _, s := range []window.Signal{
			{Name: "back", Time: now.Add(-time.Minute).In(time.FixedZone("", 3600)), Operation: 9},
			{Name: "ahead", Time: now.Add(time.Hour), Key: "ключ", Path: []string{"a", "b"}, Data: []byte{0, 255}},
			{Name: "far", Time: time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC), Operation: 1<<64 - 1},
		} {
			_, err := w.RaiseSignal(s)
			must(t, err)
		}
		if run == 1 {
			must(t, w.Flush(t.Context()))
		}
		again := load(t, w, window.LoadOptions{})
		if again.Restored != 0 || again.Known != len(all) {
			t.Errorf("loading again: %+v", again)
		}
		must(t, w.Close())
		all = sense(t, w, "")
		rows := wantRows(t, store, 518*(run+1))
		must(t, sameSignals(all, rows))
		for i := range all {
			all[i].Restored = true
		}
		must(t, store.Close())
	}
}

const predecessorSchema = `CREATE TABLE signals (id INTEGER PRIMARY KEY, operation_id INTEGER NOT NULL, signal TEXT NOT NULL,
	key TEXT, timestamp TEXT NOT NULL, created_at TEXT DEFAULT CURRENT_TIMESTAMP)`

func makePredecessor(t *testing.T, path string, rows []string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	must(t, err)
	for _, query := range []string{
		"PRAGMA journal_mode=WAL", predecessorSchema, "CREATE INDEX idx_signals_timestamp ON signals(timestamp)",
		"CREATE INDEX idx_signals_signal ON signals(signal)",
		"INSERT INTO signals (id, operation_id, signal, key, timestamp) VALUES " + strings.Join(rows, ","),
	} {
		_, err := db.ExecContext(t.Context(), query)
		must(t, err)
	}
	must(t, db.Close())
}

// A database of the predecessor loads by instants, its own diagnostics are plain signals in it, and the window goes on.
func TestSignalCase37_PredecessorsDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "signals.db")
	makePredecessor(t, path, []string{
		`(1, 100, 'window.initialized', NULL, '2025-12-12T10:00:00.0000000+00:00')`,
		`(2, 9223372036854775807, 'order.completed', 'order-7', '2025-12-12T16:30:00.1234567+05:00')`, // 11:30
		`(3, 100, 'error:Timeout', NULL, '2025-12-12T07:30:00.0000001-05:00')`,                        // 12:30
		`(4, 100, 'coordinator.drain.all', NULL, '2025-12-12T12:40:00.0000000+00:00')`,
		`(9, 5, 'window.flush.done:4', NULL, '2025-12-12T12:45:00.0000000+00:00')`,
	})
	now := time.Date(2025, 12, 12, 12, 50, 0, 0, time.UTC)
	url := "sqlite://" + filepath.ToSlash(path)
	for run := range 2 {
		store, err := sinks.OpenSignals(t.Context(), url)
		must(t, err)
		o := byHand(store)
		o.Clock, o.MaxAge = func() time.Time { return now }, 24*time.Hour
		w := openWindow(t, o)
		r := load(t, w, window.LoadOptions{MaxAge: time.Hour})
		equal(t, "report", r, window.LoadReport{Read: 5 + run, Restored: 3 + run, TooOld: 2})
		r = load(t, w, window.LoadOptions{})
		equal(t, "report of all", r, window.LoadReport{Read: 5 + run, Restored: 2, Known: 3 + run})
		list := sense(t, w, "")
		equal(t, "signals", list[1:3], []window.Signal{
			{
				Sequence: 2, Name: "order.completed", Key: "order-7", Operation: 1<<63 - 1, Restored: true,
				Time: time.Date(2025, 12, 12, 11, 30, 0, 123_456_700, time.UTC),
			},
			{
				Sequence: 3, Name: "error:Timeout", Operation: 100, Restored: true,
				Time: time.Date(2025, 12, 12, 12, 30, 0, 100, time.UTC),
			},
		})
		if run == 0 {
			sequence, err := w.RaiseSignal(window.Signal{Name: "order.completed", Operation: 100})
			if err != nil || sequence != 10 {
				t.Errorf("sequence %d, %v", sequence, err)
			}
		}
		must(t, w.Close())
		wantRows(t, store, 6)
		must(t, sinks.Verify(t.Context(), store))
		must(t, store.Close())
	}
}

// Under constant load with a limit on rows neither file nor write-ahead log grows.
func TestSignalCase42OnSQLite(t *testing.T) {
	dir := t.TempDir()
	store := openStore(t, "sqlite://"+filepath.ToSlash(dir)+"/signals.db?synchronous=normal")
	o := byHand(store)
	o.RetainCount, o.Capacity = 5000, 10_000
	w := openWindow(t, o)
	sizes, half := []int64{}, pick[uint64](60, 30, 12)
	for round := range 2 * half {
		raiseNumbered(t, w, "a", round*2000, (round+1)*2000)
		must(t, w.Flush(t.Context()))
		sizes = append(sizes, sizeOf(t, dir))
	}
	wantRows(t, store, 5000)
	first, second := int64(0), int64(0)
	for i, n := range sizes {
		if i < len(sizes)/2 {
			first = max(first, n)
		} else {
			second = max(second, n)
		}
	}
	t.Logf("at most %d bytes in the first half of the rounds, %d in the second", first, second)
	if second > first*11/10 {
		t.Errorf("the files grow: %v", sizes)
	}
	s := balancedStats(t, w)
	if s.Persisted != 4000*half || s.Pruned != s.Persisted-5000 {
		t.Errorf("%+v", s)
	}
}

func sizeOf(t *testing.T, dir string) (total int64) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	}))
	return total
}

// RetainAge, with the clock in the test's hand.
func TestSignalCase42OnSQLite_Age(t *testing.T) {
	store := openStore(t, sqliteURL(t, ""))
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	earlier(t, store, 2500, func(i int) time.Time { return now.Add(-time.Duration(2500-i) * time.Second) })
	o := byHand(store)
	o.RetainAge, o.Clock = 1000*time.Second, func() time.Time { return now }
	w := openWindow(t, o)
	raiseNumbered(t, w, "a", 0, 1)
	must(t, w.Flush(t.Context()))
	rows := wantRows(t, store, 1002)
	equal(t, "oldest", rows[0].Sequence, uint64(1500))
	equal(t, "newest", rows[1001].Sequence, uint64(2501))
}

// A second process on a file gets a clear error as long as the first lives, takes over when it is gone, and a window
// that was there all the time cannot mix its signals in.
func TestSignalCase43OnSQLite(t *testing.T) {
	url := sqliteURL(t, "")
	early := openStore(t, url)
	stale := openWindow(t, byHand(early)) // knows nothing of what the child will write
	raiseNumbered(t, stale, "stale", 0, 5)
	c := start(t, nil, "hold", url)
	c.expect(t, "HELD")

	store := openStore(t, url)
	_, err := sinks.Hold(t.Context(), store, sinks.Claim{Owner: "the parent"})
	if wantErr(t, "Hold", err, sinks.ErrLeased); err != nil && !strings.Contains(err.Error(), "the child") {
		t.Errorf("the error does not name the holder: %v", err)
	}
	second := openWindow(t, byHand(store))
	load(t, second, window.LoadOptions{})
	equal(t, "the reader sees", second.Len(), 10)
	raiseNumbered(t, second, "second", 0, 5)
	wantErr(t, "Flush of the second", second.Flush(t.Context()), sinks.ErrLeased)
	wantErr(t, "Flush of the stale one", stale.Flush(t.Context()), sinks.ErrLeased)
	equal(t, "pending", balancedStats(t, second).Pending, uint64(5))

	c.kill(t)
	lease, err := sinks.Hold(t.Context(), store, sinks.Claim{Owner: "the parent"})
	must(t, err)
	equal(t, "generation", lease.Generation(), uint64(2))
	must(t, second.Flush(t.Context()))
	wantErr(t, "Flush of the stale one", stale.Flush(t.Context()), sinks.ErrLeased)
	must(t, lease.Close())
	wantErr(t, "Flush of the stale one, without a lease", stale.Flush(t.Context()), sinks.ErrConflict)
	equal(t, "pending", balancedStats(t, stale).Pending, uint64(5))
	have, err := tally(wantRows(t, store, 15))
	must(t, err)
	equal(t, "stored", have, map[string]uint64{"child": 10, "second": 5})
	wantErr(t, "Close of the stale one", stale.Close(), sinks.ErrConflict)
	equal(t, "nothing is lost silently", balancedStats(t, stale).Pending, uint64(5))
}

// A lease that was taken over fences the window that had it.
func TestSignalCase43OnSQLite_Fenced(t *testing.T) {
	url := sqliteURL(t, "")
	stores := []sinks.SignalStore{openStore(t, url), openStore(t, url)}
	_, err := sinks.Acquire(t.Context(), stores[0], sinks.Claim{Owner: "first", TTL: 10 * time.Millisecond})
	must(t, err)
	first := openWindow(t, byHand(stores[0]))
	raiseNumbered(t, first, "first", 0, 3)
	must(t, first.Flush(t.Context()))
	second, err := takeOver(t.Context(), stores[1])
	must(t, err)
	raiseNumbered(t, first, "first", 3, 6)
	wantErr(t, "Flush of the fenced one", first.Flush(t.Context()), sinks.ErrFenced)
	equal(t, "pending", balancedStats(t, first).Pending, uint64(3))
	w := openWindow(t, byHand(stores[1]))
	raiseNumbered(t, w, "second", 0, 3)
	must(t, w.Flush(t.Context()))
	must(t, second.Close())
	have, err := tally(wantRows(t, stores[1], 6))
	must(t, err)
	equal(t, "stored", have, map[string]uint64{"first": 3, "second": 3})
}

// takeOver tries until the lease of another handle has run out.
func takeOver(ctx context.Context, store sinks.SignalStore) (*sinks.Lease, error) {
	for end := time.Now().Add(time.Minute); ; {
		lease, err := sinks.Hold(ctx, store, sinks.Claim{Owner: "second", TTL: time.Hour})
		if err == nil || time.Now().After(end) {
			return lease, err
		}
	}
}
