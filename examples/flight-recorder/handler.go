package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
)

// A handler records everything, and hands on what the next handler wants.
type handler struct {
	recorder *recorder
	scope    *scope
	next     slog.Handler
}

func newHandler(r *recorder, next slog.Handler) slog.Handler {
	return &handler{recorder: r, next: next}
}

// Enabled is always true: debug records are what a recording is for.
func (h *handler) Enabled(context.Context, slog.Level) bool { return true }

// Handle keeps the record without formatting it.
func (h *handler) Handle(ctx context.Context, record slog.Record) error {
	err := h.recorder.handle(entry{record: frozen(record), scope: h.scope})
	if h.next.Enabled(ctx, record.Level) {
		err = errors.Join(err, h.next.Handle(ctx, record))
	}
	return err
}

// WithAttrs returns a handler whose records have these attributes.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	kept := make([]slog.Attr, len(attrs))
	for i, a := range attrs {
		kept[i] = freeze(a)
	}
	return &handler{h.recorder, &scope{before: h.scope, attrs: kept}, h.next.WithAttrs(attrs)}
}

// WithGroup returns a handler that puts what follows into a group.
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	return &handler{h.recorder, &scope{before: h.scope, group: name}, h.next.WithGroup(name)}
}

// A scope is a call of WithAttrs or WithGroup, and those before it. It is immutable.
type scope struct {
	before *scope
	group  string
	attrs  []slog.Attr
}

// on repeats the calls on another handler.
func (s *scope) on(h slog.Handler) slog.Handler {
	switch {
	case s == nil:
		return h
	case s.group != "":
		return s.before.on(h).WithGroup(s.group)
	}
	return s.before.on(h).WithAttrs(s.attrs)
}

// frozen returns a record that later changes of what it points at do not reach. Numbers, text and times, which is what most
// records have, are copied as they are.
func frozen(r slog.Record) slog.Record {
	plain := true
	r.Attrs(func(a slog.Attr) bool {
		plain = isPlain(a.Value)
		return plain
	})
	if plain {
		return r.Clone()
	}
	c := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		c.AddAttrs(freeze(a))
		return true
	})
	return c
}

func isPlain(v slog.Value) bool {
	k := v.Kind()
	return k != slog.KindAny && k != slog.KindLogValuer && k != slog.KindGroup
}

func freeze(a slog.Attr) slog.Attr {
	a.Value = a.Value.Resolve()
	switch a.Value.Kind() {
	case slog.KindGroup:
		inner := a.Value.Group()
		kept := make([]slog.Attr, len(inner))
		for i := range inner {
			kept[i] = freeze(inner[i])
		}
		a.Value = slog.GroupValue(kept...)
	case slog.KindAny:
		a.Value = asJSON(a.Value.Any())
	}
	return a
}

// asJSON turns a value into what a JSON handler would write.
func asJSON(value any) slog.Value {
	if value == nil {
		return slog.AnyValue(nil)
	}
	if err, ok := value.(error); ok {
		if _, ok := value.(json.Marshaler); !ok {
			return slog.StringValue(err.Error())
		}
	}
	text, err := json.Marshal(value)
	if err != nil {
		return slog.StringValue("!ERROR:" + err.Error())
	}
	return slog.AnyValue(json.RawMessage(text))
}
