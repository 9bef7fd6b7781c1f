package streams

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"time"
)

// Subscribe implements Log. After a broken connection it goes on behind what was yielded; what came meanwhile is caught up,
// and what is gone by then is a Gap as always. It gives up when the server cannot be reached for RetryTimeout. For that it keeps
// a checkpoint of each stream, and sends them all in one request: if they exceed the server's MaxBody, as those of 15,000 streams
// with short names do by default, it ends with ErrTooLarge when it connects again, with FromNow at once. A stream of which nothing
// had come when the connection broke begins with what is there then: what is gone of it by then is not told.
func (c *Client) Subscribe(ctx context.Context, s Subscription) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		err := c.start(ctx, "subscribe", s.Pattern)
		if err == nil {
			_, err = compile(s.Pattern)
		}
		f := clientFollower{c: c, s: s, from: map[string]Checkpoint{}}
		for name, p := range s.After {
			f.from[name] = p
		}
		if err == nil && s.Start == FromNow {
			err = f.now(ctx)
		}
		if err == nil {
			err = f.run(ctx, yield)
		}
		if err != nil && !errors.Is(err, errStop) {
			yield(Message{}, wrap("subscribe", s.Pattern, err))
		}
	}
}

// clientFollower is a subscription at a distance.
type clientFollower struct {
	c    *Client
	s    Subscription
	from map[string]Checkpoint // by stream, what has been yielded
	last time.Time             // when there was a connection
}

// now turns "from now" into checkpoints: a connection that breaks before the first event must not lose what comes meanwhile.
func (f *clientFollower) now(ctx context.Context) error {
	list, err := f.c.List(ctx, f.s.Pattern, "", 0)
	for _, i := range list {
		if _, known := f.from[i.Stream]; !known {
			f.from[i.Stream] = Checkpoint{i.Epoch, i.Version}
		}
	}
	return bare(err)
}

// run connects again and again. It returns why the subscription ended.
func (f *clientFollower) run(ctx context.Context, yield func(Message, error) bool) error {
	f.last = time.Now()
	for try := 0; ; try++ {
		before := f.last
		err := f.connect(ctx, yield)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case f.c.ctx.Err() != nil:
			return ErrClosed
		case errors.Is(err, errStop) || !errors.Is(err, errBroken):
			return err
		case time.Since(f.last) > f.c.o.RetryTimeout:
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		if f.last.After(before) {
			try = 0
		}
		select {
		case <-time.After(min(50*time.Millisecond<<min(try, 6), 2*time.Second)):
		case <-ctx.Done():
		case <-f.c.ctx.Done():
		}
	}
}

// errBroken marks what a new connection may mend.
var errBroken = errors.New("connection broken")

func (f *clientFollower) connect(ctx context.Context, yield func(Message, error) bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(f.c.ctx, cancel)()
	idle := time.AfterFunc(f.c.o.IdleTimeout, cancel)
	defer idle.Stop()
	w := wireSubscription{Pattern: f.s.Pattern, After: map[string]string{}, EndOnGap: f.s.EndOnGap}
	for name, p := range f.from {
		w.After[name] = formatCheckpoint(p)
	}
	body, err := json.Marshal(w)
	if err != nil {
		return err
	}
	resp, err := f.c.send(ctx, request{
		method: http.MethodPost, path: "/subscriptions", header: http.Header{"Content-Type": {typeJSON}, "Accept": {typeSSE}}, body: body,
	})
	if err != nil {
		return fmt.Errorf("%w: %w", errBroken, err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
		err := decodeProblem(resp.StatusCode, text)
		if transient(resp.StatusCode) {
			err = fmt.Errorf("%w: %w", errBroken, err)
		}
		return err
	}
	defer func() { f.last = time.Now() }()
	return f.frames(resp.Body, idle, yield)
}

// frames reads server-sent events until the connection ends. The time that the caller takes for a message is not idle.
func (f *clientFollower) frames(r io.Reader, idle *time.Timer, yield func(Message, error) bool) error {
	b := bufio.NewReaderSize(r, 64<<10)
	var event, id string
	var data []byte
	for {
		idle.Reset(f.c.o.IdleTimeout)
		line, err := readLine(b)
		idle.Stop()
		if err != nil {
			return err
		}
		text := strings.TrimRight(string(line), "\r\n")
		switch name, value, _ := strings.Cut(text, ":"); {
		case text == "":
			if data != nil {
				if err := f.message(event, id, data, yield); err != nil {
					return err
				}
			}
			event, data = "", nil
		case name == "id":
			id = strings.TrimPrefix(value, " ")
		case name == "event":
			event = strings.TrimPrefix(value, " ")
		case name == "data":
			data = append(data, strings.TrimPrefix(value, " ")...)
			if len(data) > maxFrame {
				return errFrame
			}
		}
	}
}

// maxFrame is more than any frame takes that a server of ours sends.
const maxFrame = 4 * MaxDataBytes

var errFrame = fmt.Errorf("%w: a frame that is too large", ErrUnavailable)

// readLine reads to the end of a line.
func readLine(b *bufio.Reader) (line []byte, err error) {
	for {
		part, err := b.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxFrame:
			return nil, errFrame
		case err == nil:
			return line, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, fmt.Errorf("%w: %w", errBroken, err)
		}
	}
}

func (f *clientFollower) message(event, id string, data []byte, yield func(Message, error) bool) error {
	var m Message
	var err error
	switch event {
	case "":
		var w wireEvent
		var at Checkpoint
		if at, err = parseCheckpoint(id); err == nil {
			err = json.Unmarshal(data, &w)
		}
		m = Message{Kind: MessageEvent, Stream: w.Stream, Event: w.event(), Epoch: at.Epoch}
	case "gap":
		var w wireGap
		if err = json.Unmarshal(data, &w); err == nil {
			m = Message{Kind: MessageGap, Stream: w.Stream, Gap: Gap{w.Stream, w.From, w.To, w.Cause}, Epoch: w.Epoch}
		}
	case "caughtup", "fellbehind":
		var w wireNote
		if err = json.Unmarshal(data, &w); err == nil {
			m = Message{Kind: MessageCaughtUp, Stream: w.Stream, Epoch: w.Epoch}
			if event == "fellbehind" {
				m.Kind = MessageFellBehind
			}
		}
	default:
		return nil // of a newer server
	}
	if err != nil {
		return fmt.Errorf("%w: a frame that is not ephemera's: %w", ErrUnavailable, err)
	}
	if m.Kind == MessageGap && f.s.EndOnGap {
		return &GapError{m.Gap}
	}
	if !yield(m, nil) {
		return errStop
	}
	switch m.Kind {
	case MessageEvent:
		f.from[m.Stream] = Checkpoint{m.Epoch, m.Event.Version}
	case MessageGap:
		to := m.Gap.To
		if m.Gap.Cause == CauseEpoch {
			to = m.Gap.From - 1 // what follows has these versions again
		}
		f.from[m.Stream] = Checkpoint{m.Epoch, to}
	}
	return nil
}
