package sqlitestore

import (
	"database/sql/driver"
	"strings"

	"github.com/ephemera-go/ephemera/sinks"
)

// Rows per INSERT. Each statement stays prepared; a batch is cut into the largest pieces that fit.
var insertSizes = [...]int{mostRows, 1}

// mostRows is small because the driver looks every argument up among all of them: 200 rows take three times as long as 10
// for each of them. From 8 to 20 there is no difference.
const mostRows = 10

// Most signals have neither path nor data. Leaving these columns out where they are not needed saves a fifth.
var (
	shortInserts = insertTexts("id, operation_id, signal, key, timestamp, checksum")
	longInserts  = insertTexts("id, operation_id, signal, key, timestamp, checksum, path, data")
)

const (
	shortColumns = 6
	longColumns  = 8
)

func insertTexts(columns string) (texts [len(insertSizes)]string) {
	one := "(?" + strings.Repeat(",?", strings.Count(columns, ",")) + ")"
	for i, n := range insertSizes {
		texts[i] = "INSERT INTO signals (" + columns + ") VALUES " + one + strings.Repeat(","+one, n-1)
	}
	return texts
}

// An inserter runs these statements through the driver itself: package sql would copy and convert every value.
type inserter struct {
	statements map[string]driver.Stmt
	args       [longColumns * mostRows]driver.NamedValue
	rows       [mostRows]row
	times      timeText
}

func (i *inserter) close() {
	for _, stmt := range i.statements {
		_ = stmt.Close()
	}
	i.statements = nil
}

// insert stores signals that are known to be new, and counts them.
func insert(tx *Tx, batch []sinks.Signal) error {
	if len(batch) == 0 {
		return nil
	}
	var bytes int64
	err := tx.w.conn.Raw(func(conn any) (err error) {
		bytes, err = tx.w.bulk.insert(tx, conn, batch)
		return err
	})
	if err != nil {
		return translate(err)
	}
	_, err = tx.Exec("UPDATE signal_log SET last = ?, count = count + ?, bytes = bytes + ?",
		int64(batch[len(batch)-1].Sequence), len(batch), bytes)
	return err
}

func (i *inserter) insert(tx *Tx, conn any, batch []sinks.Signal) (bytes int64, err error) {
	most := min(len(batch), mostRows)
	defer clear(i.args[:longColumns*most]) // what a batch points to is not kept
	defer clear(i.rows[:most])
	for rest := batch; len(rest) > 0; {
		size := 0
		for insertSizes[size] > len(rest) {
			size++
		}
		n := insertSizes[size]
		long := false
		for k := range rest[:n] {
			if err := newRow(&rest[k], &i.rows[k], &i.times); err != nil {
				return 0, err
			}
			bytes += i.rows[k].bytes()
			long = long || i.rows[k].path != "" || len(i.rows[k].data) > 0
		}
		text, columns := shortInserts[size], shortColumns
		if long {
			text, columns = longInserts[size], longColumns
		}
		args := i.args[:n*columns]
		for k := range i.rows[:n] {
			i.rows[k].bind(args[k*columns : (k+1)*columns])
		}
		for k := range args {
			args[k].Ordinal = k + 1
		}
		if err := i.exec(tx, conn, text, args); err != nil {
			return 0, err
		}
		rest = rest[n:]
	}
	return bytes, nil
}

func (i *inserter) exec(tx *Tx, conn any, text string, args []driver.NamedValue) error {
	stmt := i.statements[text]
	if stmt == nil {
		var err error
		if stmt, err = conn.(driver.ConnPrepareContext).PrepareContext(tx.ctx, text); err != nil {
			return err
		}
		if i.statements == nil {
			i.statements = make(map[string]driver.Stmt)
		}
		i.statements[text] = stmt
	}
	_, err := stmt.(driver.StmtExecContext).ExecContext(tx.ctx, args)
	return err
}

// bind sets the arguments of one row; path and data only if there is room for them.
func (r *row) bind(args []driver.NamedValue) {
	args[0].Value, args[1].Value, args[2].Value = r.id, r.operation, r.name
	args[3].Value = textOrNull(r.key)
	args[4].Value, args[5].Value = r.timestamp, r.checksum
	if len(args) == shortColumns {
		return
	}
	args[6].Value = textOrNull(r.path)
	args[7].Value = nil
	if len(r.data) > 0 {
		args[7].Value = r.data
	}
}

func textOrNull(text string) driver.Value {
	if text == "" {
		return nil
	}
	return text
}
