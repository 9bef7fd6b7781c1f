package benchmarks

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/streams"
)

const (
	// StreamEvents is how many events a measured stream keeps.
	StreamEvents = 1 << 16
	// StreamKeys is how many ids it remembers.
	StreamKeys = 10_000
	// LinesBatch is how many events one request of lines carries.
	LinesBatch = 100
)

// Order appends what one event says: 70 bytes of JSON.
func Order(b []byte, n uint64) []byte {
	b = strconv.AppendUint(append(b, `{"amount":`...), n%1000, 10)
	b = strconv.AppendUint(append(b, `.25,"customer":"c-`...), n%1024, 10)
	return append(b, `","lines":[1,2,3],"note":"as usual"}`...)
}

// OrderLine appends a line of NDJSON with an order; id 0 is none.
func OrderLine(b []byte, n, id uint64) []byte {
	b = append(b, '{')
	if id > 0 {
		b = append(strconv.AppendUint(append(b, `"id":"o-`...), id, 10), `",`...)
	}
	return append(Order(append(b, `"type":"order.placed","data":`...), n), '}', '\n')
}

// OpenStreams makes a log for StreamEvents and StreamKeys.
func OpenStreams() *streams.Local {
	return must(streams.New(streams.Options{Limits: streams.Limits{Events: StreamEvents}, MaxKeys: StreamKeys}))
}

// A PlainLog is the least that could do the same by hand: the events in a core store, a map of the newest ids with the sums of
// their payloads, one mutex over both.
type PlainLog struct {
	mu     sync.Mutex
	events *core.Store[plainEvent]
	known  map[string][32]byte
	order  []string
	next   int
}

type plainEvent struct {
	id   string
	data []byte
}

// NewPlainLog makes one of the same size.
func NewPlainLog() *PlainLog {
	return &PlainLog{
		events: must(core.New(core.Options[plainEvent]{Capacity: StreamEvents})),
		known:  make(map[string][32]byte, StreamKeys), order: make([]string, StreamKeys),
	}
}

// Append stores a copy of the data, if they are JSON and the id is new.
func (p *PlainLog) Append(id string, data []byte) error {
	if !json.Valid(data) {
		return errors.New("no JSON")
	}
	e := plainEvent{id, bytes.Clone(data)}
	var sum [32]byte
	if id != "" {
		sum = sha256.Sum256(data)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if id != "" {
		if _, twice := p.known[id]; twice {
			return errors.New("known")
		}
		delete(p.known, p.order[p.next])
		p.known[id], p.order[p.next] = sum, id
		p.next = (p.next + 1) % StreamKeys
	}
	_, err := p.events.Append(e)
	return err
}

// ServeStreams serves a fresh log.
func ServeStreams() (server *httptest.Server, log *streams.Local) {
	log = OpenStreams()
	return httptest.NewServer(must(streams.NewHandler(log, streams.HandlerOptions{}))), log
}

// BareReply is a handler that reads the body and says that it was created, in as many bytes as a log.
var BareReply = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, `{"stream":"orders","firstVersion":1000000,"lastVersion":1000000,"epoch":"00112233445566778899aabbccddeeff","duplicate":false,"durability":"memory"}`+"\n")
})

// Post sends a body and reads the reply to its end.
func Post(c *http.Client, url, kind string, body []byte) error {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", kind)
	resp, err := c.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusCreated {
		return fmt.Errorf("status %d", resp.StatusCode)
	}
	return nil
}

// DecodeLines reads lines of orders in one loop with encoding/json and returns how many there were.
func DecodeLines(body []byte) (int, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	for n := 0; ; n++ {
		var e struct {
			ID, Type string
			Data     json.RawMessage
		}
		switch err := d.Decode(&e); {
		case errors.Is(err, io.EOF):
			return n, nil
		case err != nil:
			return n, err
		}
	}
}

// A Broadcast is the least that could fan out: a frame, written to every reader as often as it was sent.
type Broadcast struct {
	Frame []byte
	mu    sync.Mutex
	more  *sync.Cond
	sent  int
	ended bool
}

// NewBroadcast makes one.
func NewBroadcast(frame []byte) *Broadcast {
	x := &Broadcast{Frame: frame}
	x.more = sync.NewCond(&x.mu)
	return x
}

// Send lets every reader have the frame once more.
func (x *Broadcast) Send(end bool) {
	x.mu.Lock()
	x.sent, x.ended = x.sent+1, end
	x.mu.Unlock()
	x.more.Broadcast()
}

// ServeHTTP writes what was sent and what will be.
func (x *Broadcast) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	c := http.NewResponseController(w)
	if c.Flush() != nil {
		return
	}
	for done := 0; ; {
		x.mu.Lock()
		for x.sent == done && !x.ended {
			x.more.Wait()
		}
		n, ended := x.sent-done, x.ended
		x.mu.Unlock()
		if ended {
			return
		}
		for range n {
			if _, err := w.Write(x.Frame); err != nil {
				return
			}
		}
		if done += n; c.Flush() != nil {
			return
		}
	}
}

// A Crowd is many readers of a stream of server-sent events.
type Crowd struct {
	seen   atomic.Int64 // events, of all of them
	wanted atomic.Int64
	done   chan struct{}
	bodies []io.Closer
	wg     sync.WaitGroup
}

// Gather connects n readers.
func Gather(c *http.Client, url string, n int) (*Crowd, error) {
	x := &Crowd{done: make(chan struct{}, 1)}
	for range n {
		r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
		if err != nil {
			return x, err
		}
		r.Header.Set("Accept", "text/event-stream")
		resp, err := c.Do(r)
		if err != nil {
			return x, err
		}
		x.bodies = append(x.bodies, resp.Body)
		x.wg.Go(func() { x.read(resp.Body) })
	}
	return x, nil
}

func (x *Crowd) read(body io.Reader) {
	for lines := bufio.NewScanner(body); lines.Scan(); {
		if bytes.HasPrefix(lines.Bytes(), []byte("id: ")) && x.seen.Add(1) == x.wanted.Load() {
			x.done <- struct{}{}
		}
	}
}

// Want says how many events all readers together will have seen when Wait returns. It comes before the first is sent.
func (x *Crowd) Want(n int) { x.wanted.Store(int64(n)) }

// Wait returns when they have seen them.
func (x *Crowd) Wait() { <-x.done }

// Disperse ends all readers.
func (x *Crowd) Disperse() {
	for _, b := range x.bodies {
		_ = b.Close()
	}
	x.wg.Wait()
}

// KeyBytes returns the heap that one remembered id takes: a stream gets n events with ids and another n without, and the
// difference of their growth, without the texts of the ids that the events keep, is divided.
func KeyBytes(n int) (float64, error) {
	grown := func(ids bool) (float64, error) {
		log := must(streams.New(streams.Options{Limits: streams.Limits{Events: 1}, MaxKeys: n}))
		defer func() { _ = log.Close() }()
		before := heap()
		for i := range n {
			e := streams.Event{Data: []byte(`1`)}
			if ids {
				e.ID = fmt.Sprintf("%016x", i)
			}
			if _, err := log.Append(context.Background(), streams.Append{Stream: "a", Events: []streams.Event{e}}); err != nil {
				return 0, err
			}
		}
		return float64(heap()) - float64(before), nil
	}
	with, err := grown(true)
	if err != nil {
		return 0, err
	}
	without, err := grown(false)
	return (with - without) / float64(n), err
}
