package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/ephemera-go/ephemera/server/internal/state"
	"github.com/ephemera-go/ephemera/server/internal/web"
	"github.com/ephemera-go/ephemera/snapshot"
)

// Options configures Run.
type Options struct {
	Listen          string // host:port; port 0 takes a free one
	TLSCert, TLSKey string // files; empty: no TLS
	Pprof           string // host:port of profiles; empty: none

	MaxConnections int           // at once; more are refused with 503
	HeaderTimeout  time.Duration // for the header of a request
	IdleTimeout    time.Duration // of a connection between requests
	DrainTimeout   time.Duration // for requests that are being answered when it stops
	HurryTimeout   time.Duration // for saving, after a second signal

	GenerateToken bool   // instead of Web.Token: one that is kept in the data directory
	NotifySocket  string // of the service manager, as NOTIFY_SOCKET has it; empty: none

	Web   web.Options
	State state.Options

	Work    func(ctx context.Context, c *http.Client, url string) error // beside serving, once ready, as a client; may be nil
	Signals <-chan os.Signal                                            // the first one stops it, the second one hurries it
	Out     io.Writer                                                   // told people what happens
	Logger  *slog.Logger
}

// A server is one run.
type server struct {
	o     *Options
	site  *web.Site
	state *state.State
	http  *http.Server
	l     net.Listener
	url   string
	ready bool
	told  time.Time // when the service manager last heard how far restoring is
}

// Run serves until the context ends, a signal comes or something breaks, saves everything and returns. What was not saved
// is state.ErrUnsaved.
func Run(ctx context.Context, o Options) error {
	s, err := start(ctx, &o)
	if err != nil {
		return err
	}
	stopPprof, err := servePprof(ctx, o.Pprof)
	if err != nil {
		return errors.Join(err, s.state.Close(ctx), s.l.Close())
	}
	defer stopPprof()
	defer runtime.KeepAlive(slack())

	over, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop, hurry := watchSignals(ctx, over, o.Signals)
	served := make(chan error, 1)
	go func() { served <- serveOn(s.http, s.l) }()
	err = s.live(stop, served)
	return errors.Join(err, s.finish(hurry))
}

// start does what can be refused at once, so that nothing was restored for nothing.
func start(ctx context.Context, o *Options) (*server, error) {
	if err := o.validate(ctx); err != nil {
		return nil, err
	}
	t, err := loadTLS(o.TLSCert, o.TLSKey)
	if err != nil {
		return nil, err
	}
	o.Web.Secure, o.Web.Logger, o.State.Logger = t != nil, o.Logger, o.Logger
	s := &server{o: o}
	o.State.Progress = s.progress
	if s.state, err = state.Claim(ctx, o.State); err != nil {
		return nil, err
	}
	if err := s.open(ctx, t); err != nil {
		return nil, errors.Join(err, s.state.Close(ctx))
	}
	return s, nil
}

// open does what needs the data directory: it may hold the token.
func (s *server) open(ctx context.Context, t *tls.Config) error {
	o := s.o
	if o.GenerateToken {
		token, path, made, err := ownToken(o.State.Data)
		if err != nil {
			return err
		}
		o.Web.Token = token
		if made {
			s.say("token: a new one, kept in %s", path)
		} else {
			s.say("token: the one in %s", path)
		}
	}
	var err error
	if s.site, err = web.New(o.Web); err != nil {
		return err
	}
	l, err := listen(ctx, o.Listen)
	if err != nil {
		return err
	}
	s.url = "http://" + l.Addr().String()
	if t != nil {
		s.url = "https://" + l.Addr().String()
	}
	s.l = &limited{l, make(chan struct{}, o.MaxConnections), t == nil, s.site.CountRefusedConnection}
	s.http = newServer(o, s.site, t)
	return nil
}

func (s *server) progress(p snapshot.Progress) {
	if p.Operation == "restore" && p.Total > 0 {
		what := fmt.Sprintf("restoring, %d of %d bytes", p.Done, p.Total)
		s.site.NotReady(what)
		if now := time.Now(); now.Sub(s.told) >= statusInterval {
			s.told = now
			s.notify("STATUS=" + what)
		}
	}
}

// live restores, serves and saves until it is told to stop, which is no error.
func (s *server) live(stop context.Context, served <-chan error) error {
	s.say("listening on %s, restoring from %s", s.url, s.o.State.Data)
	s.site.NotReady("restoring")
	if err := s.state.Restore(stop); err != nil {
		if stop.Err() != nil {
			return nil // stopped before it was ready: there is nothing to save
		}
		return err
	}
	s.tellRestored()
	if err := s.site.Open(s.state); err != nil {
		return err
	}
	s.ready = true
	s.say("ready: %s", s.url)
	s.notify("READY=1\nSTATUS=serving " + s.url)
	var beside sync.WaitGroup
	defer beside.Wait()
	running, cancel := context.WithCancel(stop)
	defer cancel()
	ended := make(chan error, 2)
	beside.Go(func() { ended <- s.state.Run(running) })
	if s.o.Work != nil {
		beside.Go(func() {
			client := &http.Client{Transport: &inside{s.site, s.o.Web.Token}}
			if err := s.o.Work(running, client, s.url); err != nil && running.Err() == nil {
				ended <- err
			}
		})
	}
	select {
	case <-stop.Done():
		return nil
	case err := <-ended:
		return err
	case err := <-served:
		return fmt.Errorf("%w: %w", ErrListen, err)
	}
}

// tellRestored says what came back, what did not, and what may be lost.
func (s *server) tellRestored() {
	for _, r := range []struct {
		name   string
		report snapshot.Report
	}{{state.StreamsName, s.state.Events.Report()}, {state.MetricsName, s.state.Metrics.Report()}} {
		s.say("%s: %v", r.name, r.report)
		if r.report.Ordinal > 0 && r.report.NewEpoch {
			s.say("%s: what was appended after %s is not in it and is lost if there was any; a new epoch tells clients",
				r.name, r.report.TakenAt.UTC().Format(time.RFC3339Nano))
		}
	}
	l := s.state.Loaded
	s.say("signals: %d of %d restored", l.Restored, l.Read)
}

// finish lets requests end, then saves everything. A second signal cuts both short.
func (s *server) finish(hurry context.Context) error {
	s.site.Drain()
	s.notify("STOPPING=1\nSTATUS=answering what was begun, then saving")
	ctx, cancel := context.WithTimeout(hurry, s.o.DrainTimeout)
	defer cancel()
	var drained error
	if err := s.http.Shutdown(ctx); err != nil {
		_ = s.http.Close()
		drained = fmt.Errorf("%w after %v", ErrDrain, s.o.DrainTimeout)
		if hurry.Err() != nil {
			drained = fmt.Errorf("%w by a second signal", ErrDrain)
		}
	}
	if s.ready {
		s.say("saving")
	}
	saving, stopSaving := context.WithCancel(context.Background())
	defer stopSaving()
	release := context.AfterFunc(hurry, func() { time.AfterFunc(s.o.HurryTimeout, stopSaving) })
	defer release()
	err := errors.Join(drained, s.state.Close(saving))
	if err == nil && s.ready {
		s.say("stopped; everything is saved")
	}
	return err
}

func (s *server) say(format string, args ...any) {
	_, _ = fmt.Fprintf(s.o.Out, format+"\n", args...)
}

// watchSignals returns a context that ends with the first signal or with ctx, and one that ends with the second signal or
// when all is over.
func watchSignals(ctx, over context.Context, signals <-chan os.Signal) (stop, hurry context.Context) {
	stop, first := context.WithCancel(ctx)
	hurry, second := context.WithCancel(over)
	go func() {
		defer first()
		select {
		case <-signals:
		case <-ctx.Done():
		case <-over.Done():
		}
		first()
		select {
		case <-signals:
			second()
		case <-over.Done():
		}
	}()
	return stop, hurry
}

func (o *Options) validate(ctx context.Context) error {
	var p []error
	add := func(bad bool, text string) {
		if bad {
			p = append(p, fmt.Errorf("%w: %s", ErrOption, text))
		}
	}
	add(o.MaxConnections < 1, "MaxConnections is less than 1")
	add(o.HeaderTimeout <= 0, "HeaderTimeout is not positive")
	add(o.IdleTimeout <= 0, "IdleTimeout is not positive")
	add(o.DrainTimeout <= 0, "DrainTimeout is not positive")
	add(o.HurryTimeout <= 0, "HurryTimeout is not positive")
	local, err := loopbackOnly(ctx, o.Listen)
	if err != nil {
		p = append(p, err)
	} else if !local && o.Web.Token == "" && !o.GenerateToken && !o.Web.Insecure {
		p = append(p, fmt.Errorf("%w on %s: give one with --token-file, EPHEMERA_TOKEN or --generate-token, or say --insecure-no-token",
			ErrExposed, o.Listen))
	}
	return errors.Join(append(p, o.Web.Validate(), o.State.Validate())...)
}
