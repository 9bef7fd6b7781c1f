package ingest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ephemera-go/ephemera/streams"
)

// A Format says what a record is.
type Format string

// The formats. Lines of logs that do not have the form are kept as they are, and counted.
const (
	Auto    Format = "auto"    // by the name of the file, else by its first line
	NDJSON  Format = "ndjson"  // a JSON text in each line
	CSV     Format = "csv"     // a header, then records; numbers become numbers, everything else strings
	Apache  Format = "apache"  // access log (common, combined) and error log
	OpenSSH Format = "openssh" // sshd in a syslog
	Plain   Format = "plain"   // any text: {"line": …}
)

// ErrRecord says that a record cannot be an event.
var ErrRecord = errors.New("bad record")

// maxLine is the longest one; escapes make it longer.
const maxLine = streams.MaxDataBytes / 2

func tooLong(bytes int64) error {
	return fmt.Errorf("%w: a line of %d bytes; at most %d", ErrRecord, bytes, maxLine)
}

// parse turns a line into an event; not known if it does not have the form of its log.
func (f Format) parse(line []byte) (e streams.Event, known bool, err error) {
	if len(line) > maxLine {
		return e, false, tooLong(int64(len(line)))
	}
	if f == NDJSON {
		if !json.Valid(line) {
			return e, false, fmt.Errorf("%w: no JSON text", ErrRecord)
		}
		return streams.Event{Data: []byte(string(line))}, true, nil
	}
	if !utf8.Valid(line) {
		return object(map[string]any{"base64": base64.StdEncoding.EncodeToString(line)}), false, nil
	}
	text := string(line)
	switch f {
	case Apache:
		if e, ok := apacheAccess(text); ok {
			return e, true, nil
		}
		if e, ok := apacheError(text); ok {
			return e, true, nil
		}
	case OpenSSH:
		if e, ok := openSSH(text); ok {
			return e, true, nil
		}
	}
	return object(map[string]any{"line": text}), f == Plain, nil
}

func object(members map[string]any) streams.Event {
	b, err := json.Marshal(members)
	if err != nil {
		panic(err) // strings and numbers always have a form
	}
	return streams.Event{Data: b}
}

var (
	accessLine = regexp.MustCompile(`^(\S+) (\S+) (.+?) \[([^\]]+)\] "((?:[^"\\]|\\.)*)" (\d{3}) (\d+|-)` +
		`(?: "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)")?`)
	errorLine = regexp.MustCompile(`^\[([^\]]+)\] \[(?:[^\]:]*:)?(emerg|alert|crit|error|warn|notice|info|debug|trace[1-8])\] (.*)$`)
	clientTag = regexp.MustCompile(`^(?:\[pid [^\]]*\] )?\[client ([^\]]+)\] `)
	sshLine   = regexp.MustCompile(`^([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\S+) (\S+) sshd(?:-session|-auth)?\[(\d+)\]: (.*)$`)
)

func apacheAccess(text string) (streams.Event, bool) {
	m := accessLine.FindStringSubmatch(text)
	if m == nil {
		return streams.Event{}, false
	}
	members := map[string]any{"client": m[1], "user": m[3], "request": m[5], "status": json.Number(m[6])}
	if m[7] != "-" {
		members["bytes"] = json.Number(strings.TrimLeft(m[7][:len(m[7])-1], "0") + m[7][len(m[7])-1:])
	}
	if m[8] != "" || m[9] != "" {
		members["referer"], members["agent"] = m[8], m[9]
	}
	e := object(members)
	e.Type = "apache.access"
	e.Time, _ = time.Parse("02/Jan/2006:15:04:05 -0700", m[4]) // zero: when it is appended
	return e, true
}

// apacheError takes times, which have no zone, as UTC.
func apacheError(text string) (streams.Event, bool) {
	m := errorLine.FindStringSubmatch(text)
	if m == nil {
		return streams.Event{}, false
	}
	members := map[string]any{"level": m[2], "message": m[3]}
	if c := clientTag.FindStringSubmatch(m[3]); c != nil {
		members["client"], members["message"] = c[1], strings.TrimPrefix(m[3], c[0])
	}
	e := object(members)
	e.Type = "apache.error"
	e.Time, _ = time.Parse("Mon Jan _2 15:04:05.999999 2006", m[1])
	return e, true
}

// openSSH keeps times without year and zone as text.
func openSSH(text string) (streams.Event, bool) {
	m := sshLine.FindStringSubmatch(text)
	if m == nil {
		return streams.Event{}, false
	}
	e := object(map[string]any{"at": m[1], "host": m[2], "pid": json.Number(strings.TrimLeft(m[3][:len(m[3])-1], "0") + m[3][len(m[3])-1:]), "message": m[4]})
	e.Type = "sshd"
	e.Time, _ = time.Parse(time.RFC3339Nano, m[1])
	return e, true
}

// detect finds the format of a file by its name, else by its first line.
func detect(name string, first []byte) Format {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".ndjson", ".jsonl":
		return NDJSON
	case ".csv":
		return CSV
	}
	text := string(first)
	switch {
	case strings.HasPrefix(text, "{") && json.Valid(first):
		return NDJSON
	case accessLine.MatchString(text), errorLine.MatchString(text):
		return Apache
	case sshLine.MatchString(text):
		return OpenSSH
	}
	return Plain
}
