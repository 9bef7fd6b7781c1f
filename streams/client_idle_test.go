package streams_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/ephemera-go/ephemera/streams"
)

// connections answers the requests of a client, one after the other, without a network.
type connections []func(*http.Request) io.Reader

func (c *connections) RoundTrip(r *http.Request) (*http.Response, error) {
	if len(*c) == 0 {
		return nil, errors.New("one connection too many")
	}
	next := (*c)[0]
	*c = (*c)[1:]
	body := next(r)
	if body == nil {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(body), Request: r}, nil
}

// silence brings nothing until the request is given up.
func silence(r *http.Request) io.Reader { return untilDone{r.Context()} }

type untilDone struct{ ctx context.Context }

func (s untilDone) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

func noReply(*http.Request) io.Reader { return nil }

// brings sends events of stream a, ends there or is silent, and wants a checkpoint behind the version before.
func brings(t *testing.T, from, to int, ends bool) func(*http.Request) io.Reader {
	return func(r *http.Request) io.Reader {
		var in struct{ After map[string]string }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		if want := fmt.Sprintf("%s:%d", anEpoch, from-1); from > 1 && in.After["a"] != want {
			t.Errorf("it begins behind %q, want %q", in.After["a"], want)
		}
		var b strings.Builder
		for v := from; v <= to; v++ {
			_, _ = fmt.Fprintf(&b, "id: %s:%d\ndata: {\"stream\":\"a\",\"version\":%d,\"data\":1}\n\n", anEpoch, v, v)
		}
		text := unread{r.Context(), iotest.OneByteReader(strings.NewReader(b.String()))}
		if ends {
			return text
		}
		return io.MultiReader(text, silence(r))
	}
}

// unread is what a client that has given its request up does not get.
type unread struct {
	ctx context.Context
	io.Reader
}

func (u unread) Read(b []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.Reader.Read(b)
}

// TestSubscriptionGoesOn: a subscription is begun anew when it brings nothing for IdleTimeout, and when its connection was found
// broken only after its reader had taken its time; a reader that takes it does not make a connection idle. It gives up if
// nothing answers.
func TestSubscriptionGoesOn(t *testing.T) {
	for _, c := range []struct {
		name        string
		connections connections
		reader      time.Duration // takes so long for a message
		want        uint64        // version of the last event
		err         error
		after       time.Duration // all in all, at most
	}{
		{"silent", connections{silence, silence, brings(t, 1, 1, false)}, 0, 1, nil, 3 * time.Minute},
		{"broken beside a slow reader", connections{brings(t, 1, 1, true), brings(t, 2, 2, true)}, time.Hour, 2, nil, 3 * time.Hour},
		{"slow reader", connections{brings(t, 1, 9, false)}, time.Hour, 9, nil, 10 * time.Hour},
		{"no reply", connections{brings(t, 1, 1, true), noReply}, 0, 1, streams.ErrUnavailable, 2 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l, err := streams.NewClient("http://server", streams.ClientOptions{HTTP: &http.Client{Transport: &c.connections}})
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = l.Close() }()
				begin, last := time.Now(), uint64(0)
				for m, e := range l.Subscribe(t.Context(), streams.Subscription{Pattern: "a"}) {
					if err = e; err != nil {
						break
					}
					time.Sleep(c.reader) // by the clock of the test
					if last = m.Event.Version; last == c.want && c.err == nil {
						break
					}
				}
				if !errors.Is(err, c.err) || last != c.want || time.Since(begin) > c.after || len(c.connections) > 0 {
					t.Errorf("version %d after %v, %v; %d connections left", last, time.Since(begin), err, len(c.connections))
				}
			})
		})
	}
}

// TestEndlessFrame: what a client takes of a frame is bounded, whether it has lines or not.
func TestEndlessFrame(t *testing.T) {
	for _, line := range []string{"data: " + strings.Repeat("x", 1000) + "\n", "data: x", "id: x", ": x"} {
		sent := &repeated{text: line}
		l, err := streams.NewClient("http://server", streams.ClientOptions{RetryTimeout: time.Second, HTTP: &http.Client{Transport: &connections{
			func(*http.Request) io.Reader { return sent },
		}}})
		if err != nil {
			t.Fatal(err)
		}
		for _, err = range l.Subscribe(t.Context(), streams.Subscription{Pattern: "a"}) {
		}
		if most := 5 * streams.MaxDataBytes; !errors.Is(err, streams.ErrUnavailable) || sent.n > most {
			t.Errorf("%.10q: %v after %d bytes, want at most %d", line, err, sent.n, most)
		}
		_ = l.Close()
	}
}

// repeated is a text again and again, up to a size that no test should come to.
type repeated struct {
	text string
	n    int
}

func (r *repeated) Read(b []byte) (int, error) {
	if r.n > 64*streams.MaxDataBytes {
		return 0, io.ErrUnexpectedEOF
	}
	n := copy(b, r.text[r.n%len(r.text):])
	r.n += n
	return n, nil
}
