package window

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"strings"
	"testing"
	"testing/slogtest"
	"time"
)

// The suite of the standard library for handlers. Groups are flat in Data, and the time is the signal's.
func TestHandlerKeepsTheRules(t *testing.T) {
	var w *Window
	slogtest.Run(t, func(t *testing.T) slog.Handler {
		w = open(t, Options{MaxAge: Forever})
		return NewHandler(w, HandlerOptions{})
	}, func(t *testing.T) map[string]any {
		s, ok, err := w.Last("log.*")
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		var flat map[string]any
		if err := json.Unmarshal(s.Data, &flat); err != nil {
			t.Fatalf("%s: %v", s.Data, err)
		}
		fields := map[string]any{}
		for key, value := range flat {
			in := fields
			parts := strings.Split(key, ".")
			for _, group := range parts[:len(parts)-1] {
				if in[group] == nil {
					in[group] = map[string]any{}
				}
				in = in[group].(map[string]any)
			}
			in[parts[len(parts)-1]] = value
		}
		fields[slog.MessageKey] = fields["message"]
		if !strings.HasSuffix(t.Name(), "zero-time") {
			fields[slog.TimeKey] = s.Time
		}
		return fields
	})
}

type sourError struct{ text string }

func (e *sourError) Error() string { return e.text } // panics for nil

type sour struct{}

func (sour) MarshalJSON() ([]byte, error) { panic("sour") }

type sourText struct{}

func (sourText) MarshalText() ([]byte, error) { return nil, errors.New("sour") }

func (sourText) String() string { panic("sour") }

// No attribute that slog's own handlers survive ends the program or loses the record.
func TestHandlerSurvivesAttributes(t *testing.T) {
	w := open(t, Options{})
	log := slog.New(NewHandler(w, HandlerOptions{}))
	var none *sourError
	for _, a := range []any{
		none, error(none),
		sour{},
		&sour{},
		sourText{},
		math.NaN(), math.Inf(1), func() {}, make(chan int),
		map[any]any{1: 2},
		json.RawMessage("{"),
		[]byte{0xff},
		"\xff\x00",
		time.Time{},
		time.Second, nil,
		[]error{none},
		errors.New("plain"),
	} {
		before := w.Len()
		log.Info("x", "a", a, "key", a)
		log.With("a", a).WithGroup("g").Info("x", "b", a)
		if n := w.Len() - before; n != 2 {
			t.Errorf("%T: %d signals", a, n)
		}
		for _, s := range sense(t, w, "")[before:] {
			if len(s.Data) == 0 {
				t.Errorf("%T: no data", a)
			}
		}
	}
	equal(t, "refused", w.Stats().Refused.Total(), uint64(0))
}

// Level and message are the record's, whatever attributes are called.
func TestHandlerKeysDoNotCollide(t *testing.T) {
	w := open(t, Options{})
	slog.New(NewHandler(w, HandlerOptions{})).Info("hello", "level", "gold", "message", "mine", "a", 1, "a", 2)
	var got map[string]any
	if err := json.Unmarshal(sense(t, w, "")[0].Data, &got); err != nil {
		t.Fatal(err)
	}
	equal(t, "data", got, map[string]any{"level": "INFO", "message": "hello", "a": 2.0})
}

// A handler that writes into the window that a log of signals reads does not go round in a circle by itself.
func TestHandlerIntoTheLoggedWindow(t *testing.T) {
	w := open(t, Options{})
	x, err := LogSignals(w, "", slog.New(NewHandler(w, HandlerOptions{})), WatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	raise(t, w, "error:io")
	eventually(t, "it is logged", func() bool { return x.Stats().Delivered == 1 && w.Len() == 2 })
	x.Stop()
	equal(t, "signals", names(sense(t, w, "")), []string{"error:io", "log.error.error-io"})
	err = NewHandler(w, HandlerOptions{}).Handle(context.Background(), slog.NewRecord(time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC), 0, "late", 0))
	wantError(t, "year 20000", err, ErrInvalid)
}

// Loggers made from one logger do not share what they add.
func TestHandlersDoNotShareAttributes(t *testing.T) {
	w := open(t, Options{})
	base := slog.New(NewHandler(w, HandlerOptions{}))
	for range 5 { // some length leaves room behind it
		base = base.With("a", 1)
		one, two := base.With("one", 1), base.With("two", 2)
		one.Info("x", "here", 1)
		two.Info("x", "there", 2)
		one.Info("x", "here", 1)
	}
	for i, s := range sense(t, w, "") {
		if text := string(s.Data); strings.Contains(text, "one") != (i%3 != 1) || strings.Contains(text, "two") != (i%3 == 1) ||
			strings.Contains(text, "there") != (i%3 == 1) {
			t.Errorf("record %d: %s", i, text)
		}
	}
}

// Level and message have at most 64 bytes in a name, wherever the end falls.
func TestSlugIsCut(t *testing.T) {
	for n := range 80 {
		for _, rest := range []string{"", "b", " b", " bb", "b b"} {
			text := strings.Repeat("a", n) + rest
			want := strings.ReplaceAll(text, " ", "-")
			want = strings.TrimRight(want[:min(len(want), 64)], "-")
			if text == "" {
				want = "none"
			}
			equal(t, text, slug(text), strings.TrimLeft(want, "-"))
		}
	}
}
