package pgstore

import (
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/ephemera-go/ephemera/sinks"
)

// copyFrom is the number of signals from which COPY was measured to be faster than single rows in one trip.
const copyFrom = 10

// insert stores signals that are known to be new, and counts them.
func insert(t *tx, batch []sinks.Signal) error {
	if len(batch) == 0 {
		return nil
	}
	if t.refusal != nil {
		return t.refusal
	}
	t.notify = pgx.Identifier{t.db.options.Schema}.Sanitize()
	var bytes int64
	for i := range batch {
		bytes += size(&batch[i])
	}
	var pipeline pgx.Batch
	if len(batch) < copyFrom {
		for i := range batch {
			r := newRow(&batch[i])
			pipeline.Queue(t.db.sql(insertRow), r.values()...)
		}
	} else if err := copyRows(t, batch); err != nil {
		return err
	}
	pipeline.Queue(t.db.sql("UPDATE @signal_log SET last = $1, count = count + $2, bytes = bytes + $3"),
		int64(batch[len(batch)-1].Sequence), int64(len(batch)), bytes)
	return t.conn.SendBatch(t.ctx, &pipeline).Close()
}

const insertRow = `INSERT INTO @signals (sequence, time, nanos, name, key, operation, path, data, checksum)
	VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`

func copyRows(t *tx, batch []sinks.Signal) error {
	n, err := t.conn.CopyFrom(t.ctx, pgx.Identifier{t.db.options.Schema, "signals"}, columns,
		pgx.CopyFromSlice(len(batch), func(i int) ([]any, error) {
			r := newRow(&batch[i])
			return r.values(), nil
		}))
	if err == nil && n != int64(len(batch)) {
		err = fmt.Errorf("the server took %d of %d rows", n, len(batch))
	}
	return err
}
