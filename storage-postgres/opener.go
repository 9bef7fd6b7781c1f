package pgstore

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ephemera-go/ephemera/sinks"
)

// driverName stands in errors, whichever scheme was used.
const driverName = "postgres"

func init() {
	sinks.Register("postgres", Opener{})
	sinks.Register("postgresql", Opener{})
}

// Opener opens postgres URLs; importing this package registers it. Register one with other Options on a sinks.Mux of
// one's own.
type Opener struct {
	Options Options // for what a URL does not say
}

// OpenBlobs opens the blobs of the schema that u names.
func (o Opener) OpenBlobs(ctx context.Context, u *url.URL) (sinks.BlobStore, error) {
	return openBlobs(ctx, u, &o.Options)
}

// OpenSignals opens the signals of the schema that u names.
func (o Opener) OpenSignals(ctx context.Context, u *url.URL) (sinks.SignalStore, error) {
	s, err := openSignals(ctx, u, &o.Options)
	if err != nil {
		return nil, err
	}
	return s.checked, nil
}

// OpenBlobs opens the blobs of the schema that a URL names; the schema is made if it does not exist. nil means the default
// Options; what the URL says counts more.
func OpenBlobs(ctx context.Context, rawURL string, o *Options) (sinks.BlobStore, error) {
	u, err := parseURL(rawURL)
	if err != nil {
		return nil, err
	}
	return openBlobs(ctx, u, o)
}

// OpenSignals opens the log of signals of the schema that a URL names; the schema is made if it does not exist. nil means
// the default Options; what the URL says counts more.
func OpenSignals(ctx context.Context, rawURL string, o *Options) (*Signals, error) {
	u, err := parseURL(rawURL)
	if err != nil {
		return nil, err
	}
	return openSignals(ctx, u, o)
}

func parseURL(rawURL string) (*url.URL, error) {
	u, err := url.Parse(rawURL)
	if err == nil && u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, openError(rawURL, fmt.Errorf("%w: a URL such as postgres://user@host/database is needed", sinks.ErrInvalid))
	}
	if err != nil { // its text repeats the URL
		return nil, openError(rawURL, fmt.Errorf("%w: malformed URL", sinks.ErrInvalid))
	}
	return u, nil
}

func openBlobs(ctx context.Context, u *url.URL, o *Options) (sinks.BlobStore, error) {
	db, err := openDatabase(ctx, u, o)
	if err != nil {
		return nil, openError(u.String(), err)
	}
	s := newBlobStore(db)
	if err := s.sweep(ctx); err != nil {
		db.close()
		return nil, openError(u.String(), err)
	}
	return sinks.CheckedBlobs(driverName, s), nil
}

func openSignals(ctx context.Context, u *url.URL, o *Options) (*Signals, error) {
	db, err := openDatabase(ctx, u, o)
	if err != nil {
		return nil, openError(u.String(), err)
	}
	return newSignals(db), nil
}

func openError(rawURL string, err error) error {
	var server *pgconn.PgError
	if errors.As(err, &server) && server.Code == "3D000" {
		// Only here: later on it would look as if a blob were missing.
		err = fmt.Errorf("%w: %w", sinks.ErrNotFound, err)
	}
	return &sinks.Error{Op: "open", Driver: driverName, Object: sinks.Redact(rawURL), Err: err}
}
