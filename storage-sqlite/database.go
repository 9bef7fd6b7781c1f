package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

// A database is a file of ours, opened.
type database struct {
	at      location
	opened  fs.FileInfo
	options Options
	writer  *Writer // nil when read-only
	readers *sql.DB
	closed  atomic.Bool // for contents of blobs, which may outlive the store
}

func openDatabase(ctx context.Context, path string, given *Options) (*database, error) {
	o, err := given.check()
	if err != nil {
		return nil, err
	}
	at, err := locate(path)
	if err != nil {
		return nil, err
	}
	exists, err := at.exists()
	if err != nil {
		return nil, err
	}
	if !exists && o.ReadOnly {
		return nil, sinks.ErrNotFound
	}
	if exists {
		if err := probe(ctx, at, o); err != nil {
			return nil, err
		}
	}
	db := &database{at: at, options: o}
	if err := db.open(ctx); err != nil {
		return nil, errors.Join(err, db.close())
	}
	return db, nil
}

func (db *database) open(ctx context.Context) (err error) {
	if !db.options.ReadOnly {
		if db.writer, err = openWriter(ctx, db.at, db.options, true); err != nil {
			return err
		}
		if err := migrate(ctx, db.writer); err != nil {
			return err
		}
	}
	if db.readers, err = openReaders(db.at.path, db.options); err != nil {
		return err
	}
	if db.opened, err = os.Stat(db.at.given); err != nil {
		return err
	}
	var version string
	if err := db.readers.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&version); err != nil {
		return err
	}
	return checkVersion(version)
}

// look returns ErrReplaced if what readers see is not what others find.
func (db *database) look() error { return db.at.inPlace(db.opened) }

func (db *database) close() error {
	db.closed.Store(true)
	var errs []error
	if db.readers != nil { // first, so that they are not in the way of emptying the log
		errs = append(errs, translate(db.readers.Close()))
	}
	if db.writer != nil {
		errs = append(errs, db.writer.end())
	}
	return errors.Join(errs...)
}

// write runs f in a transaction if the lease l allows this handle to write.
func (db *database) write(ctx context.Context, l *lease, f func(tx *Tx) error) error {
	if db.writer == nil {
		return sinks.ErrReadOnly
	}
	return ofOurSchema(db.writer.run(ctx, func(tx *Tx) error {
		if err := l.allow(tx); err != nil {
			return err
		}
		return f(tx)
	}))
}

// probe looks at a file and refuses what must be left alone. Where it looks without locks and others write meanwhile, what it
// sees may be torn: then it looks again.
func probe(ctx context.Context, at location, o Options) error {
	for end := time.Now().Add(o.BusyTimeout); ; {
		before, err := os.Stat(at.path)
		if err != nil {
			return err
		}
		locked, err := lookOnce(ctx, at, o)
		if err == nil || locked || ctx.Err() != nil || time.Now().After(end) || !at.changing(before) {
			return err
		}
		select {
		case <-time.After(stillFor / 4):
		case <-ctx.Done():
		}
	}
}

// stillFor is how long ago the last write to a file must be before one can tell by its time that there was no other: the
// clock of file systems ticks every 10 ms on some machines.
const stillFor = 20 * time.Millisecond

// changing reports whether somebody may have written since the given moment.
func (l location) changing(since fs.FileInfo) bool {
	now, err := os.Stat(l.path)
	return err != nil || !os.SameFile(now, since) || now.Size() != since.Size() || !now.ModTime().Equal(since.ModTime()) ||
		time.Since(now.ModTime()) < stillFor || filled(l.log()) || filled(l.path+"-journal")
}

// lookOnce is probe once, and says whether SQLite locked the file.
func lookOnce(ctx context.Context, at location, o Options) (locked bool, err error) {
	query := url.Values{"_busy_timeout": {strconv.FormatInt(o.BusyTimeout.Milliseconds(), 10)}, "_query_only": {"1"}}
	locked = true
	switch {
	case filled(at.path + "-journal"):
		// A crash interrupted a change outside of WAL mode. What the file holds shows only when SQLite undoes it.
		query.Set("mode", "rw")
	case filled(at.log()):
		query.Set("mode", "ro")
	default:
		// Otherwise SQLite would leave a log and its index beside a file of somebody else that is in WAL mode.
		locked = false
		query.Set("mode", "ro")
		query.Set("immutable", "1")
	}
	db, err := sql.Open(driverName, source(at.path, query))
	if err != nil {
		return locked, err
	}
	defer func() { _ = db.Close() }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return locked, err
	}
	defer func() { _ = conn.Close() }()
	id, err := identify(ctx, conn)
	if err != nil {
		return locked, err
	}
	if o.ReadOnly && (id.kind != ours || id.version < migrations.last()) {
		return locked, fmt.Errorf("%w: the database must be migrated first; open it for writing once", sinks.ErrReadOnly)
	}
	return locked, nil
}
