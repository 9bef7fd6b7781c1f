package verify

import (
	"context"
	"net/http"
	"net/http/httptest"
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

func (h lossyHistory) run(ctx context.Context, t *testing.T, counts *[wireFaults]int64) (streamRules, []porcupine.Operation, error) {
	r := streamRules{Events: []uint64{4, 10_000}[h.seed%2], Keys: 1000, Remote: true, Retried: h.retries}
	l, err := streams.Open(streams.Options{Limits: streams.Limits{Events: int(r.Events)}, MaxKeys: r.Keys})
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
	o := streams.ClientOptions{HTTP: &http.Client{Transport: transport}, RetryFor: time.Nanosecond}
	mix := streamMix{Streams: []string{"a/b"}, Deletes: true}
	if h.retries {
		o.RetryFor, mix = 20*time.Second, streamMix{Streams: []string{"a/b"}, Hurry: true}
	}
	c, err := streams.NewClient(front.URL, o)
	must(t, err)
	defer func() { _ = c.Close() }()
	clients := newStreamClients(h.seed, 4, mix, func(int) streams.Log { return c }, l.Epoch())
	ops, err := streamCrowd(ctx, clients, 8)
	proxy.end(front)
	for f := range counts {
		counts[f] += proxy.counts[f].Load()
	}
	if err == nil {
		err = checkStreams(r, l.Epoch(), ops)
	}
	return r, ops, err
}

// TestStreamsAreLinearizableOverHTTP: the same through a proxy that loses requests and replies, cuts replies, lies, and
// delivers requests when their client has given up. What a client calls unknown may have happened or not, or happen later.
func TestStreamsAreLinearizableOverHTTP(t *testing.T) {
	histories, err := envNumber("EPHEMERA_HISTORIES_HTTP", pick[uint64](100, 30, 20))
	must(t, err)
	seed, tally, counts := seedOf(t), streamTally{}, [wireFaults]int64{}
	for i := range histories {
		h := lossyHistory{mix(seed + i), i%2 == 0}
		_, ops, err := h.run(t.Context(), t, &counts)
		if err != nil {
			t.Fatalf("history %d: %v", i, err)
		}
		tally.add(ops)
	}
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
