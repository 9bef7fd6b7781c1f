package ingest

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/ephemera-go/ephemera/streams"
)

// A record is an event and where it stood.
type record struct {
	event  streams.Event
	offset int64 // of its first byte
	line   int   // from 1 on
	known  bool  // it has the form of its log
}

// A source yields records in their order. io.EOF means that there are no more for now; a source of lines may be asked again
// when its file has grown.
type source interface {
	next() (record, error)
	offset() int64  // behind the last record
	reached() int64 // what was read
	finish()        // the file will not grow any more
}

// lines is a source of one record a line.
type lines struct {
	format  Format
	r       *bufio.Reader
	grows   bool // a line without an end is not complete yet
	partial []byte
	dropped int64 // bytes of that line, before partial, because it is too long for an event
	at      int64
	n       int
}

func (l *lines) offset() int64  { return l.at }
func (l *lines) reached() int64 { return l.at + l.dropped + int64(len(l.partial)) }
func (l *lines) finish()        { l.grows = false }

func (l *lines) next() (record, error) {
	for {
		piece, err := l.r.ReadSlice('\n')
		l.partial = append(l.partial, piece...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			if len(l.partial) > streams.MaxDataBytes {
				l.dropped, l.partial = l.dropped+int64(len(l.partial)), l.partial[:0]
			}
			continue
		case err != nil && (l.grows || l.reached() == l.at || !errors.Is(err, io.EOF)):
			return record{}, err
		}
		if x, ok, bad := l.line(); ok {
			return x, bad
		}
	}
}

// line turns what was read into a record; not if the line is blank and that is none.
func (l *lines) line() (x record, ok bool, err error) {
	x = record{offset: l.at, line: l.n + 1}
	text, dropped := bytes.TrimRight(l.partial, "\r\n"), l.dropped
	l.at, l.n = l.reached(), l.n+1
	l.partial, l.dropped = l.partial[:0], 0
	switch {
	case dropped > 0:
		err = tooLong(dropped + int64(len(text)))
	case len(bytes.TrimSpace(text)) == 0 && l.format == NDJSON:
		return x, false, nil
	default:
		x.event, x.known, err = l.format.parse(text)
	}
	if err != nil {
		err = fmt.Errorf("line %d: %w", x.line, err)
	}
	return x, true, err
}

// table is a source of CSV records; the first one names the members of the others.
type table struct {
	r      *csv.Reader
	header []string
}

func newTable(r io.Reader) (*table, error) {
	t := &table{r: csv.NewReader(r)}
	var err error
	if t.header, err = t.r.Read(); err != nil {
		return nil, fmt.Errorf("%w: the header: %w", ErrRecord, err)
	}
	for i, name := range t.header {
		if slices.Contains(t.header[:i], name) {
			return nil, fmt.Errorf("%w: the header has %q twice", ErrRecord, name)
		}
	}
	t.r.ReuseRecord = true
	return t, nil
}

func (t *table) offset() int64  { return t.r.InputOffset() }
func (t *table) reached() int64 { return t.r.InputOffset() }
func (t *table) finish()        {}

func (t *table) next() (record, error) {
	x := record{offset: t.r.InputOffset(), known: true}
	fields, err := t.r.Read()
	if e := (*csv.ParseError)(nil); errors.As(err, &e) {
		return x, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	if err != nil {
		return x, err
	}
	x.line, _ = t.r.FieldPos(0)
	members := make(map[string]any, len(fields))
	for i, text := range fields {
		members[t.header[i]] = cell(text)
	}
	x.event = object(members)
	return x, nil
}

// cell is a number if the text is one as JSON writes them, so that it comes back as it was.
func cell(text string) any {
	if text != "" && (text[0] == '-' || text[0] >= '0' && text[0] <= '9') && json.Valid([]byte(text)) {
		return json.Number(text)
	}
	return text
}
