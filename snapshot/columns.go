package snapshot

import (
	"fmt"
	"strings"
)

// Columns is a codec that writes groups of events field by field: numbers as differences where that is shorter, in as few
// bytes as they need, decimal fractions as whole numbers. Compression then finds what repeats. It is the smallest codec,
// and fast.
//
//	snapshot.Columns(
//		snapshot.TimeColumn(func(o *Order) *time.Time { return &o.At }),
//		snapshot.TextColumn(func(o *Order) *string { return &o.Customer }),
//		snapshot.FloatColumn(func(o *Order) *float64 { return &o.Amount }),
//	)
//
// Fields without a column come back as zero. The kinds of the columns, in their order, are part of the codec's name, so
// that a changed list is noticed; two fields of one kind that change places are not: raise Options.Schema.
func Columns[E any](columns ...Column[E]) Codec[E] { return columnCodec[E]{columns} }

// A Column is one field of an event; see Columns. The field function returns where the field stands in an event, for
// reading and writing; it must not be nil or return nil.
type Column[E any] struct{ codec column[E] }

// groupSize is how many events are written field by field at a time: few enough to stay in the processor's cache.
const groupSize = 1024

// column is how a kind of field is written, for 1 to groupSize events: at least one byte for each.
type column[E any] interface {
	kind() string
	write(dst []byte, events []E, s *scratch) []byte
	read(r *reader, events []E, s *scratch) // what is left in events does not matter after an error
}

// scratch is what columns work in. It holds anything at the beginning.
type scratch struct {
	ints, more [groupSize]int64
	floats     [groupSize]float64
}

type columnCodec[E any] struct{ columns []Column[E] }

func (c columnCodec[E]) Name() string {
	kinds := make([]string, len(c.columns))
	for i, col := range c.columns {
		if col.codec != nil {
			kinds[i] = col.codec.kind()
		}
	}
	return "columns(" + strings.Join(kinds, ",") + ")"
}

func (c columnCodec[E]) check() error {
	if len(c.columns) == 0 {
		return fmt.Errorf("%w: Codec: Columns without a column", ErrOption)
	}
	for i, col := range c.columns {
		if col.codec == nil {
			return fmt.Errorf("%w: Codec: column %d is the zero Column", ErrOption, i)
		}
	}
	return nil
}

func (c columnCodec[E]) Append(dst []byte, events []E) ([]byte, error) {
	s := new(scratch)
	for len(events) > 0 {
		n := min(len(events), groupSize)
		for _, col := range c.columns {
			dst = col.codec.write(dst, events[:n], s)
		}
		events = events[n:]
	}
	return dst, nil
}

func (c columnCodec[E]) Decode(dst []E, src []byte, n int) ([]E, error) {
	if n < 0 || n > len(src)/len(c.columns) {
		return dst, corrupt("%s: %d events in %d bytes", c.Name(), n, len(src))
	}
	at := len(dst)
	dst = append(dst, make([]E, n)...)
	r, s := &reader{rest: src}, new(scratch)
	for events := dst[at:]; len(events) > 0; events = events[min(len(events), groupSize):] {
		for i, col := range c.columns {
			if col.codec.read(r, events[:min(len(events), groupSize)], s); r.err != nil {
				return dst[:at], fmt.Errorf("column %d of %s: %w", i, c.Name(), r.err)
			}
		}
	}
	if err := r.end(); err != nil {
		return dst[:at], fmt.Errorf("%s: %w", c.Name(), err)
	}
	return dst, nil
}
