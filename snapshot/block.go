package snapshot

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/ephemera-go/ephemera/core"
)

// objectHead is the first frame of an object: what tells it from any other.
func objectHead(name string, epoch core.Epoch, codec string, schema uint32) []byte {
	b := appendText(nil, name)
	b = append(b, epoch[:]...)
	b = appendText(b, codec)
	return binary.AppendUvarint(b, uint64(schema))
}

// Kinds of blocks, as their frames begin.
const (
	blockPlain   = 0
	blockArrived = 1 // with arrival times
	blockNames   = 2 // of the dictionary
)

// appendEvents appends the content of a block's frame.
func appendEvents[E any](b []byte, codec Codec[E], partition int, first uint64, events []E, arrived []int64) ([]byte, error) {
	kind := byte(blockPlain)
	if len(arrived) > 0 {
		kind = blockArrived
	}
	b = appendBlockHead(b, kind, partition, first, len(events))
	for at := arrived; len(at) > 0; at = at[min(len(at), groupSize):] {
		b = appendInts(b, at[:min(len(at), groupSize)])
	}
	at := len(b)
	b, err := codec.Append(b, events)
	if err != nil {
		return nil, fmt.Errorf("codec %q: partition %d: %w", codec.Name(), partition, err)
	}
	if len(b)-at < len(events) {
		return nil, fmt.Errorf("%w: codec %q wrote %d bytes for %d events", ErrOption, codec.Name(), len(b)-at, len(events))
	}
	return b, nil
}

// appendNames appends the content of the frame of a block of names.
func appendNames(b []byte, first uint64, names []string) []byte {
	b = appendBlockHead(b, blockNames, 0, first, len(names))
	for _, name := range names {
		b = appendText(b, name)
	}
	return b
}

func appendBlockHead(b []byte, kind byte, partition int, first uint64, count int) []byte {
	b = binary.AppendUvarint(append(b, kind), uint64(partition))
	return binary.AppendUvarint(binary.AppendUvarint(b, first), uint64(count))
}

// A frame is the content of a block's frame.
type frame struct {
	kind      byte
	partition int
	first     uint64
	count     int
	sum       uint32
	names     []string // of the dictionary
	arrived   []int64  // when the events arrived; nil: not recorded
	events    []byte   // in the codec's form
}

// parseFrame reads all but the events.
func parseFrame(raw []byte, sum uint32) (frame, error) {
	r := &reader{rest: raw}
	f := frame{kind: r.byte(), partition: r.number(maxPartitions), first: r.uvarint(), count: r.number(maxBlock + 1), sum: sum}
	if r.err == nil && (f.kind > blockNames || f.count == 0 || f.count > len(r.rest) || f.kind == blockNames && f.partition != 0) {
		r.fail("a block of kind %d of partition %d with %d events in %d bytes", f.kind, f.partition, f.count, len(r.rest))
	}
	if r.err != nil {
		return f, r.err
	}
	switch f.kind {
	case blockNames:
		f.names = make([]string, f.count)
		for i := range f.names {
			f.names[i] = r.text()
		}
		return f, r.end()
	case blockArrived:
		f.arrived = make([]int64, f.count)
		for at := f.arrived; len(at) > 0; at = at[min(len(at), groupSize):] {
			readInts(r, at[:min(len(at), groupSize)])
		}
	}
	if f.events = r.rest; r.err == nil && f.count > len(f.events) {
		r.fail("%d events in %d bytes", f.count, len(f.events))
	}
	return f, r.err
}

// blockKey tells a block from the others of its object.
type blockKey struct {
	names     bool
	partition int
	first     uint64
}

func (f *frame) key() blockKey { return blockKey{f.kind == blockNames, f.partition, f.first} }

// eachFrame reads the blob of an object with the given first frame.
func eachFrame(ctx context.Context, b *blobReader, r io.Reader, size int64, head []byte, yield func(frame) error) error {
	if err := b.open(r, size, kindObject); err != nil {
		return err
	}
	raw, _, err := b.next()
	if err != nil {
		return framed(0, err)
	}
	if !bytes.Equal(raw, head) {
		return corrupt("it is an object of another name, epoch, codec or schema")
	}
	seen := map[blockKey]bool{}
	for i := 1; ; i++ {
		raw, sum, err := b.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		var f frame
		if err == nil {
			f, err = parseFrame(raw, sum)
		}
		if err == nil && seen[f.key()] {
			err = corrupt("a block twice")
		}
		seen[f.key()] = true
		if err == nil {
			err = yield(f)
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("frame %d: %w", i, err)
		}
	}
}
