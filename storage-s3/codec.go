package s3store

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

// appendBatch appends the payload of an object.
func appendBatch(b []byte, batch []sinks.Signal) []byte {
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
		b = appendText(b, s.Data)
	}
	return b
}

func appendText[T string | []byte](b []byte, text T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// leastSignal is what the smallest signal takes: it bounds the room for a batch by the bytes that are there.
const leastSignal = 9

// decodeBatch reads that many signals. The checksum of the payload is right; what it holds may be
// hostile all the same.
func decodeBatch(payload []byte, count uint64) ([]sinks.Signal, error) {
	if count > uint64(len(payload))/leastSignal {
		return nil, fmt.Errorf("%w: %d signals in %d bytes", sinks.ErrCorrupt, count, len(payload))
	}
	d := decoder{left: payload}
	batch := make([]sinks.Signal, count)
	last := uint64(0)
	for i := range batch {
		s := &batch[i]
		s.Sequence = last + d.uvarint()
		if s.Sequence <= last {
			d.fail("sequences that do not ascend")
		}
		last = s.Sequence
		d.signal(s)
		if d.bad == "" {
			if err := sinks.CheckSignal(s); err != nil {
				d.fail(err.Error())
			}
		}
		if d.bad != "" {
			return nil, fmt.Errorf("%w: signal %d: %s", sinks.ErrCorrupt, i, d.bad)
		}
	}
	if len(d.left) > 0 {
		return nil, fmt.Errorf("%w: %d bytes behind its signals", sinks.ErrCorrupt, len(d.left))
	}
	return batch, nil
}

// decoder reads values; after the first failure it returns zeros.
type decoder struct {
	left []byte
	bad  string
}

func (d *decoder) fail(why string) {
	if d.bad == "" {
		d.bad, d.left = why, nil
	}
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
	b := d.left[:n]
	d.left = d.left[n:]
	return b
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
	for range n {
		s.Path = append(s.Path, string(d.bytes()))
	}
	if data := d.bytes(); len(data) > 0 {
		s.Data = append([]byte(nil), data...)
	}
}
