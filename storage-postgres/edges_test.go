package pgstore_test

import (
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ephemera-go/ephemera/sinks"
	_ "github.com/ephemera-go/ephemera/sinks/memstore"
)

// TestTimes: every instant is kept to the nanosecond, and people see it with SQL, whichever way it was stored.
func TestTimes(t *testing.T) {
	for name, padding := range map[string]uint64{"rows": 0, "copy": 100} {
		t.Run(name, func(t *testing.T) {
			place := place(t)
			s := openSignals(t, place, nil)
			shown := map[string]time.Time{
				"0001-01-01 00:00:00.000000 0":   time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC),
				"0001-01-01 00:00:00.000000 1":   time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC),
				"0999-02-28 12:00:00.000001 999": time.Date(999, 2, 28, 12, 0, 0, 1999, time.UTC),
				"1969-12-31 23:59:59.999999 999": time.Date(1969, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
				"1999-12-31 23:59:59.123456 789": time.Date(1999, 12, 31, 23, 59, 59, 123_456_789, time.UTC),
				"2000-01-01 00:00:00.000000 500": time.Date(2000, 1, 1, 0, 0, 0, 500, time.UTC),
				"2016-12-31 23:59:59.999999 1":   time.Date(2016, 12, 31, 23, 59, 59, 999_999_001, time.UTC),
				"2024-02-29 06:30:00.000000 0":   time.Date(2024, 2, 29, 12, 0, 0, 0, time.FixedZone("", 5*3600+1800)),
				"9999-12-31 23:59:59.999999 999": time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
				"9999-12-31 23:59:59.999999 998": time.Date(9999, 12, 31, 23, 59, 59, 999_999_998, time.UTC),
				"1582-10-15 00:00:00.000000 0":   time.Date(1582, 10, 15, 0, 0, 0, 0, time.UTC),
				"1582-10-04 00:00:00.000000 0":   time.Date(1582, 10, 4, 0, 0, 0, 0, time.UTC),
				"2262-04-11 23:47:16.854775 808": time.Date(2262, 4, 11, 23, 47, 16, 854_775_808, time.UTC),
				"1677-09-21 00:12:43.145224 191": time.Date(1677, 9, 21, 0, 12, 43, 145_224_191, time.UTC),
				"4000-01-01 00:00:00.000000 0":   time.Date(4000, 1, 1, 0, 0, 0, 0, time.UTC),
				"0001-01-02 00:00:00.000000 0":   time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC),
				"2001-09-09 01:46:40.000000 0":   time.Unix(1_000_000_000, 0),
				"2001-09-09 01:46:39.999999 999": time.Unix(1_000_000_000, -1),
				"1900-03-01 00:00:00.000000 0":   time.Date(1900, 2, 29, 0, 0, 0, 0, time.UTC),
				"9999-12-31 00:00:00.000000 0":   time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC),
				"9000-06-30 13:14:15.161718 192": time.Date(9000, 6, 30, 13, 14, 15, 161_718_192, time.UTC),
				"1000-06-30 13:14:15.161718 192": time.Date(1000, 6, 30, 13, 14, 15, 161_718_192, time.UTC),
				"0500-06-30 13:14:15.000000 1":   time.Date(500, 6, 30, 13, 14, 15, 1, time.UTC),
				"0004-02-29 00:00:00.000000 0":   time.Date(4, 2, 29, 0, 0, 0, 0, time.UTC),
				"2400-02-29 00:00:00.000000 0":   time.Date(2400, 2, 29, 0, 0, 0, 0, time.UTC),
				"1999-12-31 23:59:59.999999 999": time.Date(1999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
			}
			var batch []sinks.Signal
			for text, at := range shown {
				batch = append(batch, sinks.Signal{Sequence: uint64(len(batch) + 1), Time: at.UTC(), Name: text})
			}
			want := slices.Concat(batch, series(uint64(len(batch)+1), uint64(len(batch))+padding))
			must(t, s.Append(t.Context(), want))
			wantLog(t, s, want)
			conn := raw(t, place)
			for _, signal := range batch {
				got := value[string](t, conn, "SELECT to_char(time AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') || ' ' || nanos FROM signals WHERE sequence = $1", int64(signal.Sequence))
				if got != signal.Name {
					t.Errorf("%v is shown as %s", signal.Time, got)
				}
			}
		})
	}
}

var hostile = []string{
	"'; DROP TABLE signals; --", `\`, `\\x`, `"`, "$1", "$$", "@signals", "%s%n", "NULL", "{}", "{a,b}", `{"a"}`, "\t\r\n", "\u2028", "é", "e\u0301", "😀",
	"\u202e", "\ufeff", "\\.", "\\N", " ", "a b", "--", "/*", strings.Repeat("'", 500),
}

// TestNamesAreData: what looks like SQL, or like a notation of the server, is data on every path.
func TestNamesAreData(t *testing.T) {
	s := openSignals(t, place(t), nil)
	var want []sinks.Signal
	next := uint64(1)
	add := func(n int) {
		for range n {
			text := hostile[int(next)%len(hostile)]
			want = append(want, sinks.Signal{
				Sequence: next, Time: time.Unix(int64(next), 0).UTC(), Name: text, Key: text, Path: []string{text, text + text}, Data: []byte(text),
			})
			next++
		}
	}
	for _, n := range []int{1, 5, len(hostile), 3 * len(hostile)} { // single rows, and COPY
		begin := len(want)
		add(n)
		must(t, s.Append(t.Context(), want[begin:]))
		must(t, s.Append(t.Context(), want[begin:])) // compared
	}
	wantLog(t, s, want)
	must(t, sinks.Verify(t.Context(), s))
	_, err := sinks.Acquire(t.Context(), s, sinks.Claim{Owner: "o'; DROP TABLE leases; --"})
	must(t, err)
	must(t, sinks.Renew(t.Context(), s))
}

// TestAppendSizes crosses the border between the two ways to insert, alone and mixed with what is known.
func TestAppendSizes(t *testing.T) {
	s := openSignals(t, place(t), nil)
	last := uint64(0)
	for _, n := range []uint64{1, 9, 10, 11, 1, 2000, 31} {
		must(t, s.Append(t.Context(), series(max(1, last-min(last, 5)), last+n)))
		last += n
	}
	wantLog(t, s, series(1, last))
	must(t, sinks.Verify(t.Context(), s))
}

// TestDeletedByHand: deleting rows is trimming.
func TestDeletedByHand(t *testing.T) {
	place := place(t)
	s := openSignals(t, place, nil)
	must(t, s.Append(t.Context(), series(1, 50)))
	conn := raw(t, place)
	execute(t, conn, "DELETE FROM signals WHERE sequence <= 20", "DELETE FROM signals WHERE sequence = 0")
	must(t, sinks.Verify(t.Context(), s))
	must(t, s.Append(t.Context(), series(1, 60)))
	wantLog(t, s, series(21, 60))
	execute(t, conn, "TRUNCATE signals")
	must(t, sinks.Verify(t.Context(), s))
	stat, err := s.Stat(t.Context())
	if err != nil || stat != (sinks.SignalStat{Last: 60}) {
		t.Errorf("%+v, %v", stat, err)
	}
	must(t, s.Append(t.Context(), series(1, 61)))
	wantLog(t, s, series(61, 61))
}

// TestDamage is found by reading and by Verify.
func TestDamage(t *testing.T) {
	for _, c := range []struct {
		change string
		read   bool // by reading too
	}{
		{"UPDATE signals SET name = 'other' WHERE sequence = 5", true},
		{"UPDATE signals SET key = NULL WHERE sequence = 5", true},
		{"UPDATE signals SET time = time + interval '1 microsecond' WHERE sequence = 5", true},
		{"UPDATE signals SET nanos = nanos + 1 WHERE sequence = 5", true},
		{"UPDATE signals SET time = 'infinity' WHERE sequence = 5", true},
		{"UPDATE signals SET operation = 0 WHERE sequence = 5", true},
		{"UPDATE signals SET path = array_append(path, '') WHERE sequence = 5", true},
		{"UPDATE signals SET path = ARRAY[NULL] WHERE sequence = 5", true},
		{"UPDATE signals SET data = '' WHERE sequence = 7", true},
		{"UPDATE signals SET sequence = 500 WHERE sequence = 5", true},
		{"ALTER TABLE signals DISABLE TRIGGER signals_deleted; DELETE FROM signals WHERE sequence = 10", false},
		{"UPDATE signal_log SET bytes = bytes + 1", false},
		{"UPDATE signal_log SET last = 9", false},
		{"UPDATE signal_log SET last = 11", false},
	} {
		place := place(t)
		s := openSignals(t, place, nil)
		must(t, s.Append(t.Context(), series(1, 10)))
		must(t, sinks.Verify(t.Context(), s))
		execute(t, raw(t, place), c.change)
		if _, err := s.Read(t.Context(), 0, 100); errors.Is(err, sinks.ErrCorrupt) != c.read {
			t.Errorf("%s: reading: %v", c.change, err)
		}
		if err := sinks.Verify(t.Context(), s); !errors.Is(err, sinks.ErrCorrupt) {
			t.Errorf("%s: verifying: %v", c.change, err)
		}
	}
}

func TestDamagedBlob(t *testing.T) {
	body := strings.Repeat("0123456789", 250_000) // three parts
	for _, change := range []string{
		"UPDATE blob_chunks SET data = overlay(data PLACING 'x' FROM 100) WHERE part = 1",
		"UPDATE blob_chunks SET data = substring(data FROM 1 FOR 1000), checksum = 0 WHERE part = 2",
		"UPDATE blob_chunks SET part = 7 WHERE part = 1",
		"DELETE FROM blob_chunks WHERE part = 2",
		"UPDATE blobs SET size = size + 1",
		"UPDATE blobs SET size = size - 1",
	} {
		place := place(t)
		b := openBlobs(t, place, nil)
		must(t, b.Put(t.Context(), "x", int64(len(body)), strings.NewReader(body)))
		must(t, sinks.Verify(t.Context(), b))
		execute(t, raw(t, place), change)
		r, _, err := b.Open(t.Context(), "x")
		must(t, err)
		_, err = io.Copy(io.Discard, r)
		if !errors.Is(err, sinks.ErrCorrupt) {
			t.Errorf("%s: reading: %v", change, err)
		}
		must(t, r.Close())
		if err := sinks.Verify(t.Context(), b); !errors.Is(err, sinks.ErrCorrupt) || !strings.Contains(err.Error(), "blob x") {
			t.Errorf("%s: verifying: %v", change, err)
		}
	}
}

// onlySignals hides that a store can prune by itself.
type onlySignals struct{ sinks.SignalStore }

// TestPruneLikeTheContract compares the statement with the loop that defines what pruning is.
func TestPruneLikeTheContract(t *testing.T) {
	random := seeded(t)
	s := openSignals(t, place(t), nil)
	opened, err := sinks.OpenSignals(t.Context(), "mem://")
	must(t, err)
	reference := onlySignals{opened}
	next := uint64(1)
	origin := time.Unix(1_700_000_000, 0).UTC()
	anyTime := func() time.Time { return origin.Add(time.Duration(random.Int64N(2000))) }
	for range 150 {
		var batch []sinks.Signal
		for range random.IntN(20) {
			next += 1 + random.Uint64N(2)
			batch = append(batch, sinks.Signal{Sequence: next, Time: anyTime(), Name: "x"})
		}
		must(t, errors.Join(s.Append(t.Context(), batch), reference.Append(t.Context(), batch)))
		before, keep, atMost := time.Time{}, uint64(0), 1+random.IntN(30)
		if random.IntN(3) > 0 {
			before = anyTime()
		}
		if random.IntN(3) > 0 {
			keep = 1 + random.Uint64N(40)
		}
		n, err := sinks.Prune(t.Context(), s, before, keep, atMost)
		must(t, err)
		want, err := sinks.Prune(t.Context(), reference, before, keep, atMost)
		must(t, err)
		got, err := s.Read(t.Context(), 0, math.MaxInt32)
		must(t, err)
		left, err := reference.Read(t.Context(), 0, math.MaxInt32)
		must(t, err)
		if diff := cmp.Diff(left, got); n != want || diff != "" {
			t.Fatalf("Prune before %v, keep %d, at most %d removed %d, want %d:\n%s", before, keep, atMost, n, want, diff)
		}
	}
	must(t, sinks.Verify(t.Context(), s))
}

// TestRemovingMuch takes several transactions and leaves nothing out.
func TestRemovingMuch(t *testing.T) {
	s := openSignals(t, place(t), nil)
	must(t, s.Append(t.Context(), series(1, 9000)))
	n, err := sinks.Prune(t.Context(), s, time.Time{}, 4500, 100_000)
	if err != nil || n != 4500 {
		t.Errorf("pruned %d, %v", n, err)
	}
	must(t, s.Trim(t.Context(), 8999))
	wantLog(t, s, series(9000, 9000))
	for _, before := range []time.Time{time.Date(-5000, 1, 1, 0, 0, 0, 0, time.UTC), {}} {
		n, err = sinks.Prune(t.Context(), s, before, 0, 10)
		if err != nil || n != 0 {
			t.Errorf("before %v: %d, %v", before, n, err)
		}
	}
	n, err = sinks.Prune(t.Context(), s, time.Date(300_000, 1, 1, 0, 0, 0, 0, time.UTC), 0, 10)
	if err != nil || n != 1 {
		t.Errorf("before a late time: %d, %v", n, err)
	}
}

// endless is a reader of numbered bytes that counts what is in memory while it is read.
type endless struct {
	n    int
	peak uint64
}

func (e *endless) Read(p []byte) (int, error) {
	if e.n%(8<<20) < len(p) {
		e.peak = max(e.peak, inMemory())
	}
	for i := range p {
		p[i] = byte((e.n + i) * 31 >> 3)
	}
	e.n += len(p)
	return len(p), nil
}

func inMemory() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestLargeBlob goes in and out in a few parts' worth of memory.
func TestLargeBlob(t *testing.T) {
	b := openBlobs(t, place(t), nil)
	const size = 64<<20 + 3
	before := inMemory()
	source := &endless{}
	must(t, b.Put(t.Context(), "large", size, io.LimitReader(source, size)))
	r, n, err := b.Open(t.Context(), "large")
	must(t, err)
	if n != size {
		t.Errorf("%d bytes", n)
	}
	again := &endless{peak: source.peak}
	want, got := make([]byte, 1<<16), make([]byte, 1<<16)
	for {
		k, err := io.ReadFull(r, got)
		_, _ = again.Read(want[:k])
		if string(got[:k]) != string(want[:k]) {
			t.Fatalf("other bytes before %d", again.n)
		}
		if err != nil {
			break
		}
	}
	must(t, r.Close())
	if again.n != size {
		t.Errorf("%d bytes came back", again.n)
	}
	if grown := int64(again.peak) - int64(before); grown > 16<<20 {
		t.Errorf("%d bytes were in memory", grown)
	}
	must(t, b.Delete(t.Context(), "large"))
}

// TestReadWhileDeleted: a content that is read while its blob goes ends with ErrNotFound.
func TestReadWhileDeleted(t *testing.T) {
	b := openBlobs(t, place(t), nil)
	body := strings.Repeat("x", 3<<20)
	must(t, b.Put(t.Context(), "x", int64(len(body)), strings.NewReader(body)))
	r, _, err := b.Open(t.Context(), "x")
	must(t, err)
	_, err = io.ReadFull(r, make([]byte, 10))
	must(t, err)
	must(t, b.Delete(t.Context(), "x"))
	if _, err := io.Copy(io.Discard, r); !errors.Is(err, sinks.ErrNotFound) {
		t.Error(err)
	}
	must(t, r.Close())
}

// TestPutsOfOneName of several parts, at the same time: one wins, nothing is left of the others.
func TestPutsOfOneName(t *testing.T) {
	place := place(t)
	b := openBlobs(t, place, nil)
	results := make(chan error)
	const writers = 5
	for i := range writers {
		go func() {
			body := strings.Repeat(fmt.Sprint(i), 2<<20)
			results <- b.Put(t.Context(), "x", int64(len(body)), strings.NewReader(body))
		}()
	}
	won := 0
	for range writers {
		switch err := <-results; {
		case err == nil:
			won++
		case !errors.Is(err, sinks.ErrExists):
			t.Error(err)
		}
	}
	if n := value[int](t, raw(t, place), "SELECT count(*) FROM blob_chunks"); won != 1 || n != 2 {
		t.Errorf("%d won, %d parts are left", won, n)
	}
}
