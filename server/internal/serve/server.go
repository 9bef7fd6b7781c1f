package serve

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/ephemera-go/ephemera/server/internal/web"
)

func newServer(o *Options, h http.Handler, t *tls.Config) *http.Server {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetHTTP2(true)
	p.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler: h, TLSConfig: t, Protocols: p,
		// It reads up to twice 4 KiB more; the site holds requests to the limit exactly.
		MaxHeaderBytes: o.Web.MaxHeader, ReadHeaderTimeout: o.HeaderTimeout, IdleTimeout: o.IdleTimeout,
		ErrorLog: slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}
}

func serveOn(s *http.Server, l net.Listener) error {
	if s.TLSConfig != nil {
		return s.ServeTLS(l, "", "")
	}
	return s.Serve(l)
}

// servePprof serves profiles on an address of their own, which must be a loopback one: they tell everything.
func servePprof(ctx context.Context, address string) (stop func(), err error) {
	if address == "" {
		return func() {}, nil
	}
	local, err := loopbackOnly(ctx, address)
	if err != nil {
		return nil, err
	}
	if !local {
		return nil, fmt.Errorf("%w: --pprof-listen %s is not a loopback address", ErrOption, address)
	}
	l, err := listen(ctx, address)
	if err != nil {
		return nil, err
	}
	s := &http.Server{Handler: profiles(), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = s.Serve(l) }()
	return func() { _ = s.Close() }, nil
}

// profiles are for names of this machine only: a page of somebody else must not reach them by a name of its own.
func profiles() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("/debug/pprof/", pprof.Index)
	m.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	m.HandleFunc("/debug/pprof/profile", pprof.Profile)
	m.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	m.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return web.OnlyLocal(m)
}
