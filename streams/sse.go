package streams

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// tail follows one stream as server-sent events. It goes on behind Last-Event-ID, else at from, else with what is there.
func (h *Handler) tail(w http.ResponseWriter, r *http.Request, stream string, q url.Values) {
	from, err := number(q, "from", 1<<64-1)
	s := Subscription{Pattern: stream}
	if text := r.Header.Get("Last-Event-ID"); err == nil && text != "" {
		var p Position
		if p, err = parsePosition(text); err == nil {
			s.From = map[string]Position{stream: p}
		}
	} else if from > 0 {
		s.From = map[string]Position{stream: {Version: from - 1}}
	}
	if err != nil {
		h.failed(w, r, stream, err)
		return
	}
	h.follow(w, r, s)
}

// subscriptions follows any number of streams.
func (h *Handler) subscriptions(w http.ResponseWriter, r *http.Request) {
	body, err := h.body(w, r)
	var in wireSubscription
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(body))
		d.DisallowUnknownFields()
		if e := d.Decode(&in); e != nil {
			err = fmt.Errorf("%w: subscription: %w", ErrInvalid, e)
		}
	}
	s := Subscription{Pattern: in.Pattern, EndOnGap: in.EndOnGap, From: map[string]Position{}}
	switch {
	case err != nil:
	case in.Start == "now":
		s.Start = FromNow
	case in.Start != "" && in.Start != "oldest":
		err = fmt.Errorf("%w: start %q; oldest or now", ErrInvalid, in.Start)
	}
	for name, text := range in.From {
		if err == nil {
			s.From[name], err = parsePosition(text)
		}
	}
	if err != nil {
		h.failed(w, r, "", err)
		return
	}
	h.follow(w, r, s)
}

// follow writes what a subscription yields, and comments while it is silent. The first message decides the status, so that
// a refusal is one.
func (h *Handler) follow(w http.ResponseWriter, r *http.Request, s Subscription) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	messages := make(chan Message)
	ended := make(chan error, 1)
	go func() {
		defer close(messages)
		for m, err := range h.log.Subscribe(ctx, s) {
			if err != nil {
				ended <- err
				return
			}
			select {
			case messages <- m:
			case <-ctx.Done():
				return
			}
		}
	}()
	f := frames{w: w, c: http.NewResponseController(w)}
	beat := time.NewTicker(h.o.Heartbeat)
	defer beat.Stop()
	for {
		select {
		case m, ok := <-messages:
			if !ok {
				h.ended(&f, r, s, ended)
				return
			}
			if f.write(m) != nil {
				return
			}
		case <-beat.C:
			if f.comment() != nil {
				return
			}
		}
	}
}

func (h *Handler) ended(f *frames, r *http.Request, s Subscription, ended chan error) {
	select {
	case err := <-ended:
		gap := (*GapError)(nil)
		switch {
		case errors.As(err, &gap):
			_ = f.write(Message{Kind: MessageGap, Stream: gap.Gap.Stream, Gap: gap.Gap})
		case !f.begun:
			h.failed(f.w, r, s.Pattern, err)
		}
	default:
	}
}

// frames writes the frames of server-sent events.
type frames struct {
	w     http.ResponseWriter
	c     *http.ResponseController
	begun bool
}

func (f *frames) begin() {
	if f.begun {
		return
	}
	f.begun = true
	h := f.w.Header()
	h.Set("Content-Type", typeSSE)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx passes frames on at once
	f.w.WriteHeader(http.StatusOK)
}

func (f *frames) comment() error {
	f.begin()
	if _, err := f.w.Write([]byte(": alive\n\n")); err != nil {
		return err
	}
	return f.c.Flush()
}

func (f *frames) write(m Message) error {
	f.begin()
	var b bytes.Buffer
	var data any
	switch m.Kind {
	case MessageEvent:
		fmt.Fprintf(&b, "id: %s\n", formatPosition(Position{m.Epoch, m.Event.Version}))
		data = toWire(&m.Event)
	case MessageGap:
		b.WriteString("event: gap\n")
		data = wireGap{m.Gap.Stream, m.Gap.From, m.Gap.To, m.Gap.Cause, m.Epoch, time.Now().UTC()}
	case MessageCaughtUp:
		b.WriteString("event: caughtup\n")
		data = wireNote{m.Stream, m.Epoch, time.Now().UTC()}
	case MessageFellBehind:
		b.WriteString("event: fellbehind\n")
		data = wireNote{m.Stream, m.Epoch, time.Now().UTC()}
	}
	b.WriteString("data: ")
	if err := encode(&b, data); err != nil { // ends with a line break
		return err
	}
	b.WriteByte('\n')
	if _, err := f.w.Write(b.Bytes()); err != nil {
		return err
	}
	return f.c.Flush()
}
