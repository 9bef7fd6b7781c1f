package serve

import (
	"bytes"
	"io"
	"net/http"

	"github.com/ephemera-go/ephemera/server/internal/web"
)

// inside is how work of this process reaches its own server: through everything that requests of others go through, but for
// the network, its certificate and its address.
type inside struct {
	site  http.Handler
	token string
}

// RoundTrip answers a request. Replies come as a whole, so it is nothing for subscriptions.
func (t *inside) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	in := r.Clone(r.Context())
	in.Host, in.RequestURI, in.RemoteAddr = r.URL.Host, r.URL.RequestURI(), web.Inside
	if in.Body == nil {
		in.Body = http.NoBody
	}
	if t.token != "" {
		in.Header.Set("Authorization", "Bearer "+t.token)
	}
	w := &answer{header: http.Header{}, status: http.StatusOK}
	defer func() {
		_ = in.Body.Close()
		switch panicked := recover(); panicked {
		case nil:
		case http.ErrAbortHandler: // what breaks the connection of others
			resp, err = nil, io.ErrUnexpectedEOF
		default:
			panic(panicked)
		}
	}()
	t.site.ServeHTTP(w, in)
	return &http.Response{
		Status: http.StatusText(w.status), StatusCode: w.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: io.NopCloser(&w.body), ContentLength: int64(w.body.Len()), Request: r,
	}, nil
}

// An answer is what the server replied.
type answer struct {
	header  http.Header
	status  int
	written bool
	body    bytes.Buffer
}

// Header implements http.ResponseWriter, as the other methods do.
func (a *answer) Header() http.Header { return a.header }

func (a *answer) WriteHeader(status int) {
	if !a.written && status >= http.StatusOK {
		a.status, a.written = status, true
	}
}

func (a *answer) Write(b []byte) (int, error) {
	a.written = true
	return a.body.Write(b)
}
