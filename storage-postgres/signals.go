package pgstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ephemera-go/ephemera/sinks"
)

// Signals is a log of signals whose growth can be followed with Tail. It is a sinks.SignalStore, and also a sinks.Leaser,
// sinks.Pruner and sinks.Verifier; their methods come from a field that is not exported.
type Signals struct {
	checked
	inner *signalStore
}

var (
	_ sinks.SignalStore = (*Signals)(nil)
	_ sinks.Leaser      = (*Signals)(nil)
	_ sinks.Pruner      = (*Signals)(nil)
	_ sinks.Verifier    = (*Signals)(nil)
)

// checked is what sinks.CheckedSignals makes of a signalStore.
type checked interface {
	sinks.SignalStore
	sinks.Leaser
	sinks.Pruner
	sinks.Verifier
}

func newSignals(db *database) *Signals {
	inner := &signalStore{lease: newLease(db, "signals", lockSignals), db: db, poll: defaultPoll}
	inner.closing, inner.endTails = context.WithCancel(context.Background())
	return &Signals{checked: sinks.CheckedSignals(driverName, inner).(checked), inner: inner}
}

// signalStore is used through sinks.CheckedSignals.
type signalStore struct {
	*lease
	db       *database
	closing  context.Context // ended by Close
	endTails context.CancelFunc
	poll     time.Duration // see Tail
}

// A logRow describes the whole log.
type logRow struct {
	last, trimmed, count uint64
}

// lockLog keeps other writers of the log waiting. Every transaction of signalStore begins with it.
const lockLog = "SELECT last, trimmed, count FROM @signal_log FOR UPDATE"

func (r *logRow) scan(row pgx.Row) error { return damaged(row.Scan(&r.last, &r.trimmed, &r.count)) }

// Append implements sinks.SignalStore.
func (s *signalStore) Append(ctx context.Context, batch []sinks.Signal) error {
	return s.db.write(ctx, s.lease, func(t *tx) error {
		known, _ := slices.BinarySearchFunc(batch, t.log.last+1, compareSequence)
		gone, _ := slices.BinarySearchFunc(batch[:known], t.log.trimmed+1, compareSequence)
		if err := compareStored(t, batch[gone:known]); err != nil {
			return err
		}
		return insert(t, batch[known:])
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
func compareStored(t *tx, signals []sinks.Signal) error {
	if len(signals) == 0 {
		return nil
	}
	sequences := make([]int64, len(signals))
	for i := range signals {
		sequences[i] = int64(signals[i].Sequence)
	}
	var rows []sinks.Signal
	err := collect(t.ctx, t.conn, scanInto(&rows), t.db.sql(selectRows+" WHERE sequence = ANY($1::bigint[]) ORDER BY sequence"), sequences)
	if err != nil {
		return err
	}
	for _, stored := range rows {
		if signals[0].Sequence != stored.Sequence {
			break // it is missing
		}
		if !signals[0].Equal(stored) {
			return fmt.Errorf("%w: sequence %d holds another signal", sinks.ErrConflict, stored.Sequence)
		}
		signals = signals[1:]
	}
	if len(signals) > 0 {
		return fmt.Errorf("%w: the log has passed sequence %d and is at %d", sinks.ErrConflict, signals[0].Sequence, t.log.last)
	}
	return nil
}

func scanInto(signals *[]sinks.Signal) func(rows pgx.Rows) error {
	return func(rows pgx.Rows) error {
		var r row
		if err := r.scan(rows); err != nil {
			return err
		}
		signal, err := r.signal()
		*signals = append(*signals, signal)
		return err
	}
}

// Read implements sinks.SignalStore.
func (s *signalStore) Read(ctx context.Context, after uint64, limit int) ([]sinks.Signal, error) {
	return s.query(ctx, " WHERE sequence > $1 ORDER BY sequence LIMIT $2", int64(after), int64(limit))
}

// ReadNewest implements sinks.SignalStore.
func (s *signalStore) ReadNewest(ctx context.Context, before uint64, limit int) ([]sinks.Signal, error) {
	if before == 0 {
		before = sinks.MaxSequence + 1
	}
	signals, err := s.query(ctx, " WHERE sequence <= $1 ORDER BY sequence DESC LIMIT $2", int64(before-1), int64(limit))
	slices.Reverse(signals)
	return signals, err
}

func (s *signalStore) query(ctx context.Context, which string, args ...any) (signals []sinks.Signal, err error) {
	err = s.db.read(ctx, func(conn *pgx.Conn) error {
		signals = nil
		return collect(ctx, conn, scanInto(&signals), s.db.sql(selectRows+which), args...)
	})
	if err != nil {
		return nil, err
	}
	return signals, nil
}

// Stat implements sinks.SignalStore.
func (s *signalStore) Stat(ctx context.Context) (stat sinks.SignalStat, err error) {
	err = s.db.read(ctx, func(conn *pgx.Conn) error {
		return damaged(conn.QueryRow(ctx, s.db.sql(
			"SELECT coalesce((SELECT min(sequence) FROM @signals), 0), last, count, bytes FROM @signal_log")).
			Scan(&stat.First, &stat.Last, &stat.Count, &stat.Bytes))
	})
	return stat, err
}

// Close implements sinks.SignalStore.
func (s *signalStore) Close() error {
	s.endTails()
	err := s.giveUp()
	s.db.close()
	return err
}
