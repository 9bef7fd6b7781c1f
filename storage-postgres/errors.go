package pgstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ephemera-go/ephemera/sinks"
)

// ErrFull is sinks.ErrFull: the server's disk is full.
var ErrFull = sinks.ErrFull

// Causes that sinks has no name for. Nothing was written.
var (
	// ErrUnavailable means that for the whole of Options.RetryTimeout no server took the call to its end: it cannot be
	// reached, is starting or stopping, or has no connection left.
	ErrUnavailable = errors.New("server unavailable")
	// ErrTimeout means that the server ended the statement, by statement_timeout, lock_timeout or somebody's request.
	ErrTimeout = errors.New("ended by the server")
)

// A meaning is what an SQLSTATE, or a class of them, means here. The server's own message is not shown: it may quote
// values. https://www.postgresql.org/docs/current/errcodes-appendix.html
type meaning struct {
	kind  error // may be nil
	text  string
	again bool // nothing was done; a new attempt may succeed
}

var poolerHint = meaning{sinks.ErrInvalid, "a prepared statement is not there: behind a pooler of transactions the URL needs default_query_exec_mode=cache_describe", false}

var meanings = map[string]meaning{
	"08":    {ErrUnavailable, "connection failed", true},
	"08P01": {ErrUnavailable, "connection refused; a pooler may refuse statement_timeout and lock_timeout like this", true},
	"22":    {nil, "a value was refused", false},
	"22021": {errors.ErrUnsupported, "a text cannot be stored in the encoding of the database; it must be UTF8", false},
	"22023": {sinks.ErrInvalid, "a setting of the session was refused", false},
	"22P05": {errors.ErrUnsupported, "a text cannot be stored in the encoding of the database; it must be UTF8", false},
	"23":    {sinks.ErrCorrupt, "rows that should not be there", false},
	"25006": {sinks.ErrReadOnly, "the server is a standby, or default_transaction_read_only is on", false},
	"25P03": {ErrUnavailable, "the transaction was left standing too long", true},
	"26000": poolerHint,
	"28":    {sinks.ErrDenied, "the server refuses this user, password or certificate; see the URL, PGPASSWORD, the password file and pg_hba.conf", false},
	"3D000": {ErrUnavailable, "no such database; CREATE DATABASE makes it", false},
	"3F000": {sinks.ErrCorrupt, "the schema is gone", false},
	"40001": {nil, "serialization failure", true},
	"40P01": {nil, "deadlock", true},
	"42":    {sinks.ErrCorrupt, "the tables are not as they were made", false},
	"42501": {sinks.ErrDenied, "the role lacks a right; open the store once as a role that may make the schema, then GRANT", false},
	"42P05": poolerHint,
	"53":    {nil, "the server is out of resources", false},
	"53100": {ErrFull, "no space is left on the server", false},
	"53300": {ErrUnavailable, "the server has no connection left", true},
	"55P03": {ErrTimeout, "lock_timeout", false},
	"57014": {ErrTimeout, "statement_timeout, or cancelled by somebody", false},
	"57P01": {ErrUnavailable, "the server ended the connection", true},
	"57P02": {ErrUnavailable, "the server crashed", true},
	"57P03": {ErrUnavailable, "the server is starting or stopping", true},
	"57P05": {ErrUnavailable, "the connection was idle too long", true},
	"XX001": {sinks.ErrCorrupt, "the server found damaged data", false},
	"XX002": {sinks.ErrCorrupt, "the server found a damaged index", false},
}

// serverError shows a meaning instead of the text of an error that came from the server or the network. What it wraps
// stays reachable with errors.Is and errors.As.
type serverError struct {
	meaning
	cause error
}

func (e *serverError) Error() string {
	if e.kind == nil {
		return e.text
	}
	return e.kind.Error() + ": " + e.text
}

func (e *serverError) Unwrap() []error {
	if e.kind == nil {
		return []error{e.cause}
	}
	return []error{e.kind, e.cause}
}

// translate gives errors of pgx a meaning. Others stay as they are.
func translate(ctx context.Context, err error) error {
	var known *serverError
	var server *pgconn.PgError
	var column pgx.ScanArgError
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.As(err, &server):
		if ctx.Err() != nil && server.Code == "57014" {
			return ctx.Err() // pgx asked the server to stop
		}
		m := meaningOf(server.Code)
		m.text += " (SQLSTATE " + server.Code + ")"
		return &serverError{m, server}
	case ctx.Err() != nil && (connectionLost(err) || errors.Is(err, ctx.Err())):
		return ctx.Err()
	case connectionLost(err):
		cause := withoutConfig(err)
		text := strings.ReplaceAll(cause.Error(), "\n", "; ")
		if errors.Is(cause, context.DeadlineExceeded) {
			cause = errors.New(text) // connect_timeout is not the end of the caller's context
		}
		return &serverError{meaning{ErrUnavailable, text, true}, cause}
	case errors.As(err, &column):
		return fmt.Errorf("%w: column %s of a row cannot be read", sinks.ErrCorrupt, column.FieldName)
	}
	return err
}

func meaningOf(code string) meaning {
	if m, ok := meanings[code]; ok {
		return m
	}
	if len(code) == 5 {
		if m, ok := meanings[code[:2]]; ok {
			return m
		}
	}
	return meaning{text: "refused by the server"}
}

// connectionLost reports whether err tells of the connection instead of the statement.
func connectionLost(err error) bool {
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, pgconn.ErrConnClosed) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

// withoutConfig leaves out the part of a failure to connect that holds the password.
func withoutConfig(err error) error {
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		return errors.Unwrap(connect)
	}
	return err
}

// again reports whether the same call may succeed on a new connection.
func again(err error) bool {
	var known *serverError
	return errors.Is(err, sinks.ErrUnknownOutcome) || errors.As(err, &known) && known.meaning.again
}

// undecided reports whether a COMMIT that failed with err may have happened. Only an error of the server that left the
// connection usable says that it did not; pgconn.SafeToRetry says so also of commits whose answer was lost.
func undecided(err error) bool {
	var server *pgconn.PgError
	if !errors.As(err, &server) || server.SeverityUnlocalized != "ERROR" {
		return true
	}
	return server.Code == "40003" || strings.HasPrefix(server.Code, "08") || strings.HasPrefix(server.Code, "57")
}

// damaged marks a row that must exist and does not.
func damaged(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("%w: a row that describes the store is missing", sinks.ErrCorrupt)
	}
	return err
}
