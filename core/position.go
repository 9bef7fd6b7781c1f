package core

import (
	"crypto/rand"
	"encoding/hex"
	"strconv"
)

// A Position names one event: its partition and its sequence there. Sequences are dense within a partition, start at
// the partition's first sequence and are never used twice within an [Epoch].
type Position struct {
	Partition int
	Sequence  uint64
}

// String returns "partition@sequence".
func (p Position) String() string {
	return strconv.Itoa(p.Partition) + "@" + strconv.FormatUint(p.Sequence, 10)
}

// An Epoch is the random identity of one incarnation of a store. Two positions are comparable only within one epoch.
type Epoch [16]byte

// String returns the epoch as 32 hexadecimal digits.
func (e Epoch) String() string { return hex.EncodeToString(e[:]) }

// MarshalText returns what String does.
func (e Epoch) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (e *Epoch) UnmarshalText(text []byte) error {
	var n Epoch
	if len(text) != hex.EncodedLen(len(n)) {
		return wrap(ErrArgument, "%q is no epoch", text)
	}
	if _, err := hex.Decode(n[:], text); err != nil {
		return wrap(ErrArgument, "%q is no epoch", text)
	}
	*e = n
	return nil
}

// IsZero reports whether e is the zero epoch, which no store has.
func (e Epoch) IsZero() bool { return e == Epoch{} }

// newEpoch cannot fail: crypto/rand.Read ends the program rather than return an error.
func newEpoch() Epoch {
	var e Epoch
	_, _ = rand.Read(e[:])
	e[0] |= 1 // never zero
	return e
}

// A Run is a contiguous stretch of appended events: First, then Count−1 successors in the same partition.
type Run struct {
	First Position
	Count int
}
