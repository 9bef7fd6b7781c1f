package filestore

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	"github.com/ephemera-go/ephemera/sinks"
)

// The format is described in docs/formats/signal-log.md.
const (
	magic      = "ephsglog"
	version    = 1
	headerSize = 64
	recordHead = 12
	maxPayload = 256 << 20

	kindBatch = 1
	kindTrim  = 2
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A header begins every log file.
type header struct {
	store   uint64 // the same in all files of a log
	number  uint64 // of the file, from 1
	last    uint64 // the newest sequence stored before this file
	trimmed uint64 // sequences up to here were removed when the file began
}

func (h *header) encode() []byte {
	b := make([]byte, headerSize)
	copy(b, magic)
	binary.LittleEndian.PutUint16(b[8:], version)
	binary.LittleEndian.PutUint64(b[16:], h.store)
	binary.LittleEndian.PutUint64(b[24:], h.number)
	binary.LittleEndian.PutUint64(b[32:], h.last)
	binary.LittleEndian.PutUint64(b[40:], h.trimmed)
	binary.LittleEndian.PutUint32(b[60:], crc32.Checksum(b[:60], castagnoli))
	return b
}

func decodeHeader(b []byte) (header, error) {
	if len(b) < len(magic) || string(b[:len(magic)]) != magic {
		return header{}, fmt.Errorf("%w: it does not begin like a log file", sinks.ErrForeign)
	}
	if len(b) < headerSize {
		return header{}, fmt.Errorf("%w: a header of %d bytes", sinks.ErrCorrupt, len(b))
	}
	// The version comes first: a newer header may keep its checksum elsewhere.
	if v := binary.LittleEndian.Uint16(b[8:]); v > version {
		return header{}, fmt.Errorf("%w: format %d, this is format %d", sinks.ErrTooNew, v, version)
	}
	if crc32.Checksum(b[:60], castagnoli) != binary.LittleEndian.Uint32(b[60:]) {
		return header{}, fmt.Errorf("%w: checksum of the header", sinks.ErrCorrupt)
	}
	if v := binary.LittleEndian.Uint16(b[8:]); v != version {
		return header{}, fmt.Errorf("%w: format %d", sinks.ErrCorrupt, v)
	}
	return header{
		store:   binary.LittleEndian.Uint64(b[16:]),
		number:  binary.LittleEndian.Uint64(b[24:]),
		last:    binary.LittleEndian.Uint64(b[32:]),
		trimmed: binary.LittleEndian.Uint64(b[40:]),
	}, nil
}

// place is where a record stands. It is part of the record's checksum, so that a record found anywhere else is not
// taken for one.
type place struct{ store, number, offset uint64 }

func (p place) sum(lengthAndSum []byte) uint32 {
	var b [24]byte
	binary.LittleEndian.PutUint64(b[0:], p.store)
	binary.LittleEndian.PutUint64(b[8:], p.number)
	binary.LittleEndian.PutUint64(b[16:], p.offset)
	return crc32.Update(crc32.Checksum(b[:], castagnoli), castagnoli, lengthAndSum)
}

// seal fills in the head of a record; its payload follows the head's room in record.
func (p place) seal(record []byte) {
	payload := record[recordHead:]
	binary.LittleEndian.PutUint32(record[0:], uint32(len(payload)))
	binary.LittleEndian.PutUint32(record[4:], crc32.Checksum(payload, castagnoli))
	binary.LittleEndian.PutUint32(record[8:], p.sum(record[:8]))
}

// open reads the head of a record; ok is false if it is not one of this place.
func (p place) open(head []byte) (length int64, payloadSum uint32, ok bool) {
	if binary.LittleEndian.Uint32(head[8:]) != p.sum(head[:8]) {
		return 0, 0, false
	}
	length = int64(binary.LittleEndian.Uint32(head[0:]))
	return length, binary.LittleEndian.Uint32(head[4:]), length > 0 && length <= maxPayload
}

const (
	logPrefix = "log-"
	logSuffix = ".sig"
)

func logName(number uint64) string {
	return fmt.Sprintf("%s%020d%s", logPrefix, number, logSuffix)
}

// logNumber is the inverse of logName; ok is false for other names.
func logNumber(name string) (number uint64, ok bool) {
	digits := strings.TrimSuffix(strings.TrimPrefix(name, logPrefix), logSuffix)
	number, err := strconv.ParseUint(digits, 10, 64)
	return number, err == nil && number > 0 && name == logName(number)
}
