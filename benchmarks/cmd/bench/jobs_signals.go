package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/ephemera-go/ephemera/benchmarks"
	"github.com/ephemera-go/ephemera/benchmarks/internal/measure"
)

// senseSizes are numbers of signals, with how many a round collects from each share of them.
var senseSizes = []struct{ signals, collected int }{{10_000, 1_000_000}, {1_000_000, 2_000_000}}

func senseName(how string, signals int, x benchmarks.Share) string {
	return fmt.Sprintf("%s %s of %d", how, x.Name, signals)
}

func signalJobs() []job {
	at := func(open func(int) benchmarks.Design) func() benchmarks.Design {
		return func() benchmarks.Design { return open(benchmarks.Capacity) }
	}
	list := []job{
		appends("raise by name", 1, many/2, at(benchmarks.Raised)),
		appends("stamped append", 1, many/2, at(benchmarks.Stamped)),
		appends("raise by string", 1, many/2, at(benchmarks.RaisedByString)),
	}
	for _, size := range senseSizes {
		list = append(list, senseJobs(size.signals, size.collected)...)
	}
	for _, sync := range []string{"normal", "full"} {
		list = append(list, sqliteJob("flush "+sync, openFlush(sync)), sqliteJob("insert "+sync, openInsert(sync)))
	}
	return list
}

// senseJobs ask about the same signals, which are made when the first of them opens.
func senseJobs(signals, collected int) []job {
	var mu sync.Mutex
	var s *benchmarks.Signals
	users := 0
	open := func(name string, x benchmarks.Share, ask func(*benchmarks.Signals, benchmarks.Share)) job {
		return job{name, func() (func(*session) error, func(), error) {
			mu.Lock()
			defer mu.Unlock()
			if users++; s == nil {
				s = benchmarks.NewSignals(signals)
			}
			n := max(1, min(1000, collected/len(s.Sense(x))))
			run := func(sn *session) error {
				sn.add(name, "", measure.Drive(1, sn.ops(n), 0, func(uint64) { ask(s, x) }).Ns)
				return nil
			}
			return run, func() {
				mu.Lock()
				defer mu.Unlock()
				if users--; users == 0 {
					s.Close()
					s = nil
				}
			}, nil
		}}
	}
	var list []job
	for _, x := range benchmarks.Shares() {
		list = append(list,
			open(senseName("sense", signals, x), x, func(s *benchmarks.Signals, x benchmarks.Share) { s.Sense(x) }),
			open(senseName("loop", signals, x), x, func(s *benchmarks.Signals, x benchmarks.Share) { s.HasPrefix(x) }))
	}
	return list
}

// flushes is how many batches of 1,000 signals a round writes.
const flushes = 100

// A writer writes batches: prepare comes before each write and is not timed.
type writer struct {
	prepare, write func(context.Context) error
	close          func() error
}

// sqliteJob times the writing of batches to a file of its own.
func sqliteJob(name string, open func(ctx context.Context, dir string) (writer, error)) job {
	return job{name, func() (func(*session) error, func(), error) {
		ctx := context.Background()
		dir, err := os.MkdirTemp("", "ephemera-bench")
		if err != nil {
			return nil, nil, err
		}
		w, err := open(ctx, dir)
		if err != nil {
			os.RemoveAll(dir)
			return nil, nil, fmt.Errorf("%s: %w", name, err)
		}
		run := func(s *session) error {
			var took time.Duration
			n := s.ops(flushes)
			for range n {
				if err := w.prepare(ctx); err != nil {
					return err
				}
				start := time.Now()
				if err := w.write(ctx); err != nil {
					return err
				}
				took += time.Since(start)
			}
			s.add(name, "", float64(took)/float64(n)/benchmarks.Flushed)
			return nil
		}
		return run, func() {
			_ = w.close() // the figures are made; what is in the file goes with it
			os.RemoveAll(dir)
		}, nil
	}}
}

func openFlush(sync string) func(context.Context, string) (writer, error) {
	return func(ctx context.Context, dir string) (writer, error) {
		k, err := benchmarks.OpenKept(ctx, filepath.Join(dir, "s.db"), sync, 10*benchmarks.Flushed)
		if err != nil {
			return writer{}, err
		}
		return writer{func(context.Context) error { return k.Raise() }, k.Flush, k.Close}, nil
	}
}

func openInsert(sync string) func(context.Context, string) (writer, error) {
	return func(ctx context.Context, dir string) (writer, error) {
		l, err := benchmarks.OpenSQLiteLoop(ctx, filepath.Join(dir, "l.db"), sync)
		if err != nil {
			return writer{}, err
		}
		batch := benchmarks.ServiceSignals(benchmarks.Flushed)
		insert := func(ctx context.Context) error { return l.Insert(ctx, batch) }
		return writer{func(context.Context) error { return nil }, insert, l.Close}, nil
	}
}
