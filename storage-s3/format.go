package s3store

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"github.com/ephemera-go/ephemera/sinks"
)

// The objects of a log of signals, see docs/formats/signal-objects.md.
const (
	magic         = "ephsgobj"
	logFormat     = 1
	headerSize    = 96
	maxPayload    = 64 << 20
	maxLogObject  = headerSize + maxPayload
	ordinalDigits = 16
)

// A header begins every object of a log. What it says of the objects before it is summed up over all that ever were.
type header struct {
	ordinal    uint64 // from 1, without holes
	generation uint64 // of the lease, the greatest so far
	previous   uint64 // newest sequence before this object, 0 if none
	last       uint64 // newest sequence up to its end
	before     uint64 // signals before it
	count      uint64 // signals in it; 0 in one that only takes its place
	offset     uint64 // bytes of the objects before it
	length     uint32 // of the payload
	sum        uint32 // checksum of the payload
	first      uint64 // oldest sequence in it, 0 if none
}

// size is that of the whole object.
func (h *header) size() uint64 { return headerSize + uint64(h.length) }

// total is how many signals were stored up to the end of this object.
func (h *header) total() uint64 { return h.before + h.count }

// encode writes the header into the first bytes of b.
func (h *header) encode(b []byte) {
	le := binary.LittleEndian
	clear(b[:headerSize])
	copy(b, magic)
	le.PutUint16(b[8:], logFormat)
	for i, v := range []uint64{h.ordinal, h.generation, h.previous, h.last, h.before, h.count, h.offset} {
		le.PutUint64(b[16+8*i:], v)
	}
	le.PutUint32(b[72:], h.length)
	le.PutUint32(b[76:], h.sum)
	le.PutUint64(b[80:], h.first)
	le.PutUint32(b[92:], checksum(b[:92]))
}

// decodeHeader reads the header of the object of an ordinal.
func decodeHeader(b []byte, ordinal uint64) (header, error) {
	le := binary.LittleEndian
	var h header
	switch {
	case len(b) < headerSize:
		return h, fmt.Errorf("%w: it ends within its header", sinks.ErrCorrupt)
	case string(b[:8]) != magic:
		return h, fmt.Errorf("%w: it does not begin as an object of a log does", sinks.ErrForeign)
	case checksum(b[:92]) != le.Uint32(b[92:]):
		return h, fmt.Errorf("%w: checksum of its header", sinks.ErrCorrupt)
	case le.Uint16(b[8:]) > logFormat:
		return h, fmt.Errorf("%w: format %d", sinks.ErrTooNew, le.Uint16(b[8:]))
	}
	for i, field := range []*uint64{&h.ordinal, &h.generation, &h.previous, &h.last, &h.before, &h.count, &h.offset} {
		*field = le.Uint64(b[16+8*i:])
	}
	h.length, h.sum, h.first = le.Uint32(b[72:]), le.Uint32(b[76:]), le.Uint64(b[80:])
	switch {
	case h.ordinal != ordinal:
		return h, fmt.Errorf("%w: it is object %d of a log", sinks.ErrCorrupt, h.ordinal)
	case !h.sound():
		return h, fmt.Errorf("%w: its header cannot be right", sinks.ErrCorrupt)
	}
	return h, nil
}

func (h *header) sound() bool {
	if h.length > maxPayload || h.last > sinks.MaxSequence || h.total() < h.before {
		return false
	}
	if h.count == 0 {
		return h.last == h.previous && h.first == 0 && h.length == 0
	}
	return h.previous < h.first && h.first <= h.last && h.count <= h.last-h.first+1
}

// A logObject is an object of a log, read and checked.
type logObject struct {
	header
	signals []sinks.Signal
}

// encodeObject also fills in what h says of the payload.
func encodeObject(h *header, batch []sinks.Signal) ([]byte, error) {
	b := make([]byte, headerSize, headerSize+64*len(batch))
	b = appendBatch(b, batch)
	if size := len(b) - headerSize; size > maxPayload {
		return nil, fmt.Errorf("%w: a batch of %d bytes; at most %d", sinks.ErrInvalid, size, maxPayload)
	}
	h.length, h.sum = uint32(len(b)-headerSize), checksum(b[headerSize:])
	h.encode(b)
	return b, nil
}

func decodeObject(b []byte, ordinal uint64) (*logObject, error) {
	h, err := decodeHeader(b, ordinal)
	if err != nil {
		return nil, err
	}
	payload := b[headerSize:]
	if len(payload) != int(h.length) {
		return nil, fmt.Errorf("%w: %d bytes behind its header; it says %d", sinks.ErrCorrupt, len(payload), h.length)
	}
	if checksum(payload) != h.sum {
		return nil, fmt.Errorf("%w: checksum", sinks.ErrCorrupt)
	}
	o := &logObject{header: h}
	if h.count > 0 {
		if o.signals, err = decodeBatch(payload, h.count); err != nil {
			return nil, err
		}
		if first, last := o.signals[0].Sequence, o.signals[len(o.signals)-1].Sequence; first != h.first || last != h.last {
			return nil, fmt.Errorf("%w: it holds sequences %d to %d; it says %d to %d", sinks.ErrCorrupt, first, last, h.first, h.last)
		}
	}
	return o, nil
}

// follows says whether an object fits behind another one.
func (h *header) follows(p *header) error {
	if h.ordinal != p.ordinal+1 || h.previous != p.last || h.before != p.total() || h.offset != p.offset+p.size() || h.generation < p.generation {
		return fmt.Errorf("%w: object %d does not fit behind object %d", sinks.ErrCorrupt, h.ordinal, p.ordinal)
	}
	return nil
}

// ordinalName is descending: servers list in ascending order only, and the newest object must be found first.
func ordinalName(ordinal uint64) string {
	return fmt.Sprintf("%0*x", ordinalDigits, math.MaxUint64-ordinal)
}

func parseOrdinal(name string) (ordinal uint64, ok bool) {
	n, err := strconv.ParseUint(name, 16, 64)
	ordinal = math.MaxUint64 - n
	return ordinal, err == nil && ordinal > 0 && ordinal <= math.MaxInt64 && name == ordinalName(ordinal)
}
