package sqlitestore_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ephemera-go/ephemera/sinks"
	sqlitestore "github.com/ephemera-go/ephemera/storage-sqlite"
)

// predecessorTable is the table of the predecessor.
const predecessorTable = `CREATE TABLE IF NOT EXISTS signals (
	id INTEGER PRIMARY KEY,
	operation_id INTEGER NOT NULL,
	signal TEXT NOT NULL,
	key TEXT,
	timestamp TEXT NOT NULL,
	created_at TEXT DEFAULT CURRENT_TIMESTAMP
)`

func makePredecessor(t *testing.T, path string, rows ...string) {
	t.Helper()
	db := raw(t, path)
	execute(t, db, "PRAGMA journal_mode=WAL", predecessorTable,
		"CREATE INDEX IF NOT EXISTS idx_signals_timestamp ON signals(timestamp)",
		"CREATE INDEX IF NOT EXISTS idx_signals_signal ON signals(signal)")
	for _, r := range rows {
		execute(t, db, "INSERT INTO signals (id, operation_id, signal, key, timestamp) VALUES "+r)
	}
	closeAll(t, db)
}

func utc(hour, minute, second, nanosecond int) time.Time {
	return time.Date(2025, 12, 12, hour, minute, second, nanosecond, time.UTC)
}

func TestParity37_PredecessorsDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	makePredecessor(t, path,
		`(1, 100, 'window.initialized', NULL, '2025-12-12T10:00:00.0000000+00:00')`,
		`(2, 9223372036854775807, 'order.completed', 'order-7', '2025-12-12T16:30:00.1234567+05:00')`,
		`(3, 100, 'error:Timeout', '', '2025-12-12T07:30:00.0000001-05:00')`,
		`(7, 5, 'ünïcode', 'k', '2025-12-12T12:00:00Z')`,
		`(8, 5, 'by.sql', 'k', '2025-12-12 13:00:00')`)
	want := []sinks.Signal{
		{Sequence: 1, Time: utc(10, 0, 0, 0), Name: "window.initialized", Operation: 100},
		{Sequence: 2, Time: utc(11, 30, 0, 123456700), Name: "order.completed", Key: "order-7", Operation: 1<<63 - 1},
		{Sequence: 3, Time: utc(12, 30, 0, 100), Name: "error:Timeout", Operation: 100},
		{Sequence: 7, Time: utc(12, 0, 0, 0), Name: "ünïcode", Key: "k", Operation: 5},
		{Sequence: 8, Time: utc(13, 0, 0, 0), Name: "by.sql", Key: "k", Operation: 5},
	}
	if _, err := sqlitestore.OpenSignals(t.Context(), path, &sqlitestore.Options{ReadOnly: true}); !errors.Is(err, sinks.ErrReadOnly) {
		t.Errorf("read-only, before it was migrated: %v", err)
	}
	for range 2 { // the second time it is a database of ours
		s := openSignals(t, path, sqlitestore.Options{})
		wantLog(t, s, want)
		must(t, sinks.Verify(t.Context(), s))
		stat, err := s.Stat(t.Context())
		must(t, err)
		if stat.First != 1 || stat.Last != 8 || stat.Count != 5 {
			t.Errorf("stat %+v", stat)
		}
		closeAll(t, s)
	}
	s := openSignals(t, path, sqlitestore.Options{})
	must(t, s.Append(t.Context(), []sinks.Signal{{Sequence: 9, Time: utc(14, 0, 0, 0), Name: "new", Operation: 5}}))
	closeAll(t, s)
	var old, offset string
	must(t, raw(t, path).QueryRowContext(t.Context(),
		"SELECT count(*), max(timestamp) FROM predecessor_signals WHERE id <= 2").Scan(&old, &offset))
	if old != "2" || offset != "2025-12-12T16:30:00.1234567+05:00" {
		t.Errorf("the old table holds %s rows, %s", old, offset)
	}
}

// TestPredecessorsRubbish: rows that are no signals stay in the old table, and the log says so.
func TestPredecessorsRubbish(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	makePredecessor(t, path,
		`(-5, 1, 'below', NULL, '2025-12-12T10:00:00Z')`,
		`(1, 1, '', NULL, '2025-12-12T10:00:00Z')`,
		`(2, 1, 'no.time', NULL, 'yesterday')`,
		`(3, 'x', 'no.operation', NULL, '2025-12-12T10:00:00Z')`,
		`(4, 1, 'nul' || char(0), NULL, '2025-12-12T10:00:00Z')`,
		`(5, 1, 'fine', NULL, '2025-12-12T10:00:00Z')`,
		`(6, 1, CAST(x'ff00ff' AS TEXT), NULL, '2025-12-12T10:00:00Z')`)
	var log bytes.Buffer
	o := sqlitestore.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}
	s := openSignals(t, path, o)
	wantLog(t, s, []sinks.Signal{{Sequence: 5, Time: utc(10, 0, 0, 0), Name: "fine", Operation: 1}})
	must(t, sinks.Verify(t.Context(), s))
	closeAll(t, s)
	if !strings.Contains(log.String(), "rows=6") || !strings.Contains(log.String(), "signals=1") {
		t.Errorf("the log does not say what was copied and what was not:\n%s", log.String())
	}
	var kept int
	must(t, raw(t, path).QueryRowContext(t.Context(), "SELECT count(*) FROM predecessor_signals").Scan(&kept))
	if kept != 7 {
		t.Errorf("%d rows are left of 7", kept)
	}
}

// TestPredecessorsTimes holds every form in which a time may stand there to the moment it means.
func TestPredecessorsTimes(t *testing.T) {
	at := func(year int, month time.Month, day, hour, minute, second, nanosecond int) time.Time {
		return time.Date(year, month, day, hour, minute, second, nanosecond, time.UTC)
	}
	nothing := time.Time{}.Add(-1) // it is no time, and its row stays behind
	cases := []struct {
		text string
		want time.Time
	}{
		{"2025-12-12T10:00:00.0000000+00:00", utc(10, 0, 0, 0)},
		{"2025-12-12T10:00:00.1234567+00:00", utc(10, 0, 0, 123456700)},
		{"2025-12-12T10:00:00.1234567Z", utc(10, 0, 0, 123456700)},
		{"2025-12-13T00:00:00.0000001+14:00", utc(10, 0, 0, 100)},
		{"2025-12-11T22:00:00.0000000-12:00", utc(10, 0, 0, 0)},
		{"2025-12-12T15:45:00.5000000+05:45", utc(10, 0, 0, 500_000_000)},
		{"2025-12-12T06:30:00.0000000-03:30", utc(10, 0, 0, 0)},
		{"2025-12-12T10:00:00", utc(10, 0, 0, 0)},
		{"2025-12-12T10:00:00.1234567", utc(10, 0, 0, 123456700)},
		{"2025-12-12 10:00:00", utc(10, 0, 0, 0)},
		{"2025-12-12 10:00:00.25", utc(10, 0, 0, 250_000_000)},
		{"2025-12-12 12:00:00+02:00", utc(10, 0, 0, 0)},
		{"2025-12-12 12:00:00.1234567+02:00", utc(10, 0, 0, 123456700)},
		{"2024-02-29T23:59:59.9999999+00:00", at(2024, 2, 29, 23, 59, 59, 999_999_900)},
		{"0001-01-01T00:00:00.0000000+00:00", at(1, 1, 1, 0, 0, 0, 0)},
		{"9999-12-31T23:59:59.9999999+00:00", at(9999, 12, 31, 23, 59, 59, 999_999_900)},
		{"0001-01-01T00:00:00.0000000-08:00", at(1, 1, 1, 8, 0, 0, 0)},
		{"0001-01-01T00:00:00.0000000+01:00", nothing}, // before the year 1
		{"9999-12-31T23:59:59.9999999-01:00", nothing}, // the year 10000
		{"2025-02-30T10:00:00.0000000+00:00", nothing},
		{"2025-12-12", nothing},
		{"10:00:00", nothing},
		{"1765533600", nothing},
		{"", nothing},
	}
	var rows []string
	var want []sinks.Signal
	for i, c := range cases {
		rows = append(rows, fmt.Sprintf("(%d, -%d, 'name', NULL, '%s')", i+1, i+1, c.text))
		if !c.want.Equal(nothing) {
			// A negative operation is one from 2^63 on.
			want = append(want, sinks.Signal{Sequence: uint64(i + 1), Time: c.want, Name: "name", Operation: -uint64(i + 1)})
		}
	}
	path := filepath.Join(t.TempDir(), "x.db")
	makePredecessor(t, path, rows...)
	s := openSignals(t, path, quick)
	wantLog(t, s, want)
	must(t, sinks.Verify(t.Context(), s))
	// The newest is told by moments, and not by texts.
	removed, err := sinks.Prune(t.Context(), s, utc(9, 59, 59, 0), 0, 100)
	if err != nil || removed != 0 {
		t.Errorf("%d signals are older than the oldest one, %v", removed, err)
	}
}

func TestPredecessorsManyRows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	makePredecessor(t, path)
	db := raw(t, path)
	execute(t, db, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3456)
		INSERT INTO signals (operation_id, signal, key, timestamp)
		SELECT i / 3, 'name.' || (i % 10), 'k' || i, strftime('%Y-%m-%dT%H:%M:%f+00:00', 1700000000 + i, 'unixepoch') FROM n`)
	closeAll(t, db)
	s := openSignals(t, path, quick)
	all, err := readAll(t.Context(), s)
	must(t, err)
	if len(all) != 3456 {
		t.Fatalf("%d signals", len(all))
	}
	want := sinks.Signal{Sequence: 3456, Time: time.Unix(1_700_003_456, 0).UTC(), Name: "name.6", Key: "k3456", Operation: 1152}
	if diff := cmp.Diff(want, all[3455]); diff != "" {
		t.Error(diff)
	}
}
