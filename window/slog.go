package window

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
)

// HandlerOptions configures NewHandler.
type HandlerOptions struct {
	Level slog.Leveler // records below it raise nothing; nil means slog.LevelInfo
	Key   string       // attribute whose value becomes the signal's key; "" means "key"
}

// NewHandler returns a slog.Handler that raises a signal for each record: its name is log.{level}.{message}, with :error
// behind it when an attribute holds an error, in lower case and with - for everything but letters and digits. Data holds
// level, message and attributes as JSON. Messages should be constant: each new one is a name. What cannot be raised is
// the error of Handle, which slog.Logger drops, and counted in Stats.
func NewHandler(w *Window, o HandlerOptions) slog.Handler {
	if o.Level == nil {
		o.Level = slog.LevelInfo
	}
	if o.Key == "" {
		o.Key = "key"
	}
	return &handler{w: w, o: o}
}

type handler struct {
	w     *Window
	o     HandlerOptions
	group string
	attrs []slog.Attr // with the groups in their keys
}

func (h *handler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.o.Level.Level() }

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *h
	c.attrs = slices.Clip(c.attrs)
	for _, a := range attrs {
		c.attrs = flatten(c.attrs, h.group, a)
	}
	return &c
}

func (h *handler) WithGroup(name string) slog.Handler {
	c := *h
	if name != "" {
		c.group += name + "."
	}
	return &c
}

func (h *handler) Handle(_ context.Context, r slog.Record) error {
	attrs := slices.Clip(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		attrs = flatten(attrs, h.group, a)
		return true
	})
	s := Signal{Time: r.Time, Name: "log." + slug(r.Level.String()) + "." + slug(r.Message)}
	fields := map[string]any{"level": r.Level.String(), "message": r.Message}
	failed := false
	for _, a := range attrs {
		if err, ok := a.Value.Any().(error); ok {
			failed = true
			fields[a.Key] = err.Error()
			continue
		}
		if fields[a.Key] = a.Value.Any(); a.Key == h.o.Key {
			s.Key = plain(a.Value.String())
		}
	}
	if failed {
		s.Name += ":error"
	}
	var err error
	if s.Data, err = json.Marshal(fields); err != nil {
		s.Data = nil // an attribute has no JSON form; the text form of slog always works
		var text bytes.Buffer
		err = slog.NewTextHandler(&text, nil).WithAttrs(attrs).Handle(context.Background(), slog.NewRecord(r.Time, r.Level, r.Message, 0))
		s.Data = text.Bytes()
	}
	_, raised := h.w.RaiseSignal(s)
	return errors.Join(err, raised)
}

// flatten appends an attribute, or those of a group, with the names of the groups before its key.
func flatten(list []slog.Attr, group string, a slog.Attr) []slog.Attr {
	a.Value = a.Value.Resolve()
	if a.Value.Kind() != slog.KindGroup {
		if a.Equal(slog.Attr{}) {
			return list
		}
		return append(list, slog.Attr{Key: group + a.Key, Value: a.Value})
	}
	if a.Key != "" {
		group += a.Key + "."
	}
	for _, b := range a.Value.Group() {
		list = flatten(list, group, b)
	}
	return list
}

// maxSlug keeps names of long messages short.
const maxSlug = 64

func slug(text string) string {
	var b strings.Builder
	gap := false
	for _, r := range strings.ToLower(text) {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') {
			gap = b.Len() > 0
			continue
		}
		if gap {
			b.WriteByte('-')
			gap = false
		}
		if b.WriteRune(r); b.Len() >= maxSlug {
			break
		}
	}
	if b.Len() == 0 {
		return "none"
	}
	return b.String()
}

// LogSignals starts a watcher that logs the signals of a pattern, each once: "" means ErrorNames. The level is that of
// the first part of the name: error, warn or warning, debug, and info for everything else. Restored signals are logged
// only after Load with Replay. OnGap of the options is called beside a warning in the log.
func LogSignals(w *Window, pattern string, log *slog.Logger, o WatchOptions) (*Watcher, error) {
	if pattern == "" {
		pattern = ErrorNames
	}
	if log == nil {
		return nil, fmt.Errorf("%w: no logger", ErrOption)
	}
	told := o.OnGap
	o.OnGap = func(g Gap) {
		log.Warn("signals missed", "from", g.From, "to", g.To, "signals", g.Signals, "unseen", g.Unseen)
		if told != nil {
			told(g)
		}
	}
	return w.Watch(pattern, func(s Signal) {
		attrs := []slog.Attr{slog.Uint64("sequence", s.Sequence), slog.Time("at", s.Time)}
		if s.Key != "" {
			attrs = append(attrs, slog.String("key", s.Key))
		}
		if s.Operation != 0 {
			attrs = append(attrs, slog.Uint64("operation", s.Operation))
		}
		if s.Restored {
			attrs = append(attrs, slog.Bool("restored", true))
		}
		log.LogAttrs(context.Background(), levelOf(s.Name), s.Name, attrs...)
	}, o)
}

func levelOf(name string) slog.Level {
	if i := strings.IndexAny(name, ".:"); i >= 0 {
		name = name[:i]
	}
	switch strings.ToLower(name) {
	case "error":
		return slog.LevelError
	case "warn", "warning":
		return slog.LevelWarn
	case "debug":
		return slog.LevelDebug
	}
	return slog.LevelInfo
}
