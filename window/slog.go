package window

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strings"
)

// HandlerOptions configures NewHandler.
type HandlerOptions struct {
	Level slog.Leveler // records below it raise nothing; nil means slog.LevelInfo
	Key   string       // attribute, in a group with its name and a dot, whose value becomes the signal's key; "" means "key"
}

// NewHandler returns a slog.Handler that raises a signal for each record: its name is log.{level}.{message}, with :error
// behind it when an attribute holds an error, in lower case, with - for everything but letters and digits of ASCII, and
// level and message cut at 64 bytes. Data is a JSON object of the attributes, with the names of groups and dots before
// their keys, and of level and message; of equal keys the last counts, and an attribute without a JSON form is the reason
// why. Messages should be constant: each new one is a name. What cannot be raised is the error of Handle, which
// slog.Logger drops, and counted in Stats.
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
	fields := make(map[string]any, len(attrs)+2)
	failed := false
	for _, a := range attrs {
		if fields[a.Key] = field(a.Value); a.Key == h.o.Key {
			s.Key = plain(a.Value.String())
		}
		_, isError := a.Value.Any().(error)
		failed = failed || isError
	}
	if failed {
		s.Name += ":error"
	}
	fields["level"], fields["message"] = r.Level.String(), r.Message
	var err error
	if s.Data, err = json.Marshal(fields); err != nil { // cannot happen: each field is JSON already
		return err
	}
	_, err = h.w.RaiseSignal(s)
	return err
}

// field returns a value as JSON, whatever it is: a log must not end the program that it tells about.
func field(v slog.Value) json.RawMessage {
	x := v.Any()
	switch y := x.(type) {
	case error:
		x = fmt.Sprint(y) // survives a nil pointer that is an error
	case float64:
		if math.IsNaN(y) || math.IsInf(y, 0) {
			x = v.String()
		}
	}
	var text []byte
	var err error
	if p := contain(func() { text, err = json.Marshal(x) }); p != nil {
		err = p
	}
	if err != nil {
		text, _ = json.Marshal("!ERROR: " + err.Error()) // a string always works
	}
	return text
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
			if b.Len() >= maxSlug-1 { // no room for both
				break
			}
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

// LogSignals starts a watcher that logs the signals of a pattern, each once: "" means ErrorPattern. The level is that of
// the first part of the name: error, warn or warning, debug, and info for everything else. Restored signals are logged
// only after Load with Replay. OnGap of the options is called beside a warning in the log. A logger that raises what it
// logs in the same window must not raise what the pattern covers, or each signal leads to the next.
func LogSignals(w *Window, pattern string, log *slog.Logger, o WatchOptions) (*Watcher, error) {
	if pattern == "" {
		pattern = ErrorPattern
	}
	if log == nil {
		return nil, fmt.Errorf("%w: no logger", ErrOption)
	}
	told := o.OnGap
	o.OnGap = func(g Gap) {
		log.Warn("signals missed", "from", g.From, "to", g.To, "signals", g.Dropped, "unseen", g.Unseen)
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
