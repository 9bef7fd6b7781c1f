package web

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/ephemera-go/ephemera/server/internal/state"
	"github.com/ephemera-go/ephemera/window"
)

// signalRoutes are those of the signal window.
type signalRoutes struct {
	window *window.Window
	o      Options
	runs   *state.Runs // the current one begins ids
}

const (
	maxSignals     = 1000 // in one request
	maxSignalPage  = 10_000
	usualSignals   = 1000
	watcherBuffers = 4096
)

// wireSignal is a signal in requests and replies. Data is any JSON; what is stored and is not JSON comes back as base64.
type wireSignal struct {
	Sequence  uint64          `json:"sequence,omitempty"`
	Time      *time.Time      `json:"time,omitempty"`
	Name      string          `json:"name"`
	Key       string          `json:"key,omitempty"`
	Operation uint64          `json:"operation,omitempty"`
	Path      []string        `json:"path,omitempty"`
	Data      json.RawMessage `json:"data,omitempty"`
	Base64    string          `json:"base64,omitempty"`
	Restored  bool            `json:"restored,omitempty"`
}

func toWire(s *window.Signal) wireSignal {
	at := s.Time.UTC()
	w := wireSignal{
		Sequence: s.Sequence, Time: &at, Name: s.Name, Key: s.Key, Operation: s.Operation, Path: s.Path, Restored: s.Restored,
	}
	if len(s.Data) > 0 {
		if json.Valid(s.Data) && utf8.Valid(s.Data) {
			w.Data = s.Data
		} else {
			w.Base64 = base64.StdEncoding.EncodeToString(s.Data)
		}
	}
	return w
}

func (w *wireSignal) signal() (window.Signal, error) {
	s := window.Signal{Name: w.Name, Key: w.Key, Operation: w.Operation, Path: w.Path, Data: w.Data}
	if w.Time != nil {
		s.Time = *w.Time
	}
	if w.Base64 != "" {
		if len(w.Data) > 0 {
			return s, bad("data and base64 together")
		}
		var err error
		if s.Data, err = base64.StdEncoding.DecodeString(w.Base64); err != nil {
			return s, bad("base64 is malformed")
		}
	}
	return s, nil
}

// post raises signals: all of them or none. With flush=true they are durable when the reply comes.
func (h *signalRoutes) post(w http.ResponseWriter, r *http.Request) error {
	q, err := query(r, "flush")
	if err != nil {
		return err
	}
	flush := q.Get("flush")
	if flush != "" && flush != "true" && flush != "false" {
		return bad("parameter \"flush\" is %q; true or false", flush)
	}
	body, err := h.o.body(w, r)
	if err != nil {
		return err
	}
	in, _, err := list[wireSignal](body, r.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	if len(in) > maxSignals {
		return errTooLarge
	}
	signals := make([]window.Signal, len(in))
	for i := range in {
		if signals[i], err = in[i].signal(); err != nil {
			return err
		}
	}
	out := struct {
		Raised     int    `json:"raised"`
		Sequence   uint64 `json:"sequence,omitempty"` // of one signal
		Durability string `json:"durability"`
	}{Durability: "memory"}
	if len(signals) == 1 {
		out.Sequence, err = h.window.RaiseSignal(signals[0])
		out.Raised = 1
	} else {
		out.Raised, err = h.window.RaiseBatch(signals)
	}
	if err != nil {
		return err
	}
	if flush == "true" {
		if err := h.window.Flush(r.Context()); err != nil {
			return fmt.Errorf("%w: %w", errUnflushed, err)
		}
		out.Durability = "flush"
	}
	reply(w, http.StatusCreated, out)
	return nil
}

// get returns the newest signals that match, oldest first, or follows them.
func (h *signalRoutes) get(w http.ResponseWriter, r *http.Request) error {
	q, err := query(r, "pattern", "key", "since", "after", "limit")
	if err != nil {
		return err
	}
	found := h.window.Find(q.Get("pattern"))
	if q.Has("key") {
		found = found.Key(q.Get("key"))
	}
	if text := q.Get("since"); text != "" {
		if span, err := time.ParseDuration(text); err == nil && span >= 0 {
			found = found.Within(span)
		} else if at, err := parseTime(text); err == nil {
			found = found.Since(at)
		} else {
			return bad("parameter \"since\" is %q; a time as in RFC 3339, or a duration such as 5m", text)
		}
	}
	after, err := count(q, "after", 0, 0, 1<<63-1)
	if err != nil {
		return err
	}
	if after > 0 {
		found = found.After(after)
	}
	limit, err := count(q, "limit", usualSignals, 1, maxSignalPage)
	if err != nil {
		return err
	}
	if isFollowing(r) {
		return h.tail(w, r, found, int(limit), q.Get("pattern"), q.Get("key"), q.Has("key"))
	}
	signals, err := found.Newest(int(limit)).Signals()
	if err != nil {
		return err
	}
	out := make([]wireSignal, len(signals))
	for i := range signals {
		out[i] = toWire(&signals[i])
	}
	reply(w, http.StatusOK, out)
	return nil
}

func (h *signalRoutes) stats(w http.ResponseWriter, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	reply(w, http.StatusOK, signalStats(h.window.Stats()))
	return nil
}

// signalStats are the counters under the names that JSON has elsewhere.
func signalStats(s window.Stats) map[string]any {
	out := map[string]any{
		"visible": s.Visible, "raised": s.Raised, "restored": s.Restored, "discarded": s.Discarded, "expired": s.Expired,
		"cleared": s.Cleared, "persisted": s.Persisted, "pending": s.Pending, "dropped": s.Dropped, "pruned": s.Pruned,
		"refused": map[string]uint64{
			"invalid": s.Refused.Invalid, "namesFull": s.Refused.NamesFull, "overloaded": s.Refused.Overloaded, "closed": s.Refused.Closed,
		},
		"flushes": s.Flushes, "batches": s.Batches, "flushFailures": s.FlushFailures, "lastSequence": s.LastSequence,
		"lastDurable": s.LastDurable, "names": s.Names, "lastFlush": nil, "lastError": nil,
	}
	if !s.LastFlush.IsZero() {
		out["lastFlush"] = s.LastFlush.UTC()
	}
	if s.LastError != nil {
		out["lastError"] = s.LastError.Error()
	}
	return out
}
