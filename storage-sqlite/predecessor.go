package sqlitestore

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

// importPredecessor copies the rows of predecessor_signals into signals. Sequences are the old ids. Rows that are no
// signals, by rules that the predecessor did not have, stay where they are, as all of its rows do.
func importPredecessor(tx *Tx, log *slog.Logger) error {
	const page = 1000
	after, copied, left := int64(0), 0, 0
	var reason error
	// An id below 1 is no sequence.
	if err := tx.Get([]any{&left}, "SELECT count(*) FROM predecessor_signals WHERE id < 1"); err != nil {
		return err
	}
	for {
		rows, last, err := predecessorPage(tx, after, page)
		if err != nil {
			return err
		}
		batch := make([]sinks.Signal, 0, len(rows))
		for i := range rows {
			if rows[i].problem != nil {
				left, reason = left+1, rows[i].problem
				continue
			}
			batch = append(batch, rows[i].signal)
		}
		if err := insert(tx, batch); err != nil {
			return err
		}
		copied += len(batch)
		after = last
		if len(rows) < page {
			break
		}
	}
	log.Info("sqlite: migrated a database of the predecessor; its table is now predecessor_signals", "signals", copied)
	if left > 0 {
		log.Warn("sqlite: rows of the predecessor that are no signals were not copied", "rows", left, "last reason", reason)
	}
	return nil
}

type predecessorRow struct {
	signal  sinks.Signal
	problem error
}

func predecessorPage(tx *Tx, after int64, limit int) (page []predecessorRow, last int64, err error) {
	rows, err := tx.Query(`SELECT id, operation_id, coalesce(CAST(signal AS TEXT), ''), coalesce(CAST(key AS TEXT), ''),
		coalesce(CAST(timestamp AS TEXT), '') FROM predecessor_signals WHERE id > ? ORDER BY id LIMIT ?`, after, limit)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var id int64
		var operation any
		var name, key, at string
		if err := rows.Scan(&id, &operation, &name, &key, &at); err != nil {
			return nil, 0, err
		}
		last = id
		page = append(page, predecessorSignal(id, operation, name, key, at))
	}
	return page, last, rows.Err()
}

func predecessorSignal(id int64, operation any, name, key, at string) predecessorRow {
	t, err := predecessorTime(at)
	if err != nil {
		return predecessorRow{problem: err}
	}
	number, ok := operation.(int64)
	if !ok {
		return predecessorRow{problem: fmt.Errorf("%w: the operation id is no integer", sinks.ErrInvalid)}
	}
	s := sinks.Signal{Sequence: uint64(id), Time: t, Name: name, Key: key, Operation: uint64(number)}
	return predecessorRow{signal: s, problem: sinks.CheckSignal(&s)}
}

// The predecessor wrote round-trip times with the offset of the caller. SQLite's own functions write the other forms, in
// UTC.
var predecessorTimes = []string{
	time.RFC3339Nano,
	"2006-01-02 15:04:05.999999999Z07:00",
	"2006-01-02T15:04:05.999999999",
	"2006-01-02 15:04:05.999999999",
}

func predecessorTime(text string) (time.Time, error) {
	for _, layout := range predecessorTimes {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("%w: timestamp in no known form", sinks.ErrInvalid)
}
