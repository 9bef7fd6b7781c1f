package filestore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sort"

	"github.com/ephemera-go/ephemera/sinks"
)

// A logFile is one file of the log and what is known of it.
type logFile struct {
	header
	cleared    uint64 // what the trim records so far say; header.trimmed before the first
	end        int64  // offset behind the last sound record
	tailRecord int64  // offset of the last record that was read, not written; 0 if there is none
	last       uint64 // newest sequence in the file, or that of the files before
	marks      []mark // ascending; some records, so that reading need not begin at the front
	first      uint64 // oldest sequence that is not trimmed; 0 if there is none
	count      uint64 // signals that are not trimmed
	start      int64  // offset of the record that holds first, or of an earlier one
}

// A mark says that the record at offset is a batch that begins with sequence.
type mark struct {
	sequence uint64
	offset   int64
}

// markEvery is how far marks lie apart; reading one signal costs about as much.
const markEvery = 16 << 10

// errTail is what a record cut short by a crash looks like. Whether it is that, or damage, the caller decides.
var errTail = errors.New("unfinished record")

// A scanner reads the records of a file one after another.
type scanner struct {
	ctx    context.Context // ends a long walk
	f      file
	at     place
	size   int64 // of the file, or where to stop
	buffer []byte
	from   int64 // offset of buffer in the file
}

const readAhead = 64 << 10

func scan(ctx context.Context, f file, h *header, offset, size int64) *scanner {
	return &scanner{ctx: ctx, f: f, at: place{store: h.store, number: h.number, offset: uint64(offset)}, size: size}
}

// bytes returns n bytes at offset; n must lie within size.
func (s *scanner) bytes(offset, n int64) ([]byte, error) {
	if offset < s.from || offset+n > s.from+int64(len(s.buffer)) {
		want := min(max(n, readAhead), s.size-offset)
		if int64(cap(s.buffer)) < want {
			s.buffer = make([]byte, want)
		}
		s.buffer = s.buffer[:want]
		s.from = offset
		if _, err := s.f.ReadAt(s.buffer, offset); err != nil {
			s.buffer = s.buffer[:0]
			if errors.Is(err, io.EOF) {
				err = fmt.Errorf("%w: the file became shorter: %w", sinks.ErrCorrupt, err)
			}
			return nil, err
		}
	}
	return s.buffer[offset-s.from:][:n], nil
}

// next returns the payload at the scanner's place and moves on; io.EOF at the end, errTail if the rest is no whole
// record. The payload is valid until the next call.
func (s *scanner) next() ([]byte, error) {
	offset := int64(s.at.offset)
	if offset == s.size {
		return nil, io.EOF
	}
	if err := s.ctx.Err(); err != nil {
		return nil, err
	}
	if s.size-offset < recordHead {
		return nil, errTail
	}
	head, err := s.bytes(offset, recordHead)
	if err != nil {
		return nil, err
	}
	length, sum, ok := s.at.open(head)
	if !ok || length > s.size-offset-recordHead {
		return nil, errTail
	}
	b, err := s.bytes(offset+recordHead, length)
	if err != nil {
		return nil, err
	}
	if crc32.Checksum(b, castagnoli) != sum {
		return nil, errTail
	}
	s.at.offset += recordHead + uint64(length)
	return b, nil
}

// torn says whether what lies at the scanner's place can be one record that a crash cut short: then nothing that was
// ever acknowledged lies there. A whole record behind it proves that it was followed by another one, so that it had
// been whole.
func (s *scanner) torn() (bool, error) {
	begin := int64(s.at.offset)
	if s.size-begin > recordHead+maxPayload {
		return false, nil
	}
	if s.size-begin >= recordHead {
		head, err := s.bytes(begin, recordHead)
		if err != nil {
			return false, err
		}
		if length, _, ok := s.at.open(head); ok && begin+recordHead+length < s.size {
			return false, nil
		}
	}
	behind := *s
	for offset := begin + 1; offset+recordHead < s.size; offset++ {
		head, err := s.bytes(offset, recordHead)
		if err == nil && offset%readAhead == 0 {
			err = s.ctx.Err()
		}
		if err != nil {
			return false, err
		}
		behind.at.offset = uint64(offset)
		if _, _, ok := behind.at.open(head); !ok {
			continue
		}
		if _, err := behind.next(); err == nil {
			return false, nil
		} else if !errors.Is(err, errTail) {
			return false, err
		}
	}
	return true, nil
}

// read takes in everything from l.end to size that is whole; signals up to hide are not counted. It returns errTail when
// something is left that is not whole.
func (l *logFile) read(ctx context.Context, f file, size int64, hide uint64) error {
	s := scan(ctx, f, &l.header, l.end, size)
	for {
		offset := int64(s.at.offset)
		b, err := s.next()
		if err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		p, err := decodePayload(b)
		if err == nil {
			err = l.take(offset, p, hide)
		}
		if err != nil {
			return fmt.Errorf("%w at byte %d", err, offset)
		}
		l.tailRecord, l.end = offset, int64(s.at.offset)
	}
}

// take enters one record.
func (l *logFile) take(offset int64, p payload, hide uint64) error {
	if p.batch == nil {
		if p.through <= l.cleared || p.through > l.last {
			return fmt.Errorf("%w: trimmed through %d, of %d to %d", sinks.ErrCorrupt, p.through, l.cleared, l.last)
		}
		l.cleared = p.through
		return nil
	}
	if first := p.batch[0].Sequence; first <= l.last {
		return fmt.Errorf("%w: sequence %d after %d", sinks.ErrCorrupt, first, l.last)
	}
	l.enter(offset, p.batch, hide)
	return nil
}

// enter adds a batch that stands at offset to what is known.
func (l *logFile) enter(offset int64, batch []sinks.Signal, hide uint64) {
	if len(l.marks) == 0 || offset-l.marks[len(l.marks)-1].offset >= markEvery {
		l.marks = append(l.marks, mark{sequence: batch[0].Sequence, offset: offset})
	}
	for i := range batch {
		if batch[i].Sequence <= hide {
			continue
		}
		if l.count == 0 {
			l.first, l.start = batch[i].Sequence, offset
		}
		l.count++
	}
	l.last = batch[len(batch)-1].Sequence
}

// trim stops counting signals up to a sequence.
func (l *logFile) trim(ctx context.Context, f file, through uint64) error {
	if l.count == 0 || through < l.first {
		return nil
	}
	if through >= l.last {
		l.count, l.first, l.start = 0, 0, 0
		return nil
	}
	var gone uint64
	return l.visit(ctx, f, l.start, l.end, func(offset int64, s *sinks.Signal) bool {
		switch {
		case s.Sequence < l.first:
			return true
		case s.Sequence <= through:
			gone++
			return true
		}
		l.count -= gone
		l.first, l.start = s.Sequence, offset
		return false
	})
}

// visit calls f with the signals of the records from begin, which must be the beginning of a record, to end, until f
// returns false.
func (l *logFile) visit(ctx context.Context, from file, begin, end int64, f func(offset int64, s *sinks.Signal) bool) error {
	s := scan(ctx, from, &l.header, begin, end)
	for {
		offset := int64(s.at.offset)
		b, err := s.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		var p payload
		if errors.Is(err, errTail) {
			err = fmt.Errorf("%w: checksum", sinks.ErrCorrupt)
		}
		if err == nil {
			p, err = decodePayload(b)
		}
		if err != nil {
			return fmt.Errorf("log file %s: %w at byte %d", logName(l.number), err, offset)
		}
		for i := range p.batch {
			if !f(offset, &p.batch[i]) {
				return nil
			}
		}
	}
}

// seek returns the offset of a record at or before the first signal above a sequence.
func (l *logFile) seek(after uint64) int64 {
	i := sort.Search(len(l.marks), func(i int) bool { return l.marks[i].sequence > after+1 })
	if i == 0 {
		return headerSize
	}
	return l.marks[i-1].offset
}

// readHeader reads and checks the header of a log file.
func readHeader(f file, number uint64) (header, int64, error) {
	size, err := f.Size()
	if err != nil {
		return header{}, 0, err
	}
	b := make([]byte, min(size, headerSize))
	if _, err := f.ReadAt(b, 0); err != nil {
		return header{}, 0, err
	}
	h, err := decodeHeader(b)
	if err == nil && (h.number != number || h.trimmed > h.last) {
		err = fmt.Errorf("%w: the header is that of another file", sinks.ErrCorrupt)
	}
	return h, size, err
}

// trimPayload makes the payload of a trim record behind the room for its head.
func trimPayload(through uint64) []byte {
	b := make([]byte, recordHead, recordHead+11)
	return binary.AppendUvarint(append(b, kindTrim), through)
}
