package core

import (
	"errors"
	"fmt"
	"strings"
)

// Errors of the store. Append returns them bare, so that refusing an event allocates nothing.
var (
	// ErrClosed: the store, or the Producer, was closed.
	ErrClosed = errors.New("core: closed")
	// ErrOwned: a Producer owns the partition.
	ErrOwned = errors.New("core: partition is owned by a producer")
	// ErrConflict: AppendIf found another next sequence than expected; nothing was stored.
	ErrConflict = errors.New("core: next sequence is not the expected one")
	// ErrNoPartition: no such partition, or it was removed.
	ErrNoPartition = errors.New("core: no such partition")
	// ErrPartitionNumbers: MaxPartitionNumbers partitions have been made, and AddPartition uses no number again.
	ErrPartitionNumbers = errors.New("core: no number is left for another partition")
	// ErrFixedPartition: a partition that New made cannot be removed.
	ErrFixedPartition = errors.New("core: partition was made by New and cannot be removed")
	// ErrLanes: the operation names a partition, and lanes are not addressable.
	ErrLanes = errors.New("core: operation is not available on lanes")
	// ErrNoKey: the store has no Options.Key, and Append has several partitions to choose from, or View.Key was asked.
	ErrNoKey = errors.New("core: store has no Key option (AppendTo needs none)")
	// ErrNoTime: the operation needs event times, and the store has neither Options.Time nor arrival times.
	ErrNoTime = errors.New("core: store has no time source (set Options.Time or Options.Arrival)")
	// ErrNoData: no event matched, so there is no value.
	ErrNoData = errors.New("core: no data")
	// ErrOverflow: an integer sum does not fit its type.
	ErrOverflow = errors.New("core: integer overflow")
	// ErrBatchSize: a batch that must be atomic is larger than MaxBatch.
	ErrBatchSize = errors.New("core: batch is larger than MaxBatch")
	// ErrArgument: an argument is outside its domain; the wrapping text names it.
	ErrArgument = errors.New("core: bad argument")
	// ErrOption: an option is wrong; matched by every OptionError.
	ErrOption = errors.New("core: bad option")
)

// opError says what failed. Its text names the package once, although the sentinels do as well.
type opError struct {
	op    string
	cause error
}

func (e *opError) Error() string {
	return "core: " + e.op + ": " + strings.TrimPrefix(e.cause.Error(), "core: ")
}

func (e *opError) Unwrap() error { return e.cause }

// wrap returns err with what failed before it.
func wrap(err error, format string, args ...any) error {
	return &opError{fmt.Sprintf(format, args...), err}
}

// An OptionError names one wrong option. New joins one for each problem it finds.
type OptionError struct {
	Option  string // field of Options or PartitionOptions
	Problem string
}

// Error returns "core: option X: problem".
func (e *OptionError) Error() string { return "core: option " + e.Option + ": " + e.Problem }

// Is reports that every OptionError is an ErrOption.
func (e *OptionError) Is(target error) bool { return target == ErrOption }

// A PanicError reports that a function given by the caller panicked inside a query. The store is unharmed, the cut
// stays open, and Stats.Panics counted it. Package window has it too.
type PanicError struct {
	Value any // what was passed to panic
}

// Error returns the text of the panic.
func (e *PanicError) Error() string { return fmt.Sprintf("core: user function panicked: %v", e.Value) }

// Unwrap returns the panic value if it was an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
