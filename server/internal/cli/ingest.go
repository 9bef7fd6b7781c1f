package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/ephemera-go/ephemera/server/internal/ingest"
	"github.com/ephemera-go/ephemera/streams"
)

type ingestCmd struct {
	streamConnection
	Stream  string `arg:"" help:"Stream to store in."`
	File    string `arg:"" optional:"" help:"File; standard input without one."`
	Format  string `default:"auto" enum:"auto,ndjson,csv,apache,openssh,plain" help:"ndjson, csv, apache (access and error log), openssh, plain, or auto: by the name of the file, else by its first line."`
	Follow  bool   `short:"f" help:"Go on with what is written to the file, also when it is rotated, until Ctrl-C."`
	Source  string `help:"Name that the ids begin with (made from the file's path and first line). Makes standard input resumable."`
	Type    string `help:"Type of the events (as the format says)."`
	Batch   int    `default:"500" help:"Events that are stored together, 1 to 1000."`
	Restart bool   `help:"Begin at the beginning, whatever the stream holds."`
	SkipBad bool   `help:"Leave out lines that cannot be events, and count them."`
}

func (ingestCmd) Help() string {
	return `Stores each record of a file as an event. Started again it goes on where the stream ends, without storing anything twice: the
ids of the events say how far it came.

Examples:

  ephemera ingest readings readings.ndjson
  ephemera ingest web/access /var/log/apache2/access.log --follow
  ephemera ingest flights flights.csv --json
  journalctl -u ssh -o short | ephemera ingest ssh --format openssh

Standard input is stored as new events each time, unless --source names it.`
}

func (c *ingestCmd) Run(w *world) error {
	if c.Batch < 1 || c.Batch > streams.MaxAppend {
		return fmt.Errorf("%w: --batch %d; 1 to %d", errUsage, c.Batch, streams.MaxAppend)
	}
	log, err := c.log()
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	ctx, cancel := w.until()
	defer cancel()
	file := c.File
	if file == "-" {
		file = ""
	}
	shown := time.Now()
	r, err := ingest.Run(ctx, log, ingest.Options{
		Stream: c.Stream, File: file, Input: w.stdin, Format: ingest.Format(c.Format), Source: c.Source, Type: c.Type, Batch: c.Batch,
		Follow: c.Follow, Restart: c.Restart, SkipBad: c.SkipBad, Progress: func(r ingest.Report) {
			if w.terminal && time.Since(shown) > 100*time.Millisecond {
				shown = time.Now()
				_, _ = fmt.Fprintf(w.stderr, "\r%s \r", bar(r))
			}
		},
	})
	if w.json {
		if e := w.line(r); e != nil {
			return e
		}
		return err
	}
	if err != nil && r.Bytes == 0 {
		return err // nothing was read
	}
	w.say("%s: %d events stored, %d were there; %d lines of another form, %d left out%s", c.Stream, r.Stored, r.Present,
		r.Unparsed, r.Bad, atVersion(r.Version))
	return err
}

// atVersion says where the stream is, if it is known and there is one.
func atVersion(version uint64) string {
	if version == 0 {
		return ""
	}
	return fmt.Sprintf("; version %d", version)
}

// bar shows how much of a file is done.
func bar(r ingest.Report) string {
	if r.Size <= 0 {
		return fmt.Sprintf("%d events", r.Stored)
	}
	const width = 30
	done := int(min(r.Bytes, r.Size) * width / r.Size)
	return fmt.Sprintf("[%s%s] %3d %% %d events", strings.Repeat("#", done), strings.Repeat(".", width-done),
		min(r.Bytes, r.Size)*100/r.Size, r.Stored)
}
