package window

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

// A bottomless store has signals 1 to last without keeping them: only what is read takes memory.
type bottomless struct {
	sinks.SignalStore
	last uint64
	read atomic.Uint64
}

func (s *bottomless) Stat(context.Context) (sinks.SignalStat, error) {
	return sinks.SignalStat{First: 1, Last: s.last, Count: s.last}, nil
}

func (s *bottomless) ReadNewest(_ context.Context, before uint64, limit int) ([]sinks.Signal, error) {
	page := make([]sinks.Signal, 0, limit)
	for n := before - min(before-1, uint64(limit)); n < before; n++ {
		page = append(page, sinks.Signal{
			Sequence: n, Time: noon.Add(time.Duration(n)), Name: fmt.Sprintf("name-%d", n%1000), Key: fmt.Sprintf("customer-%d", n),
		})
	}
	s.read.Add(uint64(len(page)))
	return page, nil
}

// greatestHeap runs f and returns the most memory that was alive meanwhile, as the collector saw it. It runs each time the
// heap has grown by a tenth.
func greatestHeap(f func()) (most uint64) {
	defer debug.SetGCPercent(debug.SetGCPercent(10))
	runtime.GC()
	quit, done := make(chan struct{}), make(chan struct{})
	look := func() {
		sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
		metrics.Read(sample)
		most = max(most, sample[0].Value.Uint64())
	}
	go func() {
		defer close(done)
		t := time.NewTicker(time.Millisecond)
		defer t.Stop()
		for {
			select {
			case <-quit:
				return
			case <-t.C:
				look()
			}
		}
	}()
	f()
	close(quit)
	<-done
	look()
	return most
}

// Load reads no more than the window has room for, and takes little more memory than the window keeps afterwards: about 56
// bytes a signal and its key, of 24 bytes here.
func TestLoadMemory(t *testing.T) {
	many := uint64(pick(1_000_000, 200_000))
	const each, slack = 200, 1 << 20 // bytes a signal, and for all else; keeping one more copy of all signals breaks it
	for _, c := range []struct{ capacity, stored uint64 }{{many, many}, {10_000, many}, {many, 10_000}} {
		t.Run(fmt.Sprintf("%d of %d", c.capacity, c.stored), func(t *testing.T) {
			s := &bottomless{last: c.stored}
			w := open(t, Options{Store: s, Capacity: int(c.capacity), Clock: func() time.Time { return noon }})
			want := min(c.capacity, c.stored)
			before := greatestHeap(func() {})
			most := greatestHeap(func() {
				r, err := w.Load(t.Context(), LoadOptions{})
				if err != nil || r.Restored != int(want) {
					t.Errorf("%+v, %v", r, err)
				}
			})
			if read := s.read.Load(); read > want+1 {
				t.Errorf("%d signals were read for %d", read, want)
			}
			if most > before+want*each+slack {
				t.Errorf("%d signals took up to %d bytes, %d each", want, most-before, (most-before)/want)
			}
			t.Logf("%d signals: %d bytes each at most", want, (most-min(most, before))/want)
		})
	}
}
