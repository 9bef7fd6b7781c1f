package filestore

import (
	"fmt"
	"log/slog"

	"github.com/ephemera-go/ephemera/sinks"
)

// DefaultMaxFileBytes is the size at which a new log file is begun if Options do not say.
const DefaultMaxFileBytes = 8 << 20

const (
	minFileBytes = 1 << 10
	maxFileBytes = 1 << 40
)

// Options are for all stores of this package; nil means the defaults.
type Options struct {
	// MaxFileBytes is the size at which a new log file of signals is begun, 1 KiB to 1 TiB; 0 means
	// DefaultMaxFileBytes. Trimming frees whole files, so it also is about what a trimmed log keeps on disk.
	MaxFileBytes int64

	// ReadOnly opens what is there and changes nothing: every write is ErrReadOnly, and a directory that does not
	// exist is ErrNotFound.
	ReadOnly bool

	// Logger is told of repairs; nil discards.
	Logger *slog.Logger
}

func (o *Options) complete() (Options, error) {
	var c Options
	if o != nil {
		c = *o
	}
	if c.MaxFileBytes == 0 {
		c.MaxFileBytes = DefaultMaxFileBytes
	}
	if c.MaxFileBytes < minFileBytes || c.MaxFileBytes > maxFileBytes {
		return c, fmt.Errorf("%w: MaxFileBytes %d; %d to %d are allowed", sinks.ErrInvalid, c.MaxFileBytes, minFileBytes, int64(maxFileBytes))
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}
