package sqlitestore_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/sinktest"
	sqlitestore "github.com/ephemera-go/ephemera/storage-sqlite"
)

func BenchmarkSignals(b *testing.B) {
	sinktest.BenchSignals(b, func(ctx context.Context, place string) (sinks.SignalStore, error) {
		return sqlitestore.OpenSignals(ctx, filepath.Join(place, "s.db"), &sqlitestore.Options{Synchronous: sqlitestore.Normal})
	})
}

func BenchmarkBlobs(b *testing.B) {
	sinktest.BenchBlobs(b, func(ctx context.Context, place string) (sinks.BlobStore, error) {
		return sqlitestore.OpenBlobs(ctx, filepath.Join(place, "b.db"), &sqlitestore.Options{Synchronous: sqlitestore.Normal})
	})
}

const benchBatch = 1000

// benchSignals are like those of a service: few names, many keys, no path and no data.
func benchSignals(next uint64) []sinks.Signal {
	batch := make([]sinks.Signal, benchBatch)
	for i := range batch {
		sequence := next + uint64(i)
		batch[i] = sinks.Signal{
			Sequence: sequence, Time: time.Unix(1_700_000_000, int64(sequence)*1000), Operation: sequence / 3,
			Name: []string{"order.completed", "error:Timeout", "cache.miss"}[sequence%3], Key: fmt.Sprintf("customer-%d", sequence%5000),
		}
	}
	return batch
}

// BenchmarkFlush appends batches of 1,000 signals, with the hand-written loop below as reference in the same run.
func BenchmarkFlush(b *testing.B) {
	for _, mode := range []sqlitestore.Synchronous{sqlitestore.Normal, sqlitestore.Full} {
		b.Run("store/"+mode.String(), func(b *testing.B) {
			s, err := sqlitestore.OpenSignals(b.Context(), filepath.Join(b.TempDir(), "s.db"), &sqlitestore.Options{Synchronous: mode})
			if err != nil {
				b.Fatal(err)
			}
			flushLoop(b, func(batch []sinks.Signal) error { return s.Append(b.Context(), batch) })
			if err := s.Close(); err != nil {
				b.Fatal(err)
			}
		})
		for _, rows := range []int{5, 10, 20, 50, 200} {
			b.Run(fmt.Sprintf("hand/%v/rows=%d", mode, rows), func(b *testing.B) {
				db := handDB(b, mode)
				flushLoop(b, func(batch []sinks.Signal) error { return handInsert(b.Context(), db, batch, rows) })
			})
		}
	}
}

func flushLoop(b *testing.B, flush func([]sinks.Signal) error) {
	next := uint64(1)
	for b.Loop() {
		b.StopTimer()
		batch := benchSignals(next)
		b.StartTimer()
		if err := flush(batch); err != nil {
			b.Fatal(err)
		}
		next += benchBatch
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchBatch, "ns/signal")
}

// handDB is what a careful programmer sets up for the same table, with neither checksum nor account.
func handDB(b *testing.B, mode sqlitestore.Synchronous) *sql.DB {
	b.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(b.TempDir(), "h.db")+"?_txlock=immediate&_journal_mode=WAL&_synchronous="+mode.String())
	if err != nil {
		b.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	b.Cleanup(func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	})
	_, err = db.ExecContext(b.Context(), `CREATE TABLE signals (id INTEGER PRIMARY KEY, operation_id INTEGER NOT NULL,
		signal TEXT NOT NULL, key TEXT, timestamp TEXT NOT NULL, created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP, path TEXT, data BLOB) STRICT`)
	if err != nil {
		b.Fatal(err)
	}
	return db
}

var handStatements = map[*sql.DB]*sql.Stmt{}

// handInsert writes the five columns that are set, many rows per prepared statement; rows divides the batch.
func handInsert(ctx context.Context, db *sql.DB, batch []sinks.Signal, rows int) error {
	stmt := handStatements[db]
	if stmt == nil {
		text := "INSERT INTO signals (id, operation_id, signal, key, timestamp) VALUES (?,?,?,?,?)" + strings.Repeat(",(?,?,?,?,?)", rows-1)
		var err error
		if stmt, err = db.PrepareContext(ctx, text); err != nil {
			return err
		}
		handStatements[db] = stmt
	}
	tx, err := db.BeginTx(context.WithoutCancel(ctx), nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()                                       //nolint:errcheck // after Commit it does nothing
	bound := tx.StmtContext(context.WithoutCancel(ctx), stmt) //nolint:sqlclosecheck // the end of tx closes it
	args := make([]any, 0, 5*rows)
	for len(batch) > 0 {
		args = args[:0]
		for i := range batch[:rows] {
			s := &batch[i]
			args = append(args, int64(s.Sequence), int64(s.Operation), s.Name, s.Key, s.Time.UTC().Format("2006-01-02T15:04:05.000000000Z"))
		}
		if _, err := bound.ExecContext(context.WithoutCancel(ctx), args...); err != nil {
			return err
		}
		batch = batch[rows:]
	}
	return tx.Commit()
}
