package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/streams"
)

type appendCmd struct {
	streamConnection
	Stream string   `arg:"" help:"Name of the stream, such as orders/eu."`
	Data   []string `arg:"" optional:"" help:"Events, each a JSON text. Without any, lines of standard input."`
	Type   string   `help:"Type of the events."`
	ID     string   `name:"id" help:"Id of the only event; the same one is not stored twice."`
	Key    string   `help:"Idempotency key of the whole append."`
	Expect string   `default:"any" help:"What the stream must be: any, none (not there yet), exists, or its version."`
}

func (appendCmd) Help() string {
	return `All events of the command line, or up to 1,000 lines of standard input, are stored together or not at all. With --id or --key
it can be repeated without storing them twice.

Exit code 9: nothing is stored, because the stream is at another version than --expect says, or the id or key was used for
something else. 10: they may be stored or not; repeat it with --id or --key. 7: nothing is stored, the server was not reached.

Examples:

  ephemera append orders/eu '{"amount": 12.5}'
  ephemera append orders/eu '{"amount": 12.5}' --id o-17 --type order.placed
  ephemera append orders/eu '{"amount": 1}' --expect 41
  ephemera append readings < readings.ndjson`
}

func (c *appendCmd) Run(w *world) error {
	expect, err := parseExpect(c.Expect)
	if err != nil {
		return err
	}
	events, err := c.events(w)
	if err != nil {
		return err
	}
	if c.ID != "" && len(events) != 1 {
		return fmt.Errorf("%w: --id with %d events", errUsage, len(events))
	}
	log, err := c.log()
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	ctx, cancel := w.until()
	defer cancel()
	r, err := log.Append(ctx, streams.Append{Stream: c.Stream, Expect: expect, Key: c.Key, Events: events})
	if err != nil {
		return err
	}
	if w.json {
		return w.line(map[string]any{
			"stream": r.Stream, "firstVersion": r.First, "lastVersion": r.Last, "epoch": r.Epoch, "duplicate": r.Duplicate,
		})
	}
	note := ""
	if r.Duplicate {
		note = " (known already, not stored again)"
	}
	w.say("%s: version %d to %d%s", r.Stream, r.First, r.Last, note)
	return nil
}

func (c *appendCmd) events(w *world) ([]streams.Event, error) {
	var events []streams.Event
	add := func(what string, data []byte) error {
		if !json.Valid(data) {
			return fmt.Errorf("%w: %s is no JSON text; a string needs its quotes", errUsage, what)
		}
		events = append(events, streams.Event{ID: c.ID, Type: c.Type, Data: bytes.Clone(data)})
		return nil
	}
	for i, text := range c.Data {
		if err := add(fmt.Sprintf("event %d", i+1), []byte(text)); err != nil {
			return nil, err
		}
	}
	if len(c.Data) > 0 {
		return events, nil
	}
	lines := bufio.NewScanner(w.stdin)
	lines.Buffer(nil, streams.MaxDataBytes+1)
	for n := 1; lines.Scan(); n++ {
		if line := bytes.TrimSpace(lines.Bytes()); len(line) > 0 {
			if err := add(fmt.Sprintf("line %d", n), line); err != nil {
				return nil, err
			}
		}
	}
	if len(events) > streams.MaxAppend {
		return nil, fmt.Errorf("%w: %d lines are more than one append takes, %d; use ingest", errUsage, len(events), streams.MaxAppend)
	}
	return events, lines.Err()
}

func parseExpect(text string) (streams.Expect, error) {
	switch text {
	case "any":
		return streams.ExpectAny, nil
	case "none":
		return streams.ExpectNoStream, nil
	case "exists":
		return streams.ExpectExists, nil
	}
	v, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return streams.ExpectAny, fmt.Errorf("%w: --expect %q; any, none, exists or a version", errUsage, text)
	}
	return streams.ExpectVersion(v), nil
}

type readCmd struct {
	streamConnection
	Stream   string `arg:"" help:"Name of the stream."`
	From     uint64 `placeholder:"VERSION" help:"Version to begin with (the oldest, or backward the newest)."`
	Limit    int    `default:"1000" help:"Events at most."`
	Backward bool   `help:"The newest first."`
}

func (readCmd) Help() string {
	return `Examples:

  ephemera read orders/eu
  ephemera read orders/eu --from 100 --limit 10
  ephemera read orders/eu --backward --limit 1 --json`
}

func (c *readCmd) Run(w *world) error {
	log, err := c.log()
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	ctx, cancel := w.until()
	defer cancel()
	page, err := log.Read(ctx, streams.Read{Stream: c.Stream, From: c.From, Limit: c.Limit, Backward: c.Backward})
	if err != nil {
		return err
	}
	if g := page.Gap; g != nil {
		w.warn("versions %d to %d are gone: %s", g.From, g.To, g.Cause)
	}
	for i := range page.Events {
		if err := w.event(&page.Events[i], page.Epoch); err != nil {
			return err
		}
	}
	if page.More {
		w.warn("there is more; --limit and --from take it")
	}
	return nil
}

type tailCmd struct {
	streamConnection
	Pattern string `arg:"" help:"Streams: a name, or a pattern with * and ?, or several with commas."`
	New     bool   `help:"Begin with what is appended from now on."`
}

func (tailCmd) Help() string {
	return `Shows what is there, then what comes, until Ctrl-C. After a broken connection it goes on where it was; what is gone by then
is told.

Examples:

  ephemera tail orders/eu
  ephemera tail 'orders/*,refunds/*' --new
  ephemera tail '*' --json | jq .data`
}

func (c *tailCmd) Run(w *world) error {
	log, err := c.log()
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	ctx, cancel := w.until()
	defer cancel()
	s := streams.Subscription{Pattern: c.Pattern}
	if c.New {
		s.Start = streams.FromNow
	}
	for m, err := range log.Subscribe(ctx, s) {
		switch {
		case err != nil && ctx.Err() != nil && errors.Is(err, context.Canceled):
			return nil // told to stop
		case err != nil:
			return err
		case m.Kind == streams.MessageEvent:
			if err := w.event(&m.Event, m.Epoch); err != nil {
				return err
			}
		case m.Kind == streams.MessageGap:
			w.warn("%s: versions %d to %d are gone: %s", m.Gap.Stream, m.Gap.From, m.Gap.To, m.Gap.Cause)
		case m.Kind == streams.MessageFellBehind:
			w.warn("fell behind")
		}
	}
	return nil
}

// event prints one.
func (w *world) event(e *streams.Event, epoch core.Epoch) error {
	if w.json {
		return w.line(struct {
			Stream  string          `json:"stream"`
			Version uint64          `json:"version"`
			Epoch   core.Epoch      `json:"epoch"`
			ID      string          `json:"id,omitempty"`
			Type    string          `json:"type,omitempty"`
			Time    time.Time       `json:"time"`
			Data    json.RawMessage `json:"data"`
			Meta    json.RawMessage `json:"meta,omitempty"`
		}{e.Stream, e.Version, epoch, e.ID, e.Type, e.Time, e.Data, e.Meta})
	}
	kind := ""
	if e.Type != "" {
		kind = e.Type + " "
	}
	_, err := fmt.Fprintln(w.stdout, oneLine(fmt.Sprintf("%s %d %s %s%s", e.Stream, e.Version, e.Time.Format(time.RFC3339), kind, e.Data)))
	return err
}

// line prints a value as one line of JSON.
func (w *world) line(v any) error {
	e := json.NewEncoder(w.stdout)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

func (w *world) warn(format string, args ...any) {
	_, _ = fmt.Fprintf(w.stderr, "ephemera: "+format+"\n", args...)
}
