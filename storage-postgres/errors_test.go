package pgstore_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ephemera-go/ephemera/sinks"
	pgstore "github.com/ephemera-go/ephemera/storage-postgres"
)

func serverError(severity, code string) *pgconn.PgError {
	return &pgconn.PgError{Severity: "FEHLER", SeverityUnlocalized: severity, Code: code, Message: "hunter2", Detail: "hunter2"}
}

// TestMeanings: what errors are for callers, and that the server's text does not show.
func TestMeanings(t *testing.T) {
	for _, c := range []struct {
		code  string
		kind  error
		again bool
	}{
		{"08006", pgstore.ErrUnavailable, true},
		{"22P02", nil, false},
		{"22P05", errors.ErrUnsupported, false},
		{"23505", sinks.ErrCorrupt, false},
		{"25006", sinks.ErrReadOnly, false},
		{"26000", sinks.ErrInvalid, false},
		{"28000", sinks.ErrDenied, false},
		{"28P01", sinks.ErrDenied, false},
		{"3D000", pgstore.ErrUnavailable, false},
		{"40001", nil, true},
		{"40P01", nil, true},
		{"42501", sinks.ErrDenied, false},
		{"42P01", sinks.ErrCorrupt, false},
		{"53100", pgstore.ErrFull, false},
		{"53300", pgstore.ErrUnavailable, true},
		{"55P03", pgstore.ErrTimeout, false},
		{"57014", pgstore.ErrTimeout, false},
		{"57P01", pgstore.ErrUnavailable, true},
		{"P0001", nil, false},
		{"", nil, false},
	} {
		err := pgstore.Translate(t.Context(), fmt.Errorf("hunter2: %w", serverError("ERROR", c.code)))
		var server *pgconn.PgError
		if c.kind != nil && !errors.Is(err, c.kind) || pgstore.Again(err) != c.again || !errors.As(err, &server) || server.Code != c.code {
			t.Errorf("%s: %v, again %v", c.code, err, pgstore.Again(err))
		}
		if strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "SQLSTATE "+c.code) {
			t.Errorf("%s: %v", c.code, err)
		}
	}
	for _, err := range []error{
		io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, pgconn.ErrConnClosed, &net.OpError{Op: "read", Err: os.ErrDeadlineExceeded},
	} {
		if got := pgstore.Translate(t.Context(), fmt.Errorf("x: %w", err)); !errors.Is(got, pgstore.ErrUnavailable) || !errors.Is(got, err) || !pgstore.Again(got) {
			t.Errorf("%v: %v", err, got)
		}
	}
	over, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	<-over.Done()
	for _, err := range []error{io.EOF, serverError("ERROR", "57014"), context.DeadlineExceeded} {
		if got := pgstore.Translate(over, err); got != context.DeadlineExceeded {
			t.Errorf("%v, after the context ended: %v", err, got)
		}
	}
	if got := pgstore.Translate(over, sinks.ErrConflict); got != sinks.ErrConflict {
		t.Errorf("what was found out stays: %v", got)
	}
}

// TestUndecidedCommits: only an error of the server that left the connection usable says that nothing was committed.
func TestUndecidedCommits(t *testing.T) {
	for _, c := range []struct {
		err       error
		undecided bool
	}{
		{serverError("ERROR", "23505"), false},
		{serverError("ERROR", "40001"), false},
		{serverError("ERROR", "P0001"), false},
		{serverError("ERROR", "40003"), true},
		{serverError("ERROR", "08006"), true},
		{serverError("ERROR", "57014"), true},
		{serverError("FATAL", "57P01"), true},
		{serverError("FATAL", "23505"), true},
		{serverError("PANIC", "XX000"), true},
		{serverError("", "23505"), true},
		{io.EOF, true},
		{pgconn.ErrConnClosed, true},
		{context.Canceled, true},
		{errors.New("anything"), true},
	} {
		if got := pgstore.Undecided(fmt.Errorf("x: %w", c.err)); got != c.undecided {
			t.Errorf("%v: undecided %v", c.err, got)
		}
	}
}

// TestChecksum must not change: it is stored.
func TestChecksum(t *testing.T) {
	s := sinks.Signal{Sequence: 7, Time: time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC), Name: "l'ast \\ \"é\"", Path: []string{"a,b", "{\"", "NULL"}, Data: []byte{0, 0xff, '\\'}}
	if got := pgstore.Sum(s); got != 502029900 {
		t.Error(got)
	}
}
