package ingest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ephemera-go/ephemera/streams"
)

// ErrLost says that nobody can tell how far an earlier run came.
var ErrLost = errors.New("where an earlier run ended cannot be told")

// Options configures a Run.
type Options struct {
	Stream  string
	File    string // path; empty: Input
	Input   io.Reader
	Format  Format
	Source  string // begins the ids; empty: made from the file's name and its first line, or for Input none
	Type    string // of events; empty: as the format says
	Batch   int    // events in one append
	Follow  bool   // wait for more until the context ends
	Restart bool   // begin at the beginning, whatever the stream holds
	SkipBad bool   // leave out records that cannot be events

	Progress func(Report) // now and then
}

// A Report says how far a run has come.
type Report struct {
	Stored   int    `json:"stored"`  // events
	Present  int    `json:"present"` // records that earlier runs had stored
	Unparsed int    `json:"unparsed"`
	Bad      int    `json:"bad"` // left out
	Bytes    int64  `json:"bytes"`
	Size     int64  `json:"-"`       // of the file; 0: unknown
	Version  uint64 `json:"version"` // of the stream, when the run last heard of it
	Source   string `json:"source,omitempty"`
}

// poll is how often a file is looked at that may grow.
const poll = 100 * time.Millisecond

// Run stores what a file holds and returns how much that was, also beside an error: what was stored before it stays, and
// another run goes on behind it. With Follow it ends with the context, which is no error.
func Run(ctx context.Context, log streams.Log, o Options) (Report, error) {
	r := &run{ctx: ctx, log: log, o: o}
	for {
		again, err := r.file()
		if !again || err != nil {
			return r.report, err
		}
	}
}

// A run is the state of Run.
type run struct {
	ctx    context.Context
	log    streams.Log
	o      Options
	report Report

	f       *os.File // nil: Input
	source  source
	done    int64  // offset of the last record that the stream has; −1: none
	last    []byte // data of that record, until the file has been seen to hold it
	pending []streams.Event
	lines   []int // of what is pending
	rotated bool  // another file has the name now
}

// file stores one file. again: it was replaced by another one of its name, or begun anew.
func (r *run) file() (again bool, err error) {
	in, first := r.o.Input, []byte(nil)
	r.rotated = false
	if r.o.File != "" {
		if r.f, err = os.Open(r.o.File); err != nil {
			return false, err
		}
		defer func() { _ = r.f.Close() }()
		in = r.f
	}
	first, in, err = r.firstLine(in)
	if err != nil {
		return false, r.stopped(err)
	}
	if r.rotated && len(first) == 0 {
		return true, nil
	}
	r.rotated = false
	if err := r.begin(first, in); err != nil {
		return false, err
	}
	for {
		x, err := r.source.next()
		switch {
		case err == nil:
			err = r.take(x)
		case errors.Is(err, io.EOF):
			var over bool
			if over, again, err = r.end(); over && err == nil {
				return again, nil
			}
		case errors.Is(err, ErrRecord) && r.o.SkipBad:
			r.report.Bad++
			continue
		default:
			err = errors.Join(err, r.store()) // what came before it is fine
		}
		if err != nil {
			return false, r.stopped(err)
		}
	}
}

// stopped: that a run with Follow ends with its context is no error.
func (r *run) stopped(err error) error {
	if r.o.Follow && r.ctx.Err() != nil && errors.Is(err, r.ctx.Err()) {
		return nil
	}
	return err
}

// firstLine returns the first line, or the beginning of one that is longer than any event, and a reader that begins with it. A
// file that grows is waited for, until another one has its name.
func (r *run) firstLine(in io.Reader) ([]byte, io.Reader, error) {
	b := bufio.NewReader(in)
	var line []byte
	for {
		piece, err := b.ReadSlice('\n')
		line = append(line, piece...)
		switch {
		case len(line) > streams.MaxDataBytes:
			return line[:streams.MaxDataBytes], &prefixed{line, b}, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && r.o.Follow && !r.rotated:
			if err := pause(r.ctx); err != nil {
				return nil, nil, err
			}
			if _, r.rotated, err = r.look(); err != nil && !errors.Is(err, os.ErrNotExist) {
				return nil, nil, err
			}
		case err == nil, errors.Is(err, io.EOF):
			return line, &prefixed{line, b}, nil
		default:
			return nil, nil, err
		}
	}
}

// look returns how long the file is, and whether another one has its name now. It is os.ErrNotExist when none has: the file was
// moved away, and the new one is not there yet.
func (r *run) look() (size int64, replaced bool, err error) {
	if r.f == nil {
		return 0, false, nil
	}
	open, err := r.f.Stat()
	if err != nil {
		return 0, false, err
	}
	named, err := os.Stat(r.o.File)
	if err != nil {
		return 0, false, err
	}
	return open.Size(), !os.SameFile(open, named), nil
}

// prefixed reads what was looked at already, then the rest. Unlike io.MultiReader it asks again after the end.
type prefixed struct {
	head []byte
	rest io.Reader
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.head) > 0 {
		n := copy(b, p.head)
		p.head = p.head[n:]
		return n, nil
	}
	return p.rest.Read(b)
}

func pause(ctx context.Context) error {
	t := time.NewTimer(poll)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// begin finds the format, the name of the source and where to go on.
func (r *run) begin(first []byte, in io.Reader) (err error) {
	format := r.o.Format
	if format == Auto {
		format = detect(r.o.File, bytes.TrimRight(first, "\r\n"))
	}
	r.report.Source = r.o.Source
	if r.report.Source == "" && r.o.File != "" {
		path, err := filepath.Abs(r.o.File)
		if err != nil {
			return err
		}
		line := strings.TrimRight(string(first), "\r\n") // it may be the last one too, and get its end later
		sum := sha256.Sum256([]byte(path + "\n" + line + "\n"))
		r.report.Source = shortened(filepath.Base(path)) + "-" + hex.EncodeToString(sum[:6])
	}
	if format == CSV {
		if r.o.Follow {
			return fmt.Errorf("%w: a CSV file cannot be followed, for its records may have several lines", streams.ErrOption)
		}
		if r.source, err = newTable(in); err != nil {
			return err
		}
	} else {
		r.source = &lines{format: format, r: bufio.NewReaderSize(in, 64<<10), grows: r.o.Follow}
	}
	r.last = nil
	r.done, err = r.found()
	return err
}

// shortened leaves room for the rest of an id.
func shortened(name string) string {
	const most = 100
	if len(name) > most || streams.CheckName(name) != nil {
		return "file"
	}
	return name
}

// found looks for the newest event of the source, from the end of the stream on, and returns its offset; −1: there is none.
func (r *run) found() (int64, error) {
	anew := r.report.Source == "" || r.o.Restart
	read := streams.Read{Stream: r.o.Stream, Backward: true, Limit: 1000}
	if anew {
		read.Limit = 1 // it tells the version
	}
	prefix := r.report.Source + ":"
	for {
		page, err := r.log.Read(r.ctx, read)
		if err != nil {
			return -1, err
		}
		r.report.Version = page.Version
		if anew {
			return -1, nil
		}
		for i := range page.Events {
			rest, ok := strings.CutPrefix(page.Events[i].ID, prefix)
			if !ok {
				continue
			}
			if offset, err := strconv.ParseInt(rest, 10, 64); err == nil {
				r.last = page.Events[i].Data
				return offset, nil
			}
		}
		switch {
		case page.More && len(page.Events) > 0:
			read.From = page.Events[len(page.Events)-1].Version - 1
		case page.Oldest > 1:
			return -1, fmt.Errorf("%w: %s begins at version %d, and none of its events is from %s; --restart begins at the beginning",
				ErrLost, r.o.Stream, page.Oldest, r.report.Source)
		default:
			return -1, nil
		}
	}
}

// take makes an event of a record, unless the stream has it.
func (r *run) take(x record) error {
	r.report.Bytes = r.source.offset()
	if r.last != nil && x.offset >= r.done {
		if x.offset > r.done || !same(x.event.Data, r.last) {
			return r.another()
		}
		r.last = nil
	}
	if x.offset <= r.done {
		r.report.Present++
		return nil
	}
	if !x.known {
		r.report.Unparsed++
	}
	if r.report.Source != "" {
		x.event.ID = r.report.Source + ":" + strconv.FormatInt(x.offset, 10)
	}
	if r.o.Type != "" {
		x.event.Type = r.o.Type
	}
	r.pending, r.lines = append(r.pending, x.event), append(r.lines, x.line)
	if len(r.pending) < r.o.Batch && size(r.pending) < maxBatchBytes {
		return nil
	}
	return r.store()
}

// another says that the file is not the one whose records the stream has.
func (r *run) another() error {
	return fmt.Errorf("%w: %s has a record of %s that is not at its offset %d: another file begins with the same line, "+
		"or its last line was not whole, or it is read in another format; --source stores it under another name",
		ErrLost, r.o.Stream, r.report.Source, r.done)
}

// same compares two JSON texts by their values.
func same(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

// maxBatchBytes keeps a request below the usual limit of a server, 1 MiB.
const maxBatchBytes = 256 << 10

func size(events []streams.Event) (n int) {
	for i := range events {
		n += len(events[i].Data)
	}
	return n
}

// store appends what waits. A log refuses more than a format does, such as a member twice, or an event that is too large; which
// record that is, or that they are too large only together, shows when each is stored alone.
func (r *run) store() error {
	if len(r.pending) == 0 {
		return nil
	}
	if err := r.append(len(r.pending)); !refused(err) {
		return err
	}
	for len(r.pending) > 0 {
		line := r.lines[0]
		err := r.append(1)
		switch {
		case err == nil:
		case !refused(err):
			return err
		case r.o.SkipBad:
			r.report.Bad++
			r.pending, r.lines = r.pending[1:], r.lines[1:]
		default:
			r.pending, r.lines = nil, nil
			return fmt.Errorf("line %d: %w: %v", line, ErrRecord, err) //nolint:errorlint // of the file, not of the command
		}
	}
	return nil
}

func refused(err error) bool {
	return errors.Is(err, streams.ErrInvalid) || errors.Is(err, streams.ErrTooLarge)
}

// append stores the first n of what waits.
func (r *run) append(n int) error {
	ctx := context.WithoutCancel(r.ctx) // what was read is stored
	result, err := r.log.Append(ctx, streams.Append{Stream: r.o.Stream, Events: r.pending[:n]})
	if err != nil {
		return err
	}
	if result.Duplicate { // its version is that of the first time
		r.report.Present += n
	} else {
		r.report.Stored += n
		r.report.Version = result.Last
	}
	r.pending, r.lines = slices.Delete(r.pending, 0, n), slices.Delete(r.lines, 0, n)
	if r.o.Progress != nil {
		if r.f != nil {
			if info, err := r.f.Stat(); err == nil {
				r.report.Size = info.Size()
			}
		}
		r.o.Progress(r.report)
	}
	return r.ctx.Err()
}

// end stores what waits, and waits for more if it should.
func (r *run) end() (over, again bool, err error) {
	if r.last != nil && r.source.reached() <= r.done { // it ends before what was stored
		return true, false, r.another()
	}
	if err := r.store(); err != nil || !r.o.Follow {
		return true, false, err
	}
	if err := pause(r.ctx); err != nil {
		return true, false, err
	}
	if r.f == nil {
		return false, false, nil
	}
	size, replaced, err := r.look()
	switch {
	case errors.Is(err, os.ErrNotExist):
		return false, false, nil
	case err != nil:
		return true, false, err
	case size < r.source.reached(): // begun anew
		return true, true, nil
	case size > r.source.reached() || !replaced:
		return false, false, nil
	case !r.rotated: // its last line may have no end
		r.rotated = true
		r.source.finish()
		return false, false, nil
	}
	return true, true, nil
}
