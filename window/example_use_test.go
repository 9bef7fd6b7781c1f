package window_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"time"

	"github.com/ephemera-go/ephemera/window"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

// inMemory makes a window in memory, at noon for ever.
func inMemory() *window.Window {
	w, err := window.New(context.Background(), window.Options{Clock: func() time.Time { return noon }})
	if err != nil {
		panic(err)
	}
	return w
}

// The last two orders of one customer within a minute.
func ExampleQuery() {
	w := inMemory()
	defer w.Close()
	for i, age := range []int{90, 40, 30, 20, 10} {
		_, _ = w.RaiseSignal(window.Signal{
			Name: "order.completed", Key: []string{"ada", "bob"}[i%2], Time: noon.Add(-time.Duration(age) * time.Second),
		})
	}
	q := w.Find("order.*").Key("ada").Within(time.Minute)
	n, err := q.Count()
	fmt.Println(n, err)
	last, err := q.Newest(1).Signals()
	fmt.Println(last[0].Sequence, last[0].Key, err)
	bad := w.Find("order.*").Newest(-1)
	for range bad.All() {
		fmt.Println("not reached: a query with an error yields nothing")
	}
	fmt.Println(bad.Err())
	// Output:
	// 2 <nil>
	// 5 ada <nil>
	// window: bad option: newest -1
}

// A watcher that is too slow is told what it missed, at its place in the order.
func ExampleWindow_Watch() {
	w := inMemory()
	defer w.Close()
	first, goOn, done := make(chan bool), make(chan bool), make(chan bool)
	watcher, err := w.Watch("job.*", func(s window.Signal) {
		fmt.Println(s.Sequence, s.Name)
		switch s.Sequence {
		case 1:
			close(first)
			<-goOn
		case 5:
			close(done)
		}
	}, window.WatchOptions{Policy: window.DropOldest, Buffer: 1, OnGap: func(g window.Gap) { fmt.Println(g) }})
	if err != nil {
		panic(err)
	}
	_, _ = w.Raise("job.started", "")
	<-first
	for range 4 {
		_, _ = w.Raise("job.step", "")
	}
	for watcher.Stats().Dropped < 3 {
		runtime.Gosched() // the callback hangs; the watcher looks at the four meanwhile
	}
	close(goOn)
	<-done
	watcher.Stop() // nothing is delivered after it
	// Output:
	// 1 job.started
	// gap from 2 to 4: 3 matching signals dropped, 0 signals unseen
	// 5 job.step
}

// A circuit breaker for one host, out of the failures that the window holds anyway.
func ExampleBreaker() {
	w := inMemory()
	defer w.Close()
	b := window.Breaker{Window: w, Failures: "error:*", Key: "payments", Span: 30 * time.Second, Threshold: 2}
	for range 2 {
		open, err := b.IsOpen()
		fmt.Println("open:", open, err)
		_, _ = w.Raise("error:Timeout", "payments")
	}
	open, err := b.IsOpen()
	fmt.Println("open:", open, err)
	wait, err := b.ClosesIn()
	fmt.Println("about", wait.Round(time.Second), err)
	// Output:
	// open: false <nil>
	// open: false <nil>
	// open: true <nil>
	// about 30s <nil>
}

// What a program logs becomes signals, so that rates and anomalies of it can be asked for.
func ExampleNewHandler() {
	w := inMemory()
	defer w.Close()
	log := slog.New(window.NewHandler(w, window.HandlerOptions{Key: "host"}))
	log.Info("Cache filled", "host", "db-1", "entries", 17)
	log.Warn("Read failed", "host", "db-2", "err", io.ErrUnexpectedEOF)
	log.Debug("below the level")
	list, err := w.Sense("log.*")
	for _, s := range list {
		fmt.Println(s.Name, s.Key, string(s.Data))
	}
	fmt.Println(err)
	// Output:
	// log.info.cache-filled db-1 {"entries":17,"host":"db-1","level":"INFO","message":"Cache filled"}
	// log.warn.read-failed:error db-2 {"err":"unexpected EOF","host":"db-2","level":"WARN","message":"Read failed"}
	// <nil>
}

// Signals that cause signals come to an end.
func ExampleLimits_Cause() {
	w := inMemory()
	defer w.Close()
	limits := window.Limits{MaxDepth: 2, Terminal: []string{"mail.sent"}}
	cause := window.Signal{Name: "order.completed", Key: "order-17", Operation: w.NewOperation()}
	for _, name := range []string{"stock.low", "order.completed", "mail.sent", "mail.read"} {
		effect, err := limits.Cause(&cause, name)
		if err != nil {
			fmt.Println(errors.Is(err, window.ErrCycle), errors.Is(err, window.ErrTerminal), err)
			continue
		}
		_, _ = w.RaiseSignal(effect)
		fmt.Println(effect.Name, effect.Key, effect.Path)
		cause = effect
	}
	// Output:
	// stock.low order-17 [order.completed]
	// true false window: causal path has a cycle: order.completed by stock.low
	// mail.sent order-17 [order.completed stock.low]
	// false true window: terminal signal causes nothing: mail.read by mail.sent
}
