package filestore

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

// appendBatch appends the payload of a batch record.
func appendBatch(b []byte, batch []sinks.Signal) []byte {
	b = append(b, kindBatch)
	b = binary.AppendUvarint(b, uint64(len(batch)))
	last := uint64(0)
	for i := range batch {
		s := &batch[i]
		b = binary.AppendUvarint(b, s.Sequence-last)
		last = s.Sequence
		b = binary.AppendVarint(b, s.Time.Unix())
		b = binary.AppendUvarint(b, uint64(s.Time.Nanosecond()))
		b = appendText(b, s.Name)
		b = appendText(b, s.Key)
		b = binary.AppendUvarint(b, s.Operation)
		b = binary.AppendUvarint(b, uint64(len(s.Path)))
		for _, name := range s.Path {
			b = appendText(b, name)
		}
		b = binary.AppendUvarint(b, uint64(len(s.Data)))
		b = append(b, s.Data...)
	}
	return b
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// payload is what one record says: a batch, or the sequence to trim through.
type payload struct {
	batch   []sinks.Signal
	through uint64
}

// decodePayload reads a payload whose checksum is right; what it holds may be hostile all the same.
func decodePayload(b []byte) (payload, error) {
	d := decoder{left: b}
	var p payload
	switch kind := d.byte(); {
	case d.bad != "":
	case kind == kindBatch:
		p.batch = d.batch()
	case kind == kindTrim:
		p.through = d.uvarint()
	default:
		return p, fmt.Errorf("%w: record of kind %d", sinks.ErrTooNew, kind)
	}
	if d.bad == "" && len(d.left) > 0 {
		d.bad = "bytes after the end"
	}
	if d.bad != "" {
		return payload{}, fmt.Errorf("%w: record: %s", sinks.ErrCorrupt, d.bad)
	}
	return p, nil
}

// decoder reads values; after the first failure it returns zeros. The signals share its bytes.
type decoder struct {
	left []byte
	bad  string
}

func (d *decoder) fail(why string) {
	if d.bad == "" {
		d.bad = why
		d.left = nil
	}
}

func (d *decoder) byte() byte {
	if len(d.left) == 0 {
		d.fail("it ends too early")
		return 0
	}
	c := d.left[0]
	d.left = d.left[1:]
	return c
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.left)
	if n <= 0 {
		d.fail("malformed number")
		return 0
	}
	d.left = d.left[n:]
	return v
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.left)
	if n <= 0 {
		d.fail("malformed number")
		return 0
	}
	d.left = d.left[n:]
	return v
}

func (d *decoder) bytes() []byte {
	n := d.uvarint()
	if n > uint64(len(d.left)) {
		d.fail("a length beyond the end")
		return nil
	}
	b := d.left[:n:n]
	d.left = d.left[n:]
	return b
}

// smallest is what the smallest signal takes: it bounds the room for a batch by the bytes that are there.
const smallest = 8

func (d *decoder) batch() []sinks.Signal {
	n := d.uvarint()
	if n == 0 || n > uint64(len(d.left))/smallest {
		d.fail("a number of signals that cannot be")
		return nil
	}
	batch := make([]sinks.Signal, n)
	last := uint64(0)
	for i := range batch {
		s := &batch[i]
		s.Sequence = last + d.uvarint()
		if s.Sequence <= last {
			d.fail("sequences that do not ascend")
		}
		last = s.Sequence
		d.signal(s)
		if d.bad != "" {
			return nil
		}
		if err := sinks.CheckSignal(s); err != nil {
			d.fail(err.Error())
			return nil
		}
	}
	return batch
}

func (d *decoder) signal(s *sinks.Signal) {
	seconds, nanos := d.varint(), d.uvarint()
	if nanos >= 1e9 {
		d.fail("more than a second of nanoseconds")
		return
	}
	s.Time = time.Unix(seconds, int64(nanos)).UTC()
	s.Name = string(d.bytes())
	s.Key = string(d.bytes())
	s.Operation = d.uvarint()
	n := d.uvarint()
	if n > sinks.MaxPathNames {
		d.fail("a path that is too long")
		return
	}
	if n > 0 {
		s.Path = make([]string, n)
		for i := range s.Path {
			s.Path[i] = string(d.bytes())
		}
	}
	if data := d.bytes(); len(data) > 0 {
		s.Data = append([]byte(nil), data...)
	}
}
