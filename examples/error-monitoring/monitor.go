package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	_ "github.com/ephemera-go/ephemera/sinks/filestore" // scheme file
	_ "github.com/ephemera-go/ephemera/sinks/memstore"  // scheme mem
	_ "github.com/ephemera-go/ephemera/storage-sqlite"  // scheme sqlite
	"github.com/ephemera-go/ephemera/window"
)

// ended is the last signal of a run that ended well.
const ended = "run.ended"

// A monitor watches the errors among the signals of a window.
type monitor struct {
	o       options
	store   sinks.SignalStore
	lease   *sinks.Lease
	window  *window.Window
	watcher *window.Watcher
	burst   window.Anomaly
	over    chan struct{} // closed when the watcher has seen the last signal

	mu    sync.Mutex // the shop and the watcher both judge
	out   io.Writer
	alarm bool
	seen  int // errors that were delivered
}

func newMonitor(o options, out io.Writer) *monitor {
	return &monitor{o: o, out: out, over: make(chan struct{})}
}

// open makes the window. Whatever it returns, close closes what is open.
func (m *monitor) open(ctx context.Context) (err error) {
	if m.store, err = sinks.OpenSignals(ctx, m.o.signals); err != nil {
		return err
	}
	m.lease, err = sinks.Hold(ctx, m.store, sinks.Claim{Owner: "error-monitoring"}) // of two shops in one place the second is refused
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	m.window, err = window.New(ctx, window.Options{Store: m.store, MaxAge: time.Hour, FlushInterval: time.Second})
	if err != nil {
		return err
	}
	m.burst = window.Anomaly{Window: m.window, Pattern: m.o.watch, Span: m.o.span, Threshold: m.o.burst}
	return nil
}

// recall brings back what earlier runs raised. It is history, not news: the watcher, which starts afterwards, does not see it.
// The burst does, so that an alarm goes on across a restart.
func (m *monitor) recall(ctx context.Context) error {
	if _, err := m.window.Load(ctx, window.LoadOptions{}); err != nil {
		return err
	}
	all, err := m.window.Find("").Summarize()
	if err != nil || all.Count == 0 {
		fmt.Fprintf(m.out, "no earlier run in %s\n", sinks.Redact(m.o.signals))
		return err
	}
	wrong, err := m.window.Find(m.o.watch).Summarize()
	if err != nil {
		return err
	}
	fmt.Fprintf(m.out, "restored %d signals up to #%d, %d of them errors", all.Count, all.Last.Sequence, wrong.Count)
	if wrong.Count > 0 {
		fmt.Fprintf(m.out, ", the last one #%d %s %s", wrong.Last.Sequence, wrong.Last.Name, wrong.Last.Key)
	}
	if all.Last.Name != ended {
		fmt.Fprint(m.out, "; the last run was cut off")
	}
	fmt.Fprintln(m.out)
	return m.judge()
}

func (m *monitor) start() (err error) {
	m.watcher, err = m.window.Watch(m.o.watch+","+ended, m.deliver, window.WatchOptions{Policy: window.Block})
	return err
}

// deliver gets each error of this run once, in the order in which they were raised.
func (m *monitor) deliver(s window.Signal) {
	if s.Name == ended {
		close(m.over)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.seen++
	fmt.Fprintf(m.out, "error #%d %s %s\n", s.Sequence, s.Name, s.Key)
	if err := m.judgeLocked(); err != nil {
		fmt.Fprintln(m.out, err)
	}
}

// judge asks the window whether errors come in a burst, and tells when that changes.
func (m *monitor) judge() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.judgeLocked()
}

func (m *monitor) judgeLocked() error {
	n, err := m.burst.Count()
	if err != nil || m.alarm == (n >= m.o.burst) {
		return err
	}
	if m.alarm = !m.alarm; !m.alarm {
		fmt.Fprintf(m.out, "calm again: %d errors within %v\n", n, m.o.span)
		return nil
	}
	err = m.window.Flush(context.Background()) // what led to it should survive whatever comes next
	fmt.Fprintf(m.out, "ALARM: %d errors within %v; kept up to #%d\n", n, m.o.span, m.window.Stats().LastDurable)
	return err
}

// finish waits until every error was delivered.
func (m *monitor) finish(taken int) error {
	if _, err := m.window.Raise(ended, ""); err != nil {
		return err
	}
	<-m.over
	w := m.window
	m.window = nil                    // close has no part in it any more
	if err := w.Close(); err != nil { // writes what is pending
		return err
	}
	_, err := fmt.Fprintf(m.out, "%d orders, %d errors; %d signals kept in %s\n", taken, m.seen, w.Stats().Persisted, sinks.Redact(m.o.signals))
	return err
}

// close ends everything in the opposite order of open.
func (m *monitor) close() (err error) {
	if m.window != nil { // something failed before finish
		err = m.window.Close()
	}
	if m.lease != nil {
		err = errors.Join(err, m.lease.Close())
	}
	if m.store != nil {
		err = errors.Join(err, m.store.Close())
	}
	return err
}
