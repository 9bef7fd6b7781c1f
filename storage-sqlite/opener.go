package sqlitestore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"syscall"

	"github.com/ephemera-go/ephemera/sinks"
)

const scheme = "sqlite"

func init() { sinks.Register(scheme, Opener{}) }

// Opener opens sqlite URLs; importing this package registers it. Register one with other Options on a sinks.Mux of
// one's own.
type Opener struct {
	Options Options // for what a URL does not say
}

// OpenBlobs opens the blobs of the file that u names.
func (o Opener) OpenBlobs(ctx context.Context, u *url.URL) (sinks.BlobStore, error) {
	path, options, err := parse(u, o.Options)
	if err != nil {
		return nil, err
	}
	return OpenBlobs(ctx, path, &options)
}

// OpenSignals opens the signals of the file that u names.
func (o Opener) OpenSignals(ctx context.Context, u *url.URL) (sinks.SignalStore, error) {
	path, options, err := parse(u, o.Options)
	if err != nil {
		return nil, err
	}
	return OpenSignals(ctx, path, &options)
}

// OpenBlobs opens the blobs of a file, which is made if it does not exist. nil means the default Options.
func OpenBlobs(ctx context.Context, path string, o *Options) (sinks.BlobStore, error) {
	db, err := openDatabase(ctx, path, o)
	if err != nil {
		return nil, openError(path, err)
	}
	s := newBlobStore(db)
	if err := s.sweep(ctx); err != nil {
		_ = db.close()
		return nil, openError(path, err)
	}
	return sinks.CheckedBlobs(scheme, s), nil
}

// OpenSignals opens the log of signals of a file, which is made if it does not exist. nil means the default Options.
func OpenSignals(ctx context.Context, path string, o *Options) (sinks.SignalStore, error) {
	db, err := openDatabase(ctx, path, o)
	if err != nil {
		return nil, openError(path, err)
	}
	return sinks.CheckedSignals(scheme, newSignalStore(db)), nil
}

func openError(path string, err error) error {
	if primary(err) == codeCantOpen || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) {
		err = whyNot(path, err)
	}
	return &sinks.Error{Op: "open", Driver: scheme, Object: filepath.Base(path), Err: translate(err)}
}

// whyNot finds out whether the folder can be written: SQLite needs to, and does not say so.
func whyNot(path string, err error) error {
	f, cause := os.CreateTemp(filepath.Dir(path), ".probe-*")
	switch {
	case cause == nil:
		_ = f.Close()
		_ = os.Remove(f.Name())
		return err
	case errors.Is(cause, syscall.EROFS) || errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w: the folder cannot be written: %w", sinks.ErrReadOnly, translate(err))
	case errors.Is(cause, fs.ErrPermission):
		return fmt.Errorf("%w: the folder cannot be written: %w", sinks.ErrDenied, translate(err))
	}
	return err
}
