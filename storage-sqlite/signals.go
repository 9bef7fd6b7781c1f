package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/ephemera-go/ephemera/sinks"
)

// signalStore is used through sinks.CheckedSignals.
type signalStore struct {
	*lease
	db *database
}

func newSignalStore(db *database) *signalStore {
	return &signalStore{lease: &lease{db: db, destination: "signals"}, db: db}
}

// Append implements sinks.SignalStore.
func (s *signalStore) Append(ctx context.Context, batch []sinks.Signal) error {
	return s.db.write(ctx, s.lease, func(tx *Tx) error {
		var last, trimmed uint64
		if err := tx.Get([]any{&last, &trimmed}, "SELECT last, trimmed FROM signal_log"); err != nil {
			return damaged(err)
		}
		known, _ := slices.BinarySearchFunc(batch, last+1, compareSequence)
		gone, _ := slices.BinarySearchFunc(batch[:known], trimmed+1, compareSequence)
		if err := compareStored(tx, batch[gone:known], last); err != nil {
			return err
		}
		return insert(tx, batch[known:])
	})
}

func compareSequence(s sinks.Signal, sequence uint64) int {
	switch {
	case s.Sequence < sequence:
		return -1
	case s.Sequence > sequence:
		return 1
	}
	return 0
}

// compareStored wants signals, whose sequences the log has passed, to be stored as they are.
func compareStored(tx *Tx, signals []sinks.Signal, last uint64) error {
	if len(signals) == 0 {
		return nil
	}
	rows, err := tx.Query(selectRows+" WHERE id BETWEEN ? AND ? ORDER BY id",
		int64(signals[0].Sequence), int64(signals[len(signals)-1].Sequence))
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	for _, s := range signals {
		found := false
		for rows.Next() {
			stored, err := scanRow(rows)
			if err != nil {
				return err
			}
			if stored.Sequence < s.Sequence {
				continue
			}
			found = stored.Sequence == s.Sequence
			if found && !stored.Equal(s) {
				return fmt.Errorf("%w: sequence %d holds another signal", sinks.ErrConflict, s.Sequence)
			}
			break
		}
		if err := rows.Err(); err != nil {
			return err
		}
		if !found {
			return fmt.Errorf("%w: the log has passed sequence %d and is at %d", sinks.ErrConflict, s.Sequence, last)
		}
	}
	return nil
}

const selectRows = "SELECT id, operation_id, signal, key, timestamp, path, data, checksum FROM signals"

func scanRow(rows *sql.Rows) (sinks.Signal, error) {
	var r row
	var key, path sql.NullString
	err := rows.Scan(&r.id, &r.operation, &r.name, &key, &r.timestamp, &path, &r.data, &r.checksum)
	if err != nil {
		// The types of the columns are enforced when rows are written.
		return sinks.Signal{}, fmt.Errorf("%w: %w", sinks.ErrCorrupt, translate(err))
	}
	r.key, r.path = key.String, path.String
	return r.signal()
}

// Read implements sinks.SignalStore.
func (s *signalStore) Read(ctx context.Context, after uint64, limit int) ([]sinks.Signal, error) {
	return s.query(ctx, selectRows+" WHERE id > ? ORDER BY id LIMIT ?", int64(after), limit)
}

// ReadNewest implements sinks.SignalStore.
func (s *signalStore) ReadNewest(ctx context.Context, before uint64, limit int) ([]sinks.Signal, error) {
	if before == 0 {
		before = sinks.MaxSequence + 1
	}
	signals, err := s.query(ctx, selectRows+" WHERE id <= ? ORDER BY id DESC LIMIT ?", int64(before-1), limit)
	slices.Reverse(signals)
	return signals, err
}

func (s *signalStore) query(ctx context.Context, query string, args ...any) (signals []sinks.Signal, err error) {
	if err := s.db.look(); err != nil {
		return nil, err
	}
	rows, err := s.db.readers.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, readError(ctx, err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		signal, err := scanRow(rows)
		if err != nil {
			return nil, readError(ctx, err)
		}
		signals = append(signals, signal)
	}
	return signals, readError(ctx, rows.Err())
}

// readError shows the end of a context, which interrupts SQLite, as such.
func readError(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return translate(ofOurSchema(err))
}

// damaged marks a row that must exist and does not.
func damaged(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%w: a row that describes the database is missing", sinks.ErrCorrupt)
	}
	return err
}

// Stat implements sinks.SignalStore.
func (s *signalStore) Stat(ctx context.Context) (stat sinks.SignalStat, err error) {
	if err := s.db.look(); err != nil {
		return stat, err
	}
	err = s.db.readers.QueryRowContext(ctx,
		"SELECT coalesce((SELECT min(id) FROM signals), 0), last, count, bytes FROM signal_log").
		Scan(&stat.First, &stat.Last, &stat.Count, &stat.Bytes)
	if err != nil {
		return sinks.SignalStat{}, readError(ctx, damaged(err))
	}
	return stat, nil
}

// Close implements sinks.SignalStore.
func (s *signalStore) Close() error {
	return errors.Join(s.giveUp(), s.db.close())
}
