package sqlitestore_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	sqlitestore "github.com/ephemera-go/ephemera/storage-sqlite"
)

// TestParity42_PlateauUnderConstantLoad: with pruning neither the file nor the log grows.
func TestParity42_PlateauUnderConstantLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	s := openSignals(t, path, quick)
	const keep, batch, batches = 3000, 500, 120
	var early, late int64
	for i := range uint64(batches) {
		must(t, s.Append(t.Context(), series(i*batch+1, (i+1)*batch)))
		if _, err := sinks.Prune(t.Context(), s, time.Time{}, keep, 2*batch); err != nil {
			t.Fatal(err)
		}
		size := fileSize(t, path) + fileSize(t, path+"-wal")
		if i < batches/3 {
			early = max(early, size)
		} else {
			late = max(late, size)
		}
	}
	if late > early+early/10 {
		t.Errorf("%d bytes in the first third, %d later", early, late)
	}
	wantLog(t, s, series(batches*batch-keep+1, batches*batch))
	must(t, sinks.Verify(t.Context(), s))
}

// TestShrinks: a file that was large once gives its pages back step by step.
func TestShrinks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	s := openSignals(t, path, quick)
	for i := range uint64(40) {
		must(t, s.Append(t.Context(), series(i*1000+1, (i+1)*1000)))
	}
	large := fileSize(t, path) + fileSize(t, path+"-wal")
	must(t, s.Trim(t.Context(), 39_900))
	for i := range uint64(20) {
		must(t, s.Append(t.Context(), series(40_001+i, 40_001+i)))
		must(t, s.Trim(t.Context(), 39_901+i))
	}
	closeAll(t, s)
	if size := fileSize(t, path); size > large/3 {
		t.Errorf("%d bytes when full, %d after all was trimmed", large, size)
	}
}

func TestPruneByAge(t *testing.T) {
	s := openSignals(t, filepath.Join(t.TempDir(), "x.db"), quick)
	must(t, s.Append(t.Context(), series(1, 5000)))
	prune := func(before time.Time, keep uint64, atMost, want int) {
		t.Helper()
		removed, err := sinks.Prune(t.Context(), s, before, keep, atMost)
		if err != nil || removed != want {
			t.Errorf("removed %d, want %d: %v", removed, want, err)
		}
	}
	at := func(n uint64) time.Time { return signalAt(n).Time }
	prune(at(1), 0, 10_000, 0)
	prune(at(101), 0, 40, 40)
	prune(at(101).In(time.FixedZone("east", 5*3600)), 0, 10_000, 60)
	prune(at(101), 4890, 10_000, 10)
	prune(at(201), 4885, 10_000, 90)
	prune(time.Time{}.AddDate(-5, 0, 0), 0, 10_000, 0)
	wantLog(t, s, series(201, 5000))
	prune(time.Date(20_000, 1, 1, 0, 0, 0, 0, time.UTC), 0, 10_000, 4800)
	wantLog(t, s, nil)
}

// TestDatabaseLimit: at MaxBytes appending fails whole, pruning makes room.
func TestDatabaseLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	s := openSignals(t, path, sqlitestore.Options{MaxBytes: 1 << 20, Synchronous: sqlitestore.Normal})
	fillUp(t, s)
	if size := fileSize(t, path); size > 1<<20 {
		t.Errorf("the file has %d bytes", size)
	}
	b := openBlobs(t, path, sqlitestore.Options{MaxBytes: 1 << 20, Synchronous: sqlitestore.Normal})
	err := b.Put(t.Context(), "large", 2<<20, io.LimitReader(zeros{}, 2<<20))
	if !errors.Is(err, sqlitestore.ErrFull) {
		t.Errorf("a blob that does not fit: %v", err)
	}
	must(t, sinks.Verify(t.Context(), b))
}

// fillUp appends until the disk is full, makes room and goes on.
func fillUp(t *testing.T, s sinks.SignalStore) {
	t.Helper()
	const batch = 200
	stored := uint64(0)
	var err error
	for ; stored < 100_000 && err == nil; stored += batch {
		err = s.Append(t.Context(), series(stored+1, stored+batch))
	}
	stored -= batch
	if !errors.Is(err, sqlitestore.ErrFull) {
		t.Fatalf("after %d signals: %v", stored, err)
	}
	wantLog(t, s, series(1, stored))
	must(t, sinks.Verify(t.Context(), s))
	// What the trigger and the list of free pages need was there before.
	must(t, s.Trim(t.Context(), stored/2))
	must(t, s.Append(t.Context(), series(stored+1, stored+batch)))
	wantLog(t, s, series(stored/2+1, stored+batch))
	must(t, sinks.Verify(t.Context(), s))
}

// TestFullDisk: what was confirmed stays, and when there is room again everything goes on.
func TestFullDisk(t *testing.T) {
	dir := mount(t, "3m")
	path := filepath.Join(dir, "x.db")
	s := openSignals(t, path, sqlitestore.Options{})
	stored := uint64(0)
	var err error
	for err == nil && stored < 100_000 {
		if err = s.Append(t.Context(), series(stored+1, stored+100)); err == nil {
			stored += 100
		}
	}
	if !errors.Is(err, sqlitestore.ErrFull) {
		t.Fatalf("after %d signals: %v", stored, err)
	}
	wantLog(t, s, series(1, stored))
	must(t, sinks.Verify(t.Context(), s))
	remount(t, dir, "size=8m")
	must(t, s.Append(t.Context(), series(stored+1, stored+100)))
	wantLog(t, s, series(1, stored+100))
	closeAll(t, s)
}

// TestStarvedLog: a reader that never ends keeps the log from being emptied; that is reported, once.
func TestStarvedLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	var log bytes.Buffer
	s := openSignals(t, path, sqlitestore.Options{Synchronous: sqlitestore.Normal, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	must(t, s.Append(t.Context(), series(1, 10)))
	reader := raw(t, path)
	execute(t, reader, "BEGIN")
	var n int
	must(t, reader.QueryRowContext(t.Context(), "SELECT count(*) FROM signals").Scan(&n))
	batch := series(11, 40)
	next := uint64(11)
	appendSome := func() {
		for i := range batch {
			batch[i].Sequence, batch[i].Data = next, make([]byte, 100_000)
			next++
		}
		must(t, s.Append(t.Context(), batch))
	}
	for fileSize(t, path+"-wal") < 40<<20 {
		appendSome()
	}
	if n := strings.Count(log.String(), "cannot be emptied"); n != 1 {
		t.Errorf("reported %d times:\n%s", n, log.String())
	}
	execute(t, reader, "COMMIT")
	for range 10 {
		appendSome()
	}
	if size := fileSize(t, path+"-wal"); size > 20<<20 {
		t.Errorf("the log still has %d bytes", size)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestLargeBlob: neither memory nor the log holds a whole blob.
func TestLargeBlob(t *testing.T) {
	const size = 64 << 20
	path := filepath.Join(t.TempDir(), "x.db")
	b := openBlobs(t, path, quick)
	var before, during runtime.MemStats
	runtime.ReadMemStats(&before)
	source := &watch{r: io.LimitReader(zeros{}, size), every: func() {
		runtime.ReadMemStats(&during)
		if log := fileSize(t, path+"-wal"); log > 20<<20 {
			t.Errorf("the log has %d bytes", log)
		}
		if grown := int64(during.HeapAlloc) - int64(before.HeapAlloc); grown > 32<<20 {
			t.Errorf("the heap grew by %d bytes", grown)
		}
	}}
	must(t, b.Put(t.Context(), "large", size, source))
	r, n, err := b.Open(t.Context(), "large")
	must(t, err)
	read, err := io.Copy(io.Discard, r)
	if n != size || read != size || err != nil {
		t.Errorf("%d bytes, %d read: %v", n, read, err)
	}
	must(t, b.Delete(t.Context(), "large"))
	if _, err := io.Copy(io.Discard, r); err != nil {
		t.Errorf("at the end: %v", err)
	}
	closeAll(t, r, b)
}

// watch calls every about 16 times while 64 MiB are read.
type watch struct {
	r     io.Reader
	every func()
	n     int
}

func (w *watch) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	if w.n += n; w.n >= 4<<20 {
		w.n = 0
		w.every()
	}
	return n, err
}
