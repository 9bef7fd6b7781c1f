package verify

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A wireFault is what a lossyProxy does to a request.
type wireFault int

const (
	passOn    wireFault = iota
	dropAsked           // the request is lost
	dropReply           // the server does it, the reply is lost
	cutReply            // half of the reply's body arrives
	sayLost             // 502 instead of the reply
	late                // the client is told nothing, and the server gets the request some time later
	wireFaults
)

// A lossyProxy passes HTTP on and loses some of it.
type lossyProxy struct {
	next   http.Handler
	target atomic.Pointer[url.URL]
	share  int // of 100 requests are treated badly
	mu     sync.Mutex
	rng    *rand.Rand
	counts [wireFaults]atomic.Int64
	tails  atomic.Int64   // subscriptions
	held   sync.WaitGroup // late requests that are still to come
}

// newLossyProxy is a handler in front of another server.
func newLossyProxy(t testing.TB, seed uint64, share int, target string) *lossyProxy {
	t.Helper()
	p := &lossyProxy{share: share, rng: rand.New(rand.NewPCG(seed, 99))}
	p.point(t, target)
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	p.next = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(p.target.Load()) }, Transport: transport, FlushInterval: -1,
		ErrorLog:     slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	return p
}

// point leads what comes to another server from now on.
func (p *lossyProxy) point(t testing.TB, target string) {
	t.Helper()
	u, err := url.Parse(target)
	must(t, err)
	p.target.Store(u)
}

// end closes the server that the proxy is, and returns when the last late request is over.
func (p *lossyProxy) end(front *httptest.Server) {
	front.Close()
	p.held.Wait()
}

func (p *lossyProxy) draw() (f wireFault, delay time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rng.IntN(100) >= p.share {
		return passOn, 0
	}
	return 1 + wireFault(p.rng.IntN(int(wireFaults)-1)), time.Duration(p.rng.IntN(40)) * time.Millisecond
}

func (p *lossyProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, delay := p.draw()
	if r.URL.Path == "/subscriptions" {
		p.tail(w, r)
		return
	}
	p.counts[f].Add(1)
	switch f {
	case passOn:
		p.next.ServeHTTP(w, r)
		return
	case dropAsked:
		panic(http.ErrAbortHandler)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	again := r.Clone(context.WithoutCancel(r.Context()))
	again.Body = io.NopCloser(bytes.NewReader(body))
	reply := &keptReply{header: http.Header{}}
	if f == late {
		p.held.Go(func() {
			defer func() {
				if r := recover(); r != nil && r != http.ErrAbortHandler { // the server may be gone by then
					panic(r)
				}
			}()
			time.Sleep(delay) // not to wait for something: this is the time that the request is held up
			p.next.ServeHTTP(reply, again)
		})
		panic(http.ErrAbortHandler)
	}
	p.next.ServeHTTP(reply, again)
	switch f {
	case sayLost:
		w.WriteHeader(http.StatusBadGateway)
		return
	case cutReply:
		for name, values := range reply.header {
			w.Header()[name] = values
		}
		w.WriteHeader(reply.status)
		_, _ = w.Write(reply.body.Bytes()[:reply.body.Len()/2])
		_ = http.NewResponseController(w).Flush()
	}
	panic(http.ErrAbortHandler) // net/http closes the connection
}

// tail passes on a reply without end, for a while if the proxy loses anything.
func (p *lossyProxy) tail(w http.ResponseWriter, r *http.Request) {
	if p.share > 0 {
		p.mu.Lock()
		left := 1 + p.rng.IntN(2000)
		p.mu.Unlock()
		w = &shortReply{w, left}
	}
	p.tails.Add(1)
	p.next.ServeHTTP(w, r)
}

// shortReply breaks the connection after so many writes.
type shortReply struct {
	http.ResponseWriter
	left int
}

func (s *shortReply) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func (s *shortReply) Write(b []byte) (int, error) {
	if s.left--; s.left < 0 {
		panic(http.ErrAbortHandler)
	}
	return s.ResponseWriter.Write(b)
}

// keptReply holds a reply back.
type keptReply struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (k *keptReply) Header() http.Header { return k.header }

func (k *keptReply) WriteHeader(status int) {
	if k.status == 0 {
		k.status = status
	}
}

func (k *keptReply) Write(b []byte) (int, error) {
	k.WriteHeader(http.StatusOK)
	return k.body.Write(b)
}
