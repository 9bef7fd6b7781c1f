package snapshot

import (
	"encoding/binary"
	"fmt"
	"time"
)

// TimeColumn is a column for a field of type time.Time: the instant to the nanosecond, in the years 1 to 9999 of UTC;
// others are an error. It comes back in UTC and without a monotonic clock reading.
func TimeColumn[E any](field func(*E) *time.Time) Column[E] {
	if field == nil {
		return Column[E]{}
	}
	return Column[E]{timeColumn[E]{field}}
}

type timeColumn[E any] struct{ field func(*E) *time.Time }

func (c timeColumn[E]) kind() string { return "time" }

// Ways to write a group of times.
const (
	timesNano = 0 // Unix nanoseconds, which reach from 1678 to 2262
	timesBoth = 1 // Unix seconds of all, then the nanoseconds of all
)

// The first and last second that have Unix nanoseconds, with a margin.
const (
	firstNano = -9_223_372_000
	lastNano  = 9_223_372_000
)

func (c timeColumn[E]) write(dst []byte, events []E) ([]byte, error) {
	var sec, nsec [groupSize]int64
	for len(events) > 0 {
		n := min(len(events), groupSize)
		nano := true
		for i := range events[:n] {
			t := *c.field(&events[i])
			sec[i], nsec[i] = t.Unix(), int64(t.Nanosecond())
			if nano = nano && sec[i] > firstNano && sec[i] < lastNano; !nano {
				if year := t.UTC().Year(); year < 1 || year > 9999 {
					return nil, fmt.Errorf("a time in year %d; 1 to 9999 can be kept", year)
				}
			}
		}
		if nano {
			for i := range sec[:n] {
				sec[i] = sec[i]*1e9 + nsec[i]
			}
			dst = appendInts(append(dst, timesNano), sec[:n])
		} else {
			dst = appendInts(append(dst, timesBoth), sec[:n])
			dst = appendInts(dst, nsec[:n])
		}
		events = events[n:]
	}
	return dst, nil
}

func (c timeColumn[E]) read(r *reader, events []E) {
	var sec, nsec [groupSize]int64
	for len(events) > 0 && r.err == nil {
		n := min(len(events), groupSize)
		switch way := r.byte(); {
		case r.err != nil:
			return
		case way == timesNano:
			clear(nsec[:n])
			readInts(r, nsec[:n])
			clear(sec[:n])
		case way == timesBoth:
			readInts(r, sec[:n])
			readInts(r, nsec[:n])
		default:
			r.fail("way %d to write times", way)
		}
		for i := 0; i < n && r.err == nil; i++ {
			t := time.Unix(sec[i], nsec[i]).UTC()
			if year := t.Year(); year < 1 || year > 9999 {
				r.fail("a time in year %d", year)
			}
			*c.field(&events[i]) = t
		}
		events = events[n:]
	}
}

// TextColumn is a column for a field of any string type.
func TextColumn[E any, S ~string](field func(*E) *S) Column[E] {
	if field == nil {
		return Column[E]{}
	}
	return Column[E]{textColumn[E, S]{field}}
}

type textColumn[E any, S ~string] struct{ field func(*E) *S }

func (c textColumn[E, S]) kind() string { return "text" }

func (c textColumn[E, S]) write(dst []byte, events []E) ([]byte, error) {
	for i := range events {
		dst = binary.AppendUvarint(dst, uint64(len(*c.field(&events[i]))))
	}
	for i := range events {
		dst = append(dst, *c.field(&events[i])...)
	}
	return dst, nil
}

func (c textColumn[E, S]) read(r *reader, events []E) {
	lengths, total := readLengths(r, len(events))
	all := string(r.bytes(total)) // one allocation for the whole run
	for i := 0; i < len(events) && r.err == nil; i++ {
		*c.field(&events[i]), all = S(all[:lengths[i]]), all[lengths[i]:]
	}
}

// readLengths reads n lengths that fit what is left.
func readLengths(r *reader, n int) (lengths []int, total int) {
	lengths = make([]int, n)
	for i := range lengths {
		lengths[i] = r.number(len(r.rest) + 1)
		if total += lengths[i]; total > len(r.rest) {
			r.fail("texts of %d bytes in %d", total, len(r.rest))
			return nil, 0
		}
	}
	return lengths, total
}

// BytesColumn is a column for a field of any type of bytes. Empty and nil both come back as nil.
func BytesColumn[E any, B ~[]byte](field func(*E) *B) Column[E] {
	if field == nil {
		return Column[E]{}
	}
	return Column[E]{bytesColumn[E, B]{field}}
}

type bytesColumn[E any, B ~[]byte] struct{ field func(*E) *B }

func (c bytesColumn[E, B]) kind() string { return "bytes" }

func (c bytesColumn[E, B]) write(dst []byte, events []E) ([]byte, error) {
	for i := range events {
		dst = binary.AppendUvarint(dst, uint64(len(*c.field(&events[i]))))
	}
	for i := range events {
		dst = append(dst, *c.field(&events[i])...)
	}
	return dst, nil
}

func (c bytesColumn[E, B]) read(r *reader, events []E) {
	lengths, total := readLengths(r, len(events))
	all := append([]byte(nil), r.bytes(total)...)
	for i := 0; i < len(events) && r.err == nil; i++ {
		if n := lengths[i]; n > 0 {
			*c.field(&events[i]), all = B(all[:n:n]), all[n:]
		}
	}
}

// BoolColumn is a column for a field of any boolean type.
func BoolColumn[E any, B ~bool](field func(*E) *B) Column[E] {
	if field == nil {
		return Column[E]{}
	}
	return Column[E]{boolColumn[E, B]{field}}
}

type boolColumn[E any, B ~bool] struct{ field func(*E) *B }

func (c boolColumn[E, B]) kind() string { return "bool" }

func (c boolColumn[E, B]) write(dst []byte, events []E) ([]byte, error) {
	for i := range events {
		dst = appendBool(dst, bool(*c.field(&events[i])))
	}
	return dst, nil
}

func (c boolColumn[E, B]) read(r *reader, events []E) {
	for i := 0; i < len(events) && r.err == nil; i++ {
		*c.field(&events[i]) = B(r.bool())
	}
}
