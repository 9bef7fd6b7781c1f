package verify

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	sqlitestore "github.com/ephemera-go/ephemera/storage-sqlite"
	"github.com/ephemera-go/ephemera/window"
)

// 1,000 signals per second for a minute of a clock that the test moves, with every option at its default.
func TestSignalCase21OnSQLite(t *testing.T) {
	url := sqliteURL(t, "")
	synctest.Test(t, func(t *testing.T) {
		store := openStore(t, url)
		w := openWindow(t, window.Options{Store: store, Clock: time.Now})
		total := pick[uint64](60_000, 6_000, 6_000)
		for n := range total {
			raiseNumbered(t, w, "steady", n, n+1)
			time.Sleep(time.Millisecond)
		}
		must(t, w.Close())
		s := balancedStats(t, w)
		if s.Persisted != total || s.Dropped != 0 || s.FlushFailures != 0 {
			t.Errorf("%+v", s)
		}
		have, err := tally(wantRows(t, store, int(total)))
		must(t, err)
		equal(t, "stored", have["steady"], total)
		must(t, store.Close())
	})
}

// Another process has the database locked: a flush gives up after the busy timeout and says so, or waits for the lock.
func TestSignalCase27OnSQLite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "signals.db")
	store := openStore(t, "sqlite://"+filepath.ToSlash(path)+"?busy_timeout=50ms")
	patient := openStore(t, "sqlite://"+filepath.ToSlash(path)+"?busy_timeout=1h")
	w := openWindow(t, byHand(store))
	raiseNumbered(t, w, "a", 0, 10)
	must(t, w.Flush(t.Context()))
	c := start(t, nil, "lock", path)
	c.expect(t, "LOCKED")

	raiseNumbered(t, w, "a", 10, 30)
	err := w.Flush(t.Context())
	wantErr(t, "Flush", err, sqlitestore.ErrLocked)
	told := sense(t, w.Diagnostics(), "window.flush.error")
	if len(told) != 1 || !strings.HasPrefix(told[0].Key, "20 signals: ") || !strings.Contains(told[0].Key, "locked") {
		t.Errorf("told %+v", told)
	}
	s := balancedStats(t, w)
	if s.Pending != 20 || s.Dropped != 0 || s.FlushFailures != 1 || s.LastError == nil {
		t.Errorf("%+v", s)
	}
	if n, err := w.Count("", time.Minute); n != 30 || err != nil {
		t.Errorf("%d signals in memory, %v", n, err)
	}

	// The patient one waits. Whether it has begun to when the lock goes does not matter for what must come out.
	waits, plan := faulty(t, patient, "")
	second := openWindow(t, byHand(waits))
	raiseNumbered(t, second, "b", 0, 5)
	done := make(chan error, 1)
	go func() { done <- second.Flush(context.WithoutCancel(t.Context())) }()
	within(t, plan.Reached("append", 1))
	c.end(t)
	must(t, <-done)
	have, err := tally(wantRows(t, store, 15))
	must(t, err)
	equal(t, "stored", have, map[string]uint64{"a": 10, "b": 5})
	// Both windows began at the same sequence: what comes second is refused, and nothing is overwritten or lost.
	wantErr(t, "Flush", w.Flush(t.Context()), sinks.ErrConflict)
	equal(t, "pending", balancedStats(t, w).Pending, uint64(20))
}

func TestSignalCase27OnSQLite_RetriesByItself(t *testing.T) {
	path := filepath.Join(t.TempDir(), "signals.db")
	c := lockAfterOpening(t, path)
	w, store := c.w, c.store
	raiseNumbered(t, w, "a", 0, 10)
	wantErr(t, "Flush", w.Flush(t.Context()), sqlitestore.ErrLocked)
	reached := c.plan.Reached("append", 2)
	c.child.end(t)
	within(t, reached) // the window's own attempt, not asked for by anybody
	must(t, w.Flush(t.Context()))
	have, err := tally(wantRows(t, store, 10))
	must(t, err)
	equal(t, "stored", have["a"], uint64(10))
}

// within fails when what must happen does not.
func within(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(time.Minute):
		t.Fatal("it did not happen within a minute")
	}
}

type locked struct {
	child *child
	w     *window.Window
	store sinks.SignalStore
	plan  interface {
		Reached(op string, call uint64) <-chan struct{}
	}
}

func lockAfterOpening(t *testing.T, path string) locked {
	t.Helper()
	store := openStore(t, "sqlite://"+filepath.ToSlash(path)+"?busy_timeout=1ms")
	counted, plan := faulty(t, store, "")
	w := openWindow(t, window.Options{Store: counted})
	c := start(t, nil, "lock", path)
	c.expect(t, "LOCKED")
	return locked{c, w, store, plan}
}

// The database cannot be written to for 11 minutes of a clock that the test moves.
func TestSignalCase28OnSQLite(t *testing.T) {
	dir := t.TempDir()
	blocked := filepath.Join(dir, "file")
	must(t, os.WriteFile(blocked, []byte("no folder"), 0o600))
	if _, err := sinks.OpenSignals(t.Context(), "sqlite://"+filepath.ToSlash(blocked)+"/x.db"); err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("opening below a file: %v", err)
	}
	path, away := filepath.Join(dir, "signals.db"), filepath.Join(dir, "away.db")
	synctest.Test(t, func(t *testing.T) {
		inner := openStore(t, "sqlite://"+filepath.ToSlash(path)+"?synchronous=normal")
		store, plan := faulty(t, inner, "")
		w := openWindow(t, window.Options{Store: store, Clock: time.Now, FlushInterval: time.Second, Capacity: 100, MaxAge: time.Hour})
		looks := plan.Calls("stat")
		must(t, os.Rename(path, away))
		raiseNumbered(t, w, "a", 0, 1)
		wantErr(t, "Flush", w.Flush(t.Context()), sqlitestore.ErrReplaced)
		time.Sleep(11 * time.Minute)
		raiseNumbered(t, w, "a", 1, 100) // over the high water, yet the pause holds
		synctest.Wait()
		n := plan.Calls("stat") - looks // one before each write
		if n < 10 || n > 60 {
			t.Errorf("%d attempts in 11 minutes", n)
		}
		equal(t, "errors told", uint64(len(sense(t, w.Diagnostics(), "window.flush.error"))), n)
		equal(t, "in memory", w.Len(), 100)
		must(t, os.Rename(away, path))
		time.Sleep(time.Minute)
		synctest.Wait()
		s := balancedStats(t, w)
		if s.Persisted != 100 || s.Dropped != 0 || s.LastError != nil {
			t.Errorf("%+v", s)
		}
		_, err := tally(wantRows(t, inner, 100))
		must(t, err)
		must(t, w.Close())
		must(t, store.Close())
	})
}

// A database that has reached its largest size refuses what is new until something is deleted.
func TestSignalCase28OnSQLite_Full(t *testing.T) {
	store := openStore(t, sqliteURL(t, "synchronous=normal&max_size=256KiB"))
	o := byHand(store)
	o.Overload, o.Capacity, o.MaxPerFlush = window.DropNewest, 1000, 100
	w := openWindow(t, o)
	var raised uint64
	for err := error(nil); err == nil; raised += 100 {
		if raised > 100_000 {
			t.Fatal("256 KiB hold more than 100,000 signals")
		}
		raiseNumbered(t, w, "a", raised, raised+100)
		if err = w.Flush(t.Context()); err != nil {
			wantErr(t, "Flush", err, sqlitestore.ErrFull)
		}
	}
	s := balancedStats(t, w)
	if s.Persisted != raised-100 || s.Pending != 100 || s.Dropped != 0 {
		t.Errorf("%d raised, %+v", raised, s)
	}
	wantRows(t, store, int(s.Persisted))
	must(t, store.Trim(t.Context(), s.Persisted/2))
	must(t, w.Flush(t.Context()))
	s = balancedStats(t, w)
	if s.Persisted != raised || s.Pending != 0 || s.LastError != nil {
		t.Errorf("%+v", s)
	}
	rows := wantRows(t, store, int(raised-(raised-100)/2))
	for i := range rows {
		if _, n, err := origin(&rows[i]); err != nil || n+1 != rows[i].Sequence {
			t.Fatalf("row %+v, %v", rows[i], err)
		}
	}
}

// Ages compare instants, whatever the zones that they were given in.
func TestSignalCase30OnSQLite(t *testing.T) {
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	east, west := time.FixedZone("", 5*3600), time.FixedZone("", -5*3600)
	url := sqliteURL(t, "")
	store := openStore(t, url)
	o := byHand(store)
	o.Clock, o.MaxAge = func() time.Time { return noon }, 24*time.Hour
	w := openWindow(t, o)
	for _, s := range []window.Signal{ // text order is not time order
		{Name: "east.old", Time: noon.Add(-61 * time.Minute).In(east)},
		{Name: "west.young", Time: noon.Add(-59 * time.Minute).In(west)},
		{Name: "east.young", Time: noon.Add(-59 * time.Minute).In(east)},
		{Name: "west.old", Time: noon.Add(-61 * time.Minute).In(west)},
		{Name: "edge", Time: noon.Add(-time.Hour).In(east)},
	} {
		_, err := w.RaiseSignal(s)
		must(t, err)
	}
	must(t, w.Close())
	must(t, store.Close())
	o.Store = openStore(t, url)
	w = openWindow(t, o)
	r := load(t, w, window.LoadOptions{MaxAge: time.Hour})
	equal(t, "report", r, window.LoadReport{Read: 5, Restored: 3, TooOld: 2})
	var list []string
	for _, s := range sense(t, w, "") {
		list = append(list, s.Name)
	}
	equal(t, "restored", list, []string{"west.young", "east.young", "edge"})
}

func TestSignalCase33OnSQLite(t *testing.T) {
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	url := sqliteURL(t, "")
	store := openStore(t, url)
	earlier(t, store, 100, func(i int) time.Time { return noon.Add(-time.Duration(100-i) * time.Minute) })
	must(t, store.Close())
	o := byHand(openStore(t, url))
	o.Clock = func() time.Time { return noon }
	w := openWindow(t, o)
	r := load(t, w, window.LoadOptions{MaxAge: time.Hour})
	equal(t, "report", r, window.LoadReport{Read: 100, Restored: 11, TooOld: 39, Expired: 50})
	equal(t, "visible", w.Len(), 11)
	must(t, w.SetMaxAge(time.Hour))
	r = load(t, w, window.LoadOptions{MaxAge: time.Hour})
	equal(t, "a wider window", r, window.LoadReport{Read: 100, Restored: 50, Known: 11, TooOld: 39})
	equal(t, "oldest", sense(t, w, "")[0].Sequence, uint64(40))
}

// earlier puts n signals of an earlier run into a store.
func earlier(t testing.TB, store sinks.SignalStore, n int, at func(i int) time.Time) {
	t.Helper()
	batch := make([]sinks.Signal, 0, 10_000)
	for i := 1; i <= n; i++ {
		batch = append(batch, sinks.Signal{Sequence: uint64(i), Time: at(i), Name: names[i%64], Key: fmt.Sprint(i)})
		if len(batch) == cap(batch) || i == n {
			must(t, store.Append(context.Background(), batch))
			batch = batch[:0]
		}
	}
}

func TestSignalCase34OnSQLite(t *testing.T) {
	store := openStore(t, sqliteURL(t, ""))
	n := pick(1_000_000, 50_000, 30_000)
	now := time.Now()
	earlier(t, store, n, func(int) time.Time { return now })
	w := openWindow(t, byHand(store))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r := load(t, w, window.LoadOptions{})
	runtime.ReadMemStats(&after)
	equal(t, "report", r, window.LoadReport{Read: window.DefaultCapacity, Restored: window.DefaultCapacity, More: true})
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<20 {
		t.Errorf("loading allocated %d bytes", grown)
	}
	list := sense(t, w, "")
	for i := range list {
		if list[i].Sequence != uint64(n-window.DefaultCapacity+1+i) || list[i].Key != fmt.Sprint(list[i].Sequence) {
			t.Fatalf("place %d: %+v", i, list[i])
		}
	}
}

// Sequences and operation numbers of 100 runs on one file, which differ in nothing.
func TestSignalCase36OnSQLite(t *testing.T) {
	url := sqliteURL(t, "")
	runs, operations := 100, pick[uint64](100_000, 10_000, 1_000)
	var total uint64
	first := map[uint64]uint64{} // of the operations of each run, the last
	for run := range runs {
		store, err := sinks.OpenSignals(t.Context(), url)
		must(t, err)
		w, err := window.New(t.Context(), byHand(store))
		must(t, err)
		from := w.NewOperation()
		for i := range operations - 1 {
			if id := w.NewOperation(); id != from+i+1 && from+i+1 > from {
				t.Fatalf("operation %d follows %d", id, from+i)
			}
		}
		first[from] = from + operations // one more than needed, should 0 be among them
		for n := range uint64(20) {
			sequence, err := raiseOne(w, fmt.Sprint("run", run), n)
			if total++; err != nil || sequence != total {
				t.Fatalf("sequence %d, want %d: %v", sequence, total, err)
			}
		}
		must(t, w.Close())
		must(t, store.Close())
	}
	for a, end := range first {
		for b := range first {
			if b > a && b <= end {
				t.Errorf("operations from %d and from %d overlap", a, b)
			}
		}
	}
	equal(t, "runs", len(first), runs)
	_, err := tally(wantRows(t, openStore(t, url), int(total)))
	must(t, err)
}
