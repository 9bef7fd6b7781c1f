package snapshot

import "time"

// TimeColumn is a column for a field of type time.Time: every instant to the nanosecond. It comes back in UTC and without
// a monotonic clock reading.
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

// Seconds that have Unix nanoseconds lie between these, with a margin.
const (
	firstNano = -9_223_372_000
	lastNano  = 9_223_372_000
)

func (c timeColumn[E]) write(dst []byte, events []E, s *scratch) []byte {
	sec, nsec := s.ints[:len(events)], s.more[:len(events)]
	nano := true
	for i := range events {
		t := *c.field(&events[i])
		sec[i], nsec[i] = t.Unix(), int64(t.Nanosecond())
		nano = nano && sec[i] > firstNano && sec[i] < lastNano
	}
	if !nano {
		return appendInts(appendInts(append(dst, timesBoth), sec), nsec)
	}
	for i := range sec {
		sec[i] = sec[i]*1e9 + nsec[i]
	}
	return appendInts(append(dst, timesNano), sec)
}

func (c timeColumn[E]) read(r *reader, events []E, s *scratch) {
	sec, nsec := s.ints[:len(events)], s.more[:len(events)]
	way := r.byte()
	switch way {
	case timesNano:
		clear(sec)
		readInts(r, nsec)
	case timesBoth:
		readInts(r, sec)
		readInts(r, nsec)
	default:
		r.fail("way %d to write times", way)
	}
	if r.err != nil {
		return
	}
	for i := range events {
		if way == timesBoth && (nsec[i] < 0 || nsec[i] >= 1e9) {
			r.fail("a second of %d nanoseconds", nsec[i])
			return
		}
		*c.field(&events[i]) = time.Unix(sec[i], nsec[i]).UTC()
	}
}

// TextColumn is a column for a field of any string type, whatever its bytes are.
func TextColumn[E any, S ~string](field func(*E) *S) Column[E] {
	if field == nil {
		return Column[E]{}
	}
	return Column[E]{textColumn[E, S]{field}}
}

type textColumn[E any, S ~string] struct{ field func(*E) *S }

func (c textColumn[E, S]) kind() string { return "text" }

func (c textColumn[E, S]) write(dst []byte, events []E, s *scratch) []byte {
	lengths := s.ints[:len(events)]
	for i := range events {
		lengths[i] = int64(len(*c.field(&events[i])))
	}
	dst = appendInts(dst, lengths)
	for i := range events {
		dst = append(dst, *c.field(&events[i])...)
	}
	return dst
}

func (c textColumn[E, S]) read(r *reader, events []E, s *scratch) {
	lengths := s.ints[:len(events)]
	all := string(r.lengths(lengths, 0)) // one allocation for the whole group
	for i := 0; i < len(events) && r.err == nil; i++ {
		n := lengths[i]
		*c.field(&events[i]), all = S(all[:n]), all[n:]
	}
}

// lengths reads the lengths of a group, each at least least, and returns the bytes of all.
func (r *reader) lengths(v []int64, least int64) []byte {
	readInts(r, v)
	total := 0
	for _, n := range v {
		if n < least || n > int64(len(r.rest)-total) {
			r.fail("a length of %d in the last %d bytes", n, len(r.rest)-total)
			return nil
		}
		total += int(max(n, 0))
	}
	return r.bytes(total)
}

// BytesColumn is a column for a field of any type of bytes. What is nil comes back as nil.
func BytesColumn[E any, B ~[]byte](field func(*E) *B) Column[E] {
	if field == nil {
		return Column[E]{}
	}
	return Column[E]{bytesColumn[E, B]{field}}
}

type bytesColumn[E any, B ~[]byte] struct{ field func(*E) *B }

func (c bytesColumn[E, B]) kind() string { return "bytes" }

// noBytes stands for the length of nil.
const noBytes = -1

func (c bytesColumn[E, B]) write(dst []byte, events []E, s *scratch) []byte {
	lengths := s.ints[:len(events)]
	for i := range events {
		b := *c.field(&events[i])
		if lengths[i] = int64(len(b)); b == nil {
			lengths[i] = noBytes
		}
	}
	dst = appendInts(dst, lengths)
	for i := range events {
		dst = append(dst, *c.field(&events[i])...)
	}
	return dst
}

func (c bytesColumn[E, B]) read(r *reader, events []E, s *scratch) {
	lengths := s.ints[:len(events)]
	all := append([]byte{}, r.lengths(lengths, noBytes)...)
	for i := 0; i < len(events) && r.err == nil; i++ {
		if n := lengths[i]; n >= 0 {
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

func (c boolColumn[E, B]) write(dst []byte, events []E, _ *scratch) []byte {
	for i := range events {
		dst = appendBool(dst, bool(*c.field(&events[i])))
	}
	return dst
}

func (c boolColumn[E, B]) read(r *reader, events []E, _ *scratch) {
	for i, x := range r.bytes(len(events)) {
		if x > 1 {
			r.fail("%d as a boolean", x)
			return
		}
		*c.field(&events[i]) = x == 1
	}
}
