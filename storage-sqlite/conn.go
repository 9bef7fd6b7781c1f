package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	driverName = "sqlite"
	// longLog is the size of a write-ahead log that something keeps from being emptied: SQLite tries to after every
	// 1,000 pages, 4 MiB.
	longLog = 16 << 20
	// shortReads is how long reads in progress may take before they count as being in the way.
	shortReads = 200 * time.Millisecond
)

// source builds the data source name. Only values that this package makes itself get into its query, because the driver
// would run what stands there as SQL.
func source(path string, query url.Values) string {
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed // a volume name
	}
	query.Set("_dqs", "0")
	query.Set("_error_rc", "1")
	query.Set("_defensive", "1")
	return "file:" + (&url.URL{Path: slashed}).EscapedPath() + "?" + query.Encode()
}

func writerDSN(path string, o Options, shrinkable bool) string {
	query := url.Values{
		"mode":          {"rwc"},
		"_busy_timeout": {"0"}, // see patiently
		"_foreign_keys": {"1"},
		"_synchronous":  {o.Synchronous.String()},
	}
	if shrinkable {
		query.Set("_auto_vacuum", "INCREMENTAL")
	}
	return source(path, query)
}

func readerDSN(path string, o Options) string {
	query := url.Values{
		"mode":          {"rw"},
		"_busy_timeout": {strconv.FormatInt(o.BusyTimeout.Milliseconds(), 10)},
		"_query_only":   {"1"},
	}
	if o.ReadOnly {
		query.Set("mode", "ro")
	}
	return source(path, query)
}

// connect opens the connection of w, unless it is open, and verifies what it was asked for.
func (w *Writer) connect(ctx context.Context) error {
	if w.conn != nil {
		return nil
	}
	conn, err := w.db.Conn(ctx)
	if err != nil {
		return err
	}
	w.conn = conn
	err = w.prepareConn(ctx)
	if err == nil && w.opened != nil { // not the first connection
		err = w.sameFile()
	}
	if err != nil {
		w.disconnect()
	}
	return err
}

func (w *Writer) prepareConn(ctx context.Context) error {
	var version string
	if err := w.conn.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&version); err != nil {
		return err
	}
	if err := checkVersion(version); err != nil {
		return err
	}
	if err := w.switchToWAL(ctx); err != nil {
		return err
	}
	limit, err := w.pageLimit(ctx)
	if err != nil {
		return err
	}
	full := int64(1 - w.options.Synchronous)
	settings := []struct {
		pragma, set string
		want        int64
	}{
		// On macOS a flush reaches the disk, and not only its cache, with these alone.
		{"fullfsync", strconv.FormatInt(full, 10), full},
		{"checkpoint_fullfsync", strconv.FormatInt(full, 10), full},
		{"synchronous", "", int64(2 - w.options.Synchronous)},
		{"foreign_keys", "", 1},
		{"journal_size_limit", strconv.Itoa(longLog), longLog},
		// A file that is larger already keeps its size as limit.
		{"max_page_count", strconv.FormatInt(limit, 10), -1},
	}
	for _, s := range settings {
		if s.set != "" {
			if _, err := w.conn.ExecContext(ctx, "PRAGMA "+s.pragma+"="+s.set); err != nil {
				return err
			}
		}
		var got int64
		if err := w.conn.QueryRowContext(ctx, "PRAGMA "+s.pragma).Scan(&got); err != nil {
			return err
		}
		if s.want >= 0 && got != s.want {
			return fmt.Errorf("%w: SQLite has %s=%d instead of %d", errors.ErrUnsupported, s.pragma, got, s.want)
		}
	}
	return nil
}

// pageLimit is Options.MaxBytes in pages.
func (w *Writer) pageLimit(ctx context.Context) (int64, error) {
	if w.options.MaxBytes == 0 {
		return 1<<32 - 2, nil // SQLite's own
	}
	var size int64
	if err := w.conn.QueryRowContext(ctx, "PRAGMA page_size").Scan(&size); err != nil {
		return 0, err
	}
	return w.options.MaxBytes / size, nil
}

func (w *Writer) switchToWAL(ctx context.Context) error {
	var mode string
	if err := w.conn.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil || mode == "wal" {
		return err
	}
	if err := w.conn.QueryRowContext(ctx, "PRAGMA journal_mode=WAL").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("%w: the file system of the database allows no write-ahead log (journal mode %s)", errors.ErrUnsupported, mode)
	}
	return nil
}

// leastVersion is the first SQLite that cannot damage a file when two connections reset its log at once.
var leastVersion = [3]int{3, 51, 3}

func checkVersion(version string) error {
	parts := strings.SplitN(version, ".", 4)
	for i, least := range leastVersion {
		n := 0
		if i < len(parts) {
			var err error
			if n, err = strconv.Atoi(parts[i]); err != nil {
				return fmt.Errorf("%w: SQLite version %q", errors.ErrUnsupported, version)
			}
		}
		if n != least {
			if n > least {
				return nil
			}
			return fmt.Errorf("%w: SQLite %s; at least 3.51.3 is needed", errors.ErrUnsupported, version)
		}
	}
	return nil
}

// checkpoint empties the log; ErrLocked if somebody is in the way.
func (w *Writer) checkpoint(ctx context.Context) error {
	var busy, frames, moved int
	err := w.conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &moved)
	if err != nil {
		return err
	}
	if busy != 0 { // SQLite does not call that an error
		return fmt.Errorf("%w: %d of %d pages of the log were moved", ErrLocked, moved, frames)
	}
	return nil
}

// limitLog looks after the log when it has grown too long. SQLite empties it by itself as a rule, without telling
// whether it could.
func (w *Writer) limitLog() {
	info, err := os.Stat(w.at.log())
	if err != nil {
		return
	}
	if w.log == nil {
		w.log = info
	}
	if info.Size() < w.nextLook {
		return
	}
	ctx := context.Background()
	err = w.patiently(ctx, shortReads, func() error { return w.checkpoint(ctx) })
	switch {
	case err != nil && !w.starved:
		w.options.Logger.Warn("sqlite: the write-ahead log cannot be emptied", "bytes", info.Size(), "error", err)
		w.starved = true
	case err == nil && w.starved:
		w.options.Logger.Info("sqlite: the write-ahead log was emptied", "bytes", info.Size())
		w.starved = false
	}
	if err != nil {
		w.nextLook = info.Size() + longLog
	} else {
		w.nextLook = longLog
	}
}

func containsNUL(text string) bool { return strings.IndexByte(text, 0) >= 0 }

// openReaders returns connections that cannot write.
func openReaders(path string, o Options) (*sql.DB, error) {
	db, err := sql.Open(driverName, readerDSN(path, o))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(readers)
	db.SetMaxIdleConns(readers)
	return db, nil
}

// readers is how many reads go on at once; the others wait.
const readers = 4
