package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
)

// Tx is a transaction of a Writer, for one goroutine and only while the function runs that got it.
type Tx struct {
	w    *Writer // nil when it is over
	ctx  context.Context
	rows []*sql.Rows
}

var errOver = errors.New("transaction is over")

// cachedStatements is how many prepared statements a Writer keeps.
const cachedStatements = 32

// Exec runs a statement and returns how many rows it changed. Statements stay prepared, so texts that repeat are cheap.
func (t *Tx) Exec(query string, args ...any) (changed int64, err error) {
	stmt, err := t.statement(query) //nolint:sqlclosecheck // it stays prepared
	if err != nil {
		return 0, err
	}
	result, err := stmt.ExecContext(t.ctx, args...)
	if err != nil {
		return 0, translate(err)
	}
	return result.RowsAffected()
}

// Query runs a statement that returns rows. They are closed when the function ends, at the latest.
func (t *Tx) Query(query string, args ...any) (*sql.Rows, error) {
	stmt, err := t.statement(query) //nolint:sqlclosecheck // it stays prepared
	if err != nil {
		return nil, err
	}
	rows, err := stmt.QueryContext(t.ctx, args...)
	if err != nil {
		return nil, translate(err)
	}
	t.rows = append(t.rows, rows)
	return rows, nil
}

// end closes what f has left open: rows keep the connection from being closed, and the log from being emptied, for ever.
func (t *Tx) end() {
	for _, rows := range t.rows {
		_ = rows.Close()
	}
	t.w, t.rows = nil, nil
}

// Get stores the columns of the first row in dest. No row is sql.ErrNoRows.
func (t *Tx) Get(dest []any, query string, args ...any) error {
	stmt, err := t.statement(query) //nolint:sqlclosecheck // it stays prepared
	if err != nil {
		return err
	}
	return translate(stmt.QueryRowContext(t.ctx, args...).Scan(dest...))
}

// script runs statements that will not be run again.
func (t *Tx) script(text string) error {
	_, err := t.w.conn.ExecContext(t.ctx, text)
	return translate(err)
}

func (t *Tx) statement(query string) (*sql.Stmt, error) {
	w := t.w
	if w == nil {
		return nil, errOver
	}
	if stmt := w.statements[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := w.conn.PrepareContext(t.ctx, query)
	if err != nil {
		return nil, translate(err)
	}
	if w.statements == nil {
		w.statements = make(map[string]*sql.Stmt)
	}
	if len(w.prepared) == cachedStatements {
		// Rows of the oldest one may still be open: closing it waits for nothing, the statement goes with its rows.
		_ = w.statements[w.prepared[0]].Close()
		delete(w.statements, w.prepared[0])
		w.prepared = w.prepared[1:]
	}
	w.statements[query] = stmt
	w.prepared = append(w.prepared, query)
	return stmt, nil
}
