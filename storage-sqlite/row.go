package sqlitestore

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

// timeLayout is RFC 3339 of fixed width in UTC.
const timeLayout = "2006-01-02T15:04:05.000000000Z"

// rowBytes is what a row counts for in SignalStat.Bytes besides its texts and data; the trigger signals_deleted has the
// same number.
const rowBytes = 96

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// A row is a signal as it stands in the table.
type row struct {
	id, operation int64
	name, key     string // no key: ""
	timestamp     string
	path          string // no path: ""
	data          []byte
	checksum      int64
}

func newRow(s *sinks.Signal, r *row, w *timeText) error {
	*r = row{
		id: int64(s.Sequence), operation: int64(s.Operation), name: s.Name, key: s.Key,
		timestamp: w.format(s.Time), data: s.Data,
	}
	if len(s.Path) > 0 {
		path, err := encodePath(s.Path)
		if err != nil {
			return err
		}
		r.path = path
	}
	r.checksum = r.sum()
	return nil
}

func encodePath(path []string) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(path); err != nil {
		return "", err
	}
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}

// sum is the checksum of all other columns, see docs/formats/sqlite.md.
func (r *row) sum() int64 {
	var room [256]byte
	b := room[:0]
	b = binary.LittleEndian.AppendUint64(b, uint64(r.id))
	b = binary.LittleEndian.AppendUint64(b, uint64(r.operation))
	for _, text := range [...]string{r.name, r.key, r.timestamp, r.path} {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(text)))
		b = append(b, text...)
	}
	return int64(crc32.Update(crc32.Checksum(b, castagnoli), castagnoli, r.data))
}

func (r *row) bytes() int64 {
	return int64(rowBytes + len(r.name) + len(r.key) + len(r.path) + len(r.data))
}

// signal checks the row and takes it over.
func (r *row) signal() (sinks.Signal, error) {
	if r.sum() != r.checksum {
		return sinks.Signal{}, fmt.Errorf("%w: checksum of signal %d", sinks.ErrCorrupt, r.id)
	}
	t, err := time.Parse(timeLayout, r.timestamp)
	if err != nil || r.id < 1 {
		return sinks.Signal{}, fmt.Errorf("%w: columns of signal %d", sinks.ErrCorrupt, r.id)
	}
	s := sinks.Signal{
		Sequence: uint64(r.id), Time: t.UTC(), Name: r.name, Key: r.key,
		Operation: uint64(r.operation), Data: r.data,
	}
	if r.path != "" {
		if err := json.Unmarshal([]byte(r.path), &s.Path); err != nil {
			return sinks.Signal{}, fmt.Errorf("%w: path of signal %d", sinks.ErrCorrupt, r.id)
		}
	}
	return s, nil
}

// A timeText formats times. It remembers the last second: signals of a batch are seldom far apart.
type timeText struct {
	second int64
	text   [len(timeLayout)]byte // empty: none yet
}

// format is t.UTC().Format(timeLayout) in a fraction of its time; years 1 to 9999 only.
func (w *timeText) format(t time.Time) string {
	if second := t.Unix(); second != w.second || w.text[0] == 0 {
		w.second = second
		t.UTC().AppendFormat(w.text[:0], timeLayout)
	}
	digits(w.text[20:29], t.Nanosecond())
	return string(w.text[:])
}

// formatTime formats a single time.
func formatTime(t time.Time) string { return new(timeText).format(t) }

func digits(b []byte, n int) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
}
