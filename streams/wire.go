package streams

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

// How Handler and Client talk. openapi.yaml describes it for everybody else.

// Headers.
const (
	headerEpoch = "Ephemera-Epoch"
	headerGap   = "Ephemera-Gap" // "from-to; cause=limit" when a read began below the oldest event
	headerKey   = "Idempotency-Key"
	headerLast  = "Last-Event-ID"

	headerOldest = "Ephemera-Oldest" // version of the oldest event that is there
	headerMore   = "Ephemera-More"   // "true" when a page ends before the stream or list does
)

// Media types.
const (
	typeJSON       = "application/json"
	typeNDJSON     = "application/x-ndjson"
	typeSSE        = "text/event-stream"
	typeProblem    = "application/problem+json"
	typeCloud      = "application/cloudevents+json"
	typeCloudBatch = "application/cloudevents-batch+json"
)

// wireEvent is an event as the client reads it; appendEvent writes it.
type wireEvent struct {
	ID      string          `json:"id"`
	Type    string          `json:"type"`
	Stream  string          `json:"stream"`
	Version uint64          `json:"version"`
	Time    time.Time       `json:"time"`
	Data    json.RawMessage `json:"data"`
	Meta    json.RawMessage `json:"meta"`
}

func (w *wireEvent) event() Event {
	return Event{ID: w.ID, Type: w.Type, Time: w.Time, Data: w.Data, Meta: w.Meta, Stream: w.Stream, Version: w.Version}
}

// appendEvent writes an event of a reply, on one line.
func appendEvent(b []byte, e *Event) []byte {
	b = appendQuoted(append(b, `{"id":`...), e.ID)
	b = appendQuoted(append(b, `,"type":`...), e.Type)
	b = appendQuoted(append(b, `,"stream":`...), e.Stream)
	b = strconv.AppendUint(append(b, `,"version":`...), e.Version, 10)
	b = appendTime(append(b, `,"time":`...), e.Time)
	return appendSaid(b, e)
}

// appendNew writes an event of a request.
func appendNew(b []byte, e *Event) []byte {
	b = append(b, '{')
	if e.ID != "" {
		b = append(appendQuoted(append(b, `"id":`...), e.ID), ',')
	}
	if e.Type != "" {
		b = append(appendQuoted(append(b, `"type":`...), e.Type), ',')
	}
	if !e.Time.IsZero() {
		b = append(appendTime(append(b, `"time":`...), e.Time), ',')
	}
	return appendSaid(b, e)
}

func appendTime(b []byte, t time.Time) []byte {
	return append(t.UTC().AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
}

// appendSaid writes data and meta, and ends the event.
func appendSaid(b []byte, e *Event) []byte {
	if b[len(b)-1] != ',' && b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	b = appendLine(append(b, `"data":`...), e.Data)
	if len(e.Meta) > 0 {
		b = appendLine(append(b, `,"meta":`...), e.Meta)
	}
	return append(b, '}')
}

// appendLine writes a JSON text without line breaks; those of a Local have none.
func appendLine(b, raw []byte) []byte {
	if bytes.IndexByte(raw, '\n') < 0 && bytes.IndexByte(raw, '\r') < 0 {
		return append(b, raw...)
	}
	var line bytes.Buffer
	if json.Compact(&line, raw) != nil {
		return append(b, "null"...) // no Log returns what is no JSON
	}
	return append(b, line.Bytes()...)
}

// wireResult is the reply to an append as the client reads it; appendResult writes it.
type wireResult struct {
	Stream       string     `json:"stream"`
	FirstVersion uint64     `json:"firstVersion"`
	LastVersion  uint64     `json:"lastVersion"`
	Epoch        core.Epoch `json:"epoch"`
	Duplicate    bool       `json:"duplicate"`
	Durability   string     `json:"durability"`
}

func (w *wireResult) ours() bool {
	return w.Stream != "" && w.FirstVersion > 0 && w.FirstVersion <= w.LastVersion && !w.Epoch.IsZero()
}

func appendResult(b []byte, r *Result, epoch, durability string) []byte {
	b = appendQuoted(append(b, `{"stream":`...), r.Stream)
	b = strconv.AppendUint(append(b, `,"firstVersion":`...), r.First, 10)
	b = strconv.AppendUint(append(b, `,"lastVersion":`...), r.Last, 10)
	b = appendQuoted(append(b, `,"epoch":`...), epoch)
	b = strconv.AppendBool(append(b, `,"duplicate":`...), r.Duplicate)
	b = appendQuoted(append(b, `,"durability":`...), durability)
	return append(b, '}')
}

// wireGap is the data of a gap frame.
type wireGap struct {
	Stream string     `json:"stream"`
	From   uint64     `json:"from"`
	To     uint64     `json:"to"`
	Cause  Cause      `json:"cause"`
	Epoch  core.Epoch `json:"epoch"`
	At     time.Time  `json:"at"`
}

// wireNote is the data of the other control frames.
type wireNote struct {
	Stream string     `json:"stream,omitempty"`
	Epoch  core.Epoch `json:"epoch"`
	At     time.Time  `json:"at"`
}

// wireInfo is what is known of a stream.
type wireInfo struct {
	Stream  string     `json:"stream"`
	Version uint64     `json:"version"`
	Oldest  uint64     `json:"oldest"`
	Events  int        `json:"events"`
	Bytes   int64      `json:"bytes"`
	Exists  bool       `json:"exists"`
	Limits  wireLimits `json:"limits"`
	Epoch   core.Epoch `json:"epoch"`
	Keys    int        `json:"keys"`

	KeysForgotten uint64 `json:"keysForgotten"`
}

func (w *wireInfo) ours() bool { return w.Stream != "" && !w.Epoch.IsZero() }

type wireLimits struct {
	Events int    `json:"events"`
	Age    string `json:"age"` // as Go writes durations: "1h30m"
	Bytes  int64  `json:"bytes"`
	Full   string `json:"full"` // "default", "discardOldest" or "refuseNew"
}

func toWireInfo(i Info) wireInfo {
	return wireInfo{i.Stream, i.Version, i.Oldest, i.Events, i.Bytes, i.Exists, toWireLimits(i.Limits), i.Epoch, i.Keys, i.KeysForgotten}
}

func (w *wireInfo) info() (Info, error) {
	m, err := w.Limits.limits()
	return Info{w.Stream, w.Version, w.Oldest, w.Events, w.Bytes, w.Exists, m, w.Epoch, w.Keys, w.KeysForgotten}, err
}

var fullNames = []string{FullDefault: "default", DiscardOldest: "discardOldest", RefuseNew: "refuseNew"}

func toWireLimits(m Limits) wireLimits {
	return wireLimits{Events: m.Events, Age: m.Age.String(), Bytes: m.Bytes, Full: fullNames[m.Full]}
}

func (w *wireLimits) limits() (Limits, error) {
	m := Limits{Events: w.Events, Bytes: w.Bytes}
	if w.Full != "" {
		full := slices.Index(fullNames, w.Full)
		if full < 0 {
			return m, fieldError("full", "%q; one of %q", w.Full, fullNames)
		}
		m.Full = FullPolicy(full)
	}
	if w.Age != "" {
		var err error
		if m.Age, err = time.ParseDuration(w.Age); err != nil {
			return m, fieldError("age", "%q; a duration such as 1h30m", w.Age)
		}
	}
	return m, nil
}

// A checkpoint travels as "epoch:version".
func formatCheckpoint(p Checkpoint) string {
	return p.Epoch.String() + ":" + strconv.FormatUint(p.Version, 10)
}

func parseCheckpoint(text string) (p Checkpoint, err error) {
	epoch, version, ok := strings.Cut(text, ":")
	if ok {
		if err = p.Epoch.UnmarshalText([]byte(epoch)); err == nil {
			p.Version, err = strconv.ParseUint(version, 10, 64)
		}
	}
	if !ok || err != nil {
		return Checkpoint{}, fmt.Errorf("%w: checkpoint %q; epoch:version is wanted", ErrInvalid, text)
	}
	return p, nil
}

// wireSubscription is the body of POST /subscriptions.
type wireSubscription struct {
	Pattern  string            `json:"pattern"`
	After    map[string]string `json:"after,omitempty"` // epoch:version by stream
	Start    string            `json:"start,omitempty"` // "oldest" or "now"
	EndOnGap bool              `json:"endOnGap,omitempty"`
}

func (w *wireSubscription) subscription() (Subscription, error) {
	s := Subscription{Pattern: w.Pattern, EndOnGap: w.EndOnGap, After: map[string]Checkpoint{}}
	switch w.Start {
	case "", "oldest":
	case "now":
		s.Start = FromNow
	default:
		return s, fieldError("start", "%q; oldest or now", w.Start)
	}
	for name, text := range w.After {
		p, err := parseCheckpoint(text)
		if err != nil {
			return s, fieldError("after", "of %q: %q; epoch:version is wanted", name, text)
		}
		s.After[name] = p
	}
	return s, nil
}
