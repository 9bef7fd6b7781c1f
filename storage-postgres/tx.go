package pgstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ephemera-go/ephemera/sinks"
)

// A tx is a transaction that writes.
type tx struct {
	ctx     context.Context
	db      *database
	conn    *pgx.Conn
	refusal error  // of the lease; set only where looking is still allowed, see write
	log     logRow // locked; signals only
	notify  string // the channel to tell when it is committed; "" is none
}

// write runs f in a transaction, if the lease l allows this handle to write; nil asks no lease. f may run several times, so
// it must come to the same end when it finds that it has done its work already: that is how a commit whose answer was lost
// is decided. What such a commit has locked stays locked until it has ended, well or not, so f sees its final state. A
// repetition that the lease refuses may look, but not change.
func (db *database) write(ctx context.Context, l *lease, f func(t *tx) error) error {
	if db.options.ReadOnly {
		return sinks.ErrReadOnly
	}
	lost := false
	err := db.patiently(ctx, func() error {
		err := db.borrow(ctx, func(conn *pgx.Conn) error {
			t := &tx{ctx: ctx, db: db, conn: conn}
			return t.run(l, lost, f)
		})
		lost = lost || errors.Is(err, sinks.ErrUnknownOutcome)
		return err
	})
	if err == nil || !lost || errors.Is(err, sinks.ErrUnknownOutcome) || afterLooking(err) {
		return err
	}
	return fmt.Errorf("%w: %w", sinks.ErrUnknownOutcome, err)
}

// afterLooking reports whether err says that the work was not found done.
func afterLooking(err error) bool {
	for _, decided := range []error{sinks.ErrConflict, sinks.ErrExists, sinks.ErrLeased, sinks.ErrFenced} {
		if errors.Is(err, decided) {
			return true
		}
	}
	return false
}

func (t *tx) run(l *lease, look bool, f func(t *tx) error) error {
	err := t.begin(l, look)
	if err == nil {
		err = f(t)
	}
	if err == nil {
		err = t.ctx.Err() // while it is certain that nothing was committed
	}
	if err != nil {
		t.rollback()
		return translate(t.ctx, err)
	}
	return t.commit()
}

// idleLimit is when the server ends a transaction whose client says nothing. It would keep its locks, and others would wait
// for them. A client that was only slow begins again.
var idleLimit = 3 * time.Second

// Durable means flushed, whatever the role's default.
const beginSettings = `SELECT
	CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', true) END,
	CASE current_setting('idle_in_transaction_session_timeout') WHEN '0' THEN
		set_config('idle_in_transaction_session_timeout', $1::text, true) END`

// begin makes one trip to the server.
func (t *tx) begin(l *lease, look bool) error {
	var batch pgx.Batch
	batch.Queue("BEGIN ISOLATION LEVEL READ COMMITTED")
	batch.Queue(beginSettings, milliseconds(t.db.idleLimit))
	if l != nil {
		l.queueCheck(&batch)
	}
	results := t.conn.SendBatch(t.ctx, &batch)
	_, err := results.Exec()
	if err == nil {
		_, err = results.Exec()
	}
	if err == nil && l != nil {
		t.refusal, err = l.check(results)
	}
	if err == nil && l != nil && l.guardsLog {
		err = t.log.scan(results.QueryRow())
	}
	if err = errors.Join(err, results.Close()); err != nil {
		return err
	}
	if look && t.refusal != nil {
		// A lease that had run out may have been renewed beside the transaction that is looked for. It ends first.
		return l.alone(t)
	}
	return t.refusal
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// get reads, or locks, one row.
func (t *tx) get(dest []any, query string, args ...any) error {
	return t.conn.QueryRow(t.ctx, t.db.sql(query), args...).Scan(dest...)
}

// change runs a statement that writes and returns how many rows it changed.
func (t *tx) change(query string, args ...any) (int64, error) {
	if t.refusal != nil {
		return 0, t.refusal
	}
	tag, err := t.conn.Exec(t.ctx, t.db.sql(query), args...)
	return tag.RowsAffected(), err
}

// commit says nothing of the COMMIT's failure that is not certain.
func (t *tx) commit() error {
	text := "COMMIT"
	if t.notify != "" {
		// Apart from our transaction, because NOTIFY makes all commits of the server wait for each other; in the same trip.
		text += "; NOTIFY " + t.notify
	}
	results := t.conn.PgConn().Exec(t.ctx, text)
	done := ""
	if results.NextResult() {
		tag, _ := results.ResultReader().Close() // its error comes again
		done = tag.String()
	}
	err := results.Close()
	switch {
	case done == "COMMIT": // whatever became of NOTIFY
		return nil
	case done == "ROLLBACK":
		return errors.New("the server undid the transaction")
	case undecided(err):
		return fmt.Errorf("%w: %w", sinks.ErrUnknownOutcome, translate(t.ctx, err))
	}
	t.rollback()
	return translate(t.ctx, err)
}

// rollback undoes the transaction, so that the connection can be used again. If it fails, closing the connection undoes.
func (t *tx) rollback() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), time.Second)
	defer cancel()
	_, _ = t.conn.Exec(ctx, "ROLLBACK")
}
