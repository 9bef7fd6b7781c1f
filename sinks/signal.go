package sinks

import (
	"bytes"
	"context"
	"math"
	"slices"
	"time"
)

// SignalStore keeps one log of signals, ordered by their sequences. All methods are safe for concurrent use.
type SignalStore interface {
	// Append stores a batch whose sequences ascend. When it returns nil all of it is durable; otherwise none of it
	// is stored or, if the error is ErrUnknownOutcome or the context's, none or all. Repeating a batch is safe: a
	// sequence that is stored already is skipped, and so is one that Trim or Prune has passed. The same sequence
	// with other content is ErrConflict, and so is a sequence below the last one that was never stored, because the
	// log is written in order. An empty batch does nothing, one above MaxBatchBytes may be ErrInvalid. The batch and
	// what it points to are not kept.
	Append(ctx context.Context, batch []Signal) error

	// Read returns the first limit signals above the sequence after, ascending. limit must be at least 1, else it
	// is ErrInvalid: 0 does not mean all, as it does in BlobStore.List, because a log may be larger than memory. The
	// caller owns the result. Fewer than limit means that there are no more. What it returns has no holes, whatever
	// is appended and trimmed meanwhile.
	Read(ctx context.Context, after uint64, limit int) ([]Signal, error)

	// ReadNewest returns the last limit signals below the sequence before, ascending; before 0 means no bound.
	// limit must be at least 1, as for Read. The caller owns the result.
	ReadNewest(ctx context.Context, before uint64, limit int) ([]Signal, error)

	// Trim removes every signal up to and including the sequence through, for good. When it fails a part of them may
	// be gone, the oldest.
	Trim(ctx context.Context, through uint64) error

	// Stat returns the extent of the log.
	Stat(ctx context.Context) (SignalStat, error)

	// Close waits for the calls in progress, gives up a lease, and frees what the store holds. Later calls of
	// Close return the same; all other methods return ErrClosed.
	Close() error
}

// MaxBatchBytes is how much text and data every store takes in one batch. A store may refuse more with ErrInvalid, so
// whoever writes splits what is larger.
const MaxBatchBytes = 32 << 20

// Limits of a signal. Text is UTF-8 without NUL.
const (
	MaxSequence  = math.MaxInt64 // of Signal.Sequence
	MaxNameBytes = 1 << 10       // of Signal.Name and of each name in Signal.Path
	MaxKeyBytes  = 4 << 10       // of Signal.Key
	MaxPathNames = 64            // of Signal.Path
	MaxDataBytes = 1 << 20       // of Signal.Data
)

// A Signal is something that happened, as it is stored.
type Signal struct {
	Sequence  uint64    // 1 to MaxSequence, given by whoever writes the log
	Time      time.Time // years 1 to 9999 in UTC; the instant is kept to the nanosecond, the location is not: UTC comes back
	Name      string    // not empty
	Key       string    // may be empty
	Operation uint64
	Path      []string // causal path, oldest first; an empty one may come back as nil
	Data      []byte   // an empty one may come back as nil
}

// Equal reports whether two signals are the same to a store.
func (s Signal) Equal(o Signal) bool {
	return s.Sequence == o.Sequence && s.Time.Equal(o.Time) && s.Name == o.Name && s.Key == o.Key &&
		s.Operation == o.Operation && slices.Equal(s.Path, o.Path) && bytes.Equal(s.Data, o.Data)
}

// Clone returns a copy that shares neither Path nor Data with s, with the time in UTC and without a monotonic clock
// reading: what a store gives back.
func (s Signal) Clone() Signal {
	s.Time = s.Time.Round(0).UTC()
	s.Path = slices.Clone(s.Path)
	s.Data = bytes.Clone(s.Data)
	return s
}

// A SignalStat is the extent of a log.
type SignalStat struct {
	First uint64 // the oldest sequence that is stored; 0 when there is none
	Last  uint64 // the newest sequence ever stored; it survives Trim and restarts, so that no sequence is given twice
	Count uint64 // signals that are stored
	Bytes int64  // what they take in the store, as the driver measures it
}
