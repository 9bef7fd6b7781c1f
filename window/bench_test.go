package window

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

func benchWindow(b *testing.B, o Options) *Window {
	b.Helper()
	w, err := New(context.Background(), o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = w.Close() })
	return w
}

// The price of a raise beside that of an append of the same record with the same clock.
func BenchmarkRaise(b *testing.B) {
	b.Run("core", func(b *testing.B) {
		s, err := core.New(core.Options[Record]{Capacity: DefaultCapacity})
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		c := startTicker()
		defer c.stop()
		b.ReportAllocs()
		for b.Loop() {
			v := c.word.Load()
			_, _ = s.Append(Record{sec: int64(v >> nsecBits), nsec: uint32(v & nsecMask), name: 1, key: "order-17"})
		}
	})
	b.Run("core-arrival", func(b *testing.B) {
		s, err := core.New(core.Options[Record]{Capacity: DefaultCapacity, Arrival: true})
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = s.Close() }()
		b.ReportAllocs()
		for b.Loop() {
			_, _ = s.Append(Record{name: 1, key: "order-17"})
		}
	})
	b.Run("name", func(b *testing.B) {
		n, _ := benchWindow(b, Options{}).Name("order.completed")
		b.ReportAllocs()
		for b.Loop() {
			_, _ = n.Raise("order-17")
		}
	})
	b.Run("name-unsampled", func(b *testing.B) {
		n, _ := benchWindow(b, Options{SampleEvery: 1 << 40}).Name("order.completed")
		b.ReportAllocs()
		for b.Loop() {
			_, _ = n.Raise("order-17")
		}
	})
	b.Run("string", func(b *testing.B) {
		w := benchWindow(b, Options{})
		b.ReportAllocs()
		for b.Loop() {
			_, _ = w.Raise("order.completed", "order-17")
		}
	})
	b.Run("batch64", func(b *testing.B) {
		w := benchWindow(b, Options{})
		batch := make([]Signal, 64)
		for i := range batch {
			batch[i] = Signal{Name: "order.completed", Key: "order-17"}
		}
		b.ReportAllocs()
		for b.Loop() {
			_, _ = w.RaiseBatch(batch)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/64, "ns/signal")
	})
}

var sink int

// Sense over 1,000 names beside a loop over a slice written by hand, and path.Match.
func BenchmarkSense(b *testing.B) {
	for _, n := range []int{10_000, 1_000_000} {
		w := benchWindow(b, Options{Capacity: n, MaxAge: time.Hour})
		list := make([]Signal, 0, n)
		r := rand.New(rand.NewPCG(1, 2))
		for range n {
			k := r.IntN(1000)
			s := Signal{Time: time.Now(), Name: fmt.Sprintf("s%03d.done", k), Key: "key"}
			if k < 100 {
				s.Name = fmt.Sprintf("ord%02d.done", k)
			}
			list = append(list, s)
			_, _ = w.Raise(s.Name, s.Key)
		}
		for _, p := range []struct{ share, prefix string }{{"0.1%", "ord07."}, {"10%", "ord"}, {"100%", ""}} {
			b.Run(fmt.Sprintf("signals=%d/share=%s/sense", n, p.share), func(b *testing.B) {
				for b.Loop() {
					got, err := w.Sense(p.prefix + "*")
					if err != nil {
						b.Fatal(err)
					}
					sink = len(got)
				}
			})
			b.Run(fmt.Sprintf("signals=%d/share=%s/count", n, p.share), func(b *testing.B) {
				for b.Loop() {
					sink, _ = w.Find(p.prefix + "*").Count()
				}
			})
			b.Run(fmt.Sprintf("signals=%d/share=%s/hasprefix", n, p.share), func(b *testing.B) {
				for b.Loop() {
					var got []Signal
					for i := range list {
						if strings.HasPrefix(list[i].Name, p.prefix) {
							got = append(got, list[i])
						}
					}
					sink = len(got)
				}
			})
			b.Run(fmt.Sprintf("signals=%d/share=%s/path.Match", n, p.share), func(b *testing.B) {
				for b.Loop() {
					var got []Signal
					for i := range list {
						if ok, _ := path.Match(p.prefix+"*", list[i].Name); ok {
							got = append(got, list[i])
						}
					}
					sink = len(got)
				}
			})
		}
	}
}
