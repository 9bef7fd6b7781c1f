package pgstore

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ephemera-go/ephemera/sinks"
)

// rowBytes is what a row counts for in SignalStat.Bytes besides its texts and data; the trigger signals_deleted has the
// same number.
const rowBytes = 80

// A row is a signal as it stands in the table signals.
type row struct {
	sequence  int64
	time      time.Time // whole microseconds
	nanos     int16     // the rest
	name      string
	key       *string
	operation int64
	path      []string
	data      []byte
	checksum  int64
}

var columns = []string{"sequence", "time", "nanos", "name", "key", "operation", "path", "data", "checksum"}

const selectRows = "SELECT sequence, time, nanos, name, key, operation, path, data, checksum FROM @signals"

func newRow(s *sinks.Signal) row {
	t := s.Time.UTC().Round(0)
	nanos := t.Nanosecond() % 1000
	r := row{
		sequence: int64(s.Sequence), time: t.Add(-time.Duration(nanos)), nanos: int16(nanos), name: s.Name,
		operation: int64(s.Operation),
	}
	if s.Key != "" {
		r.key = &s.Key
	}
	if len(s.Path) > 0 {
		r.path = s.Path
	}
	if len(s.Data) > 0 {
		r.data = s.Data
	}
	r.checksum = sum(s)
	return r
}

// values are in the order of columns.
func (r *row) values() []any {
	v := []any{r.sequence, r.time, r.nanos, r.name, nil, r.operation, nil, nil, r.checksum}
	if r.key != nil {
		v[4] = *r.key
	}
	if r.path != nil {
		v[6] = r.path
	}
	if r.data != nil {
		v[7] = r.data
	}
	return v
}

func (r *row) scan(rows pgx.Rows) error {
	return rows.Scan(&r.sequence, &r.time, &r.nanos, &r.name, &r.key, &r.operation, &r.path, &r.data, &r.checksum)
}

// signal checks the row and takes it over.
func (r *row) signal() (sinks.Signal, error) {
	s := sinks.Signal{
		Sequence: uint64(r.sequence), Time: r.time.UTC().Add(time.Duration(r.nanos)), Name: r.name,
		Operation: uint64(r.operation), Path: r.path, Data: r.data,
	}
	if r.key != nil {
		s.Key = *r.key
	}
	if sum(&s) != r.checksum {
		return sinks.Signal{}, fmt.Errorf("%w: checksum of signal %d", sinks.ErrCorrupt, r.sequence)
	}
	return s, nil
}

// sum is the checksum of a signal, see docs/formats/postgres.md.
func sum(s *sinks.Signal) int64 {
	var room [256]byte
	b := room[:0]
	b = binary.LittleEndian.AppendUint64(b, s.Sequence)
	b = binary.LittleEndian.AppendUint64(b, uint64(s.Time.Unix()))
	b = binary.LittleEndian.AppendUint32(b, uint32(s.Time.Nanosecond()))
	b = binary.LittleEndian.AppendUint64(b, s.Operation)
	b = appendText(b, s.Name)
	b = appendText(b, s.Key)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(s.Path)))
	for _, name := range s.Path {
		b = appendText(b, name)
	}
	return int64(crc32.Update(crc32.Checksum(b, castagnoli), castagnoli, s.Data))
}

func appendText(b []byte, text string) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(text)))
	return append(b, text...)
}

// size is what a signal counts for in SignalStat.Bytes.
func size(s *sinks.Signal) int64 {
	n := rowBytes + len(s.Name) + len(s.Key) + len(s.Data)
	for _, name := range s.Path {
		n += len(name)
	}
	return int64(n)
}
