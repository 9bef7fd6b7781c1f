package pgstore

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

// Options of a store. The zero value is ready for use, and so is nil.
type Options struct {
	// Schema holds the store's tables and nothing else: 1 to 63 of a-z, 0-9 and _, neither beginning with a digit nor
	// with pg_. "" means DefaultSchema.
	Schema string
	// ReadOnly refuses writes with sinks.ErrReadOnly, and makes and migrates nothing.
	ReadOnly bool
	// RetryTimeout is for how long a call begins again after it lost its connection, did not get one, or was chosen to
	// end a deadlock: 100 ms to an hour. 0 means DefaultRetryTimeout.
	RetryTimeout time.Duration
	// Logger is told about migrations and about garbage that could not be removed. nil means silence.
	Logger *slog.Logger
}

// What the zero values of Options stand for.
const (
	DefaultSchema       = "ephemera"
	DefaultRetryTimeout = 5 * time.Second
)

const (
	minRetryTimeout = 100 * time.Millisecond
	maxRetryTimeout = time.Hour
	maxIdentifier   = 63 // of PostgreSQL; longer ones are cut
)

// withDefaults is a copy in which every field says what it means.
func (o *Options) withDefaults() Options {
	var full Options
	if o != nil {
		full = *o
	}
	if full.Schema == "" {
		full.Schema = DefaultSchema
	}
	if full.RetryTimeout == 0 {
		full.RetryTimeout = DefaultRetryTimeout
	}
	if full.Logger == nil {
		full.Logger = slog.New(slog.DiscardHandler)
	}
	return full
}

func (o *Options) check() error {
	var problems []error
	if !isSchema(o.Schema) {
		problems = append(problems, fmt.Errorf("%w: option Schema: 1 to %d of a-z, 0-9 and _, not beginning with a digit or pg_",
			sinks.ErrInvalid, maxIdentifier))
	}
	if o.RetryTimeout < minRetryTimeout || o.RetryTimeout > maxRetryTimeout {
		problems = append(problems, fmt.Errorf("%w: option RetryTimeout %v; %v to %v are allowed",
			sinks.ErrInvalid, o.RetryTimeout, minRetryTimeout, maxRetryTimeout))
	}
	return errors.Join(problems...)
}

func isSchema(name string) bool {
	if name == "" || len(name) > maxIdentifier || name[0] >= '0' && name[0] <= '9' || strings.HasPrefix(name, "pg_") {
		return false
	}
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}
