package streams

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"
)

// tail follows one stream as server-sent events. It goes on behind Last-Event-ID, else at from, else with what is there.
func (h *Handler) tail(w http.ResponseWriter, r *http.Request, stream string, q url.Values) {
	from, err1 := number(q, "from", 0, 1<<64-1)
	last, err2 := header(r, headerLast)
	s := Subscription{Pattern: stream}
	switch {
	case last != "":
		var p Checkpoint
		if p, err2 = parseCheckpoint(last); err2 != nil {
			err2 = fieldError(headerLast, "%q; epoch:version is wanted", last)
		}
		s.After = map[string]Checkpoint{stream: p}
	case from > 0:
		s.After = map[string]Checkpoint{stream: {Version: from - 1}}
	}
	if err := errors.Join(err1, err2); err != nil {
		h.failed(w, r, stream, err)
		return
	}
	h.follow(w, r, s)
}

// subscriptions follows any number of streams.
func (h *Handler) subscriptions(w http.ResponseWriter, r *http.Request, _ string) {
	_, err := query(r)
	var body []byte
	if err == nil {
		body, err = h.body(w, r)
	}
	var in wireSubscription
	if err == nil {
		err = strict(body, &in)
	}
	var s Subscription
	if err == nil {
		s, err = in.subscription()
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
	f := frames{w: w, c: http.NewResponseController(w), timeout: h.o.Timeout}
	if r.Method == http.MethodHead {
		f.begin()
		return
	}
	defer f.end()
	endOnGap := s.EndOnGap
	s.EndOnGap = false // the error would not say the epoch
	messages := make(chan Message, aheadOfReader)
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
	beat := time.NewTicker(h.o.Heartbeat)
	defer beat.Stop()
	for {
		select {
		case m, ok := <-messages:
			if !ok {
				h.ended(&f, r, s, ended)
				return
			}
			f.add(m)
			if endOnGap && m.Kind == MessageGap {
				_ = f.send()
				return
			}
			if len(messages) > 0 && len(f.buf) < most {
				continue
			}
		case <-beat.C:
			f.buf = append(f.buf, ": alive\n\n"...)
		}
		if f.send() != nil {
			return
		}
	}
}

const (
	aheadOfReader = 16       // messages that wait for a connection
	most          = 64 << 10 // bytes that are sent at once, but for the last message
)

func (h *Handler) ended(f *frames, r *http.Request, s Subscription, ended chan error) {
	select {
	case err := <-ended:
		if !f.begun && len(f.buf) == 0 {
			h.failed(f.w, r, s.Pattern, err)
			return
		}
	default:
	}
	_ = f.send()
}

// frames writes the frames of server-sent events.
type frames struct {
	w       http.ResponseWriter
	c       *http.ResponseController
	timeout time.Duration
	begun   bool
	buf     []byte
}

func (f *frames) begin() {
	if f.begun {
		return
	}
	f.begun = true
	h := f.w.Header()
	h.Set("Content-Type", typeSSE)
	h.Set("X-Accel-Buffering", "no") // nginx passes frames on at once
	f.w.WriteHeader(http.StatusOK)
}

// add writes the frame of a message into the buffer.
func (f *frames) add(m Message) {
	name, note := "", any(nil)
	switch m.Kind {
	case MessageEvent:
		f.buf = append(f.buf, "id: "...)
		f.buf = append(f.buf, formatCheckpoint(Checkpoint{m.Epoch, m.Event.Version})...)
		f.buf = append(f.buf, "\ndata: "...)
		f.buf = append(appendEvent(f.buf, &m.Event), "\n\n"...)
		return
	case MessageGap:
		name, note = "gap", wireGap{m.Gap.Stream, m.Gap.From, m.Gap.To, m.Gap.Cause, m.Epoch, time.Now().UTC()}
	case MessageCaughtUp:
		name, note = "caughtup", wireNote{m.Stream, m.Epoch, time.Now().UTC()}
	case MessageFellBehind:
		name, note = "fellbehind", wireNote{m.Stream, m.Epoch, time.Now().UTC()}
	}
	b, err := json.Marshal(note)
	if err != nil {
		panic(err) // notes can be written
	}
	f.buf = append(append(append(f.buf, "event: "...), name...), "\ndata: "...)
	f.buf = append(append(f.buf, b...), "\n\n"...)
}

// send writes the buffer to the client, which has so much time to take it. Between frames there is no deadline: HTTP/2 ends a
// stream whose deadline passes, also one on which there is nothing to write.
func (f *frames) send() error {
	f.begin()
	_ = f.c.SetWriteDeadline(time.Now().Add(f.timeout)) // a writer that has none waits as its server wants
	_, err := f.w.Write(f.buf)
	if f.buf = f.buf[:0]; cap(f.buf) > 2*most {
		f.buf = nil
	}
	err = errors.Join(err, f.c.Flush())
	f.end()
	return err
}

// end leaves the connection to the next frame or request without a deadline.
func (f *frames) end() { _ = f.c.SetWriteDeadline(time.Time{}) }
