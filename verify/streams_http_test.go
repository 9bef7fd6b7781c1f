package verify

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/ephemera-go/ephemera/streams"
)

// A lossyHistory is one over HTTP. Without retries every call has at most one effect, so there can be deletions; with
// them, a deletion between two tries would make the second a new append.
type lossyHistory struct {
	seed    uint64
	retries bool
}

func (h lossyHistory) run(ctx context.Context, t *testing.T) ([]porcupine.Operation, *[wireFaults]atomic.Int64, error) {
	r := streamRules{Events: []uint64{4, 10_000}[h.seed%2], Keys: 1000, Remote: true, Retried: h.retries}
	l, err := streams.New(streams.Options{Limits: streams.Limits{Events: int(r.Events)}, MaxKeys: r.Keys})
	must(t, err)
	defer func() { _ = l.Close() }()
	handler, err := streams.NewHandler(l, streams.HandlerOptions{})
	must(t, err)
	server := httptest.NewServer(handler)
	defer server.Close()
	proxy := newLossyProxy(t, h.seed, 25, server.URL)
	front := httptest.NewServer(proxy)
	defer proxy.end(front)
	transport := &http.Transport{MaxIdleConnsPerHost: 64, DisableKeepAlives: !h.retries} // else net/http retries by itself
	defer transport.CloseIdleConnections()
	o := streams.ClientOptions{HTTP: &http.Client{Transport: transport}, RetryTimeout: time.Nanosecond}
	mix := streamMix{Streams: []string{"a/b"}, Deletes: true}
	if h.retries {
		o.RetryTimeout, mix = 20*time.Second, streamMix{Streams: []string{"a/b"}, Hurry: true}
	}
	c, err := streams.NewClient(front.URL, o)
	must(t, err)
	defer func() { _ = c.Close() }()
	clients := newStreamClients(h.seed, 4, mix, func(int) streams.Log { return c }, l.Epoch())
	ops, err := streamCrowd(ctx, clients, 8)
	proxy.end(front)
	if err == nil {
		err = checkStreams(r, l.Epoch(), ops)
	}
	return ops, &proxy.counts, err
}

// TestStreamsAreLinearizableOverHTTP: the same through a proxy that loses requests and replies, cuts replies, lies, and
// delivers requests when their client has given up. What a client calls unknown may have happened or not, or happen later.
func TestStreamsAreLinearizableOverHTTP(t *testing.T) {
	t.Parallel()
	histories, err := envNumber("EPHEMERA_HISTORIES_HTTP", pick[uint64](60, 16, 16))
	must(t, err)
	seed, tally, counts := seedOf(t), streamTally{}, [wireFaults]int64{}
	var mu sync.Mutex
	t.Run("histories", func(t *testing.T) {
		const parts = 2 // at the same time, because most of it is waiting
		for part := range uint64(parts) {
			t.Run(fmt.Sprint(part), func(t *testing.T) {
				t.Parallel()
				for i := part; i < histories; i += parts {
					h := lossyHistory{mix(seed + i), i/parts%2 == 0}
					ops, met, err := h.run(t.Context(), t)
					if err != nil {
						t.Fatalf("history %d: %v", i, err)
					}
					mu.Lock()
					tally.add(ops)
					for f := range met {
						counts[f] += met[f].Load()
					}
					mu.Unlock()
				}
			})
		}
	})
	t.Logf("%+v; passed on, request lost, reply lost, reply cut, 502, late: %v", tally, counts)
	for f, n := range counts {
		if n == 0 {
			t.Errorf("no request met fault %d", f)
		}
	}
	for _, n := range []int{tally.Stored, tally.Duplicates, tally.Conflicts, tally.Unknown, tally.Deleted, tally.Concurrent - tally.Calls/4} {
		if n <= 0 {
			t.Errorf("the test proves nothing: %+v", tally)
		}
	}
}
