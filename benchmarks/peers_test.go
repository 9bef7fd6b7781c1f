package benchmarks

import (
	"fmt"
	"io"
	"log"
	"testing"

	"github.com/ephemera-go/ephemera/benchmarks/internal/measure"
)

// quietDiodes keeps the lines that a diode logs when two writers meet out of the results of the benchmarks.
func quietDiodes(tb testing.TB) {
	tb.Helper()
	old := log.Writer()
	log.SetOutput(io.Discard)
	tb.Cleanup(func() { log.SetOutput(old) })
}

func BenchmarkPeerChannel(b *testing.B) { manyWriters(b, at(Channel), single) }

func BenchmarkPeerChannelString(b *testing.B) { manyWriters(b, at(ChannelStrings), single) }

func BenchmarkPeerXsyncMPMCQueue(b *testing.B) { manyWriters(b, at(MPMC), single) }

func BenchmarkPeerXsyncMPMCQueueString(b *testing.B) { manyWriters(b, at(MPMCStrings), single) }

func BenchmarkPeerDiode(b *testing.B) { quietDiodes(b); manyWriters(b, at(ManyToOne), single) }

func BenchmarkPeerSingleDiode(b *testing.B) {
	b.Run("writers=1", func(b *testing.B) { benchmark(b, 1, at(OneToOne), single) })
}

func BenchmarkPeerWorkivaRing(b *testing.B) { manyWriters(b, at(Workiva), single) }

// aggregate measures how long it takes to hand over one value.
func aggregate(b *testing.B, open func() Aggregate) {
	b.Helper()
	for _, w := range writerCounts {
		b.Run(fmt.Sprintf("writers=%d", w), func(b *testing.B) {
			a := open()
			measure.Drive(1, 1<<10, WriterShift, a.Observe)
			b.ReportAllocs()
			b.ResetTimer()
			measure.Drive(w, b.N, WriterShift, a.Observe)
			b.StopTimer()
			if err := a.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}

func BenchmarkPeerPrometheusHistogram(b *testing.B) { aggregate(b, PrometheusHistogram) }

func BenchmarkPeerPrometheusSummary(b *testing.B) { aggregate(b, PrometheusSummary) }

func BenchmarkPeerOTelHistogram(b *testing.B) { aggregate(b, OTelHistogram) }

// The bounded peers keep exactly their capacity.
func TestQueuesDropTheirOldest(t *testing.T) {
	channel, queue, ring := NewDropOldest[Event](64), NewQueue[Event](64), NewWorkivaRing(64)
	diode, one := NewDiode(64), NewSingleDiode(64)
	for x := range uint64(1000) {
		for _, add := range []func(Event){channel.Append, queue.Append, ring.Append, diode.Append, one.Append} {
			add(Make(x))
		}
	}
	const oldest = 1000 - 64
	if first := <-channel.events; first.Sequence != oldest || channel.Len() != 63 {
		t.Errorf("channel: first %d, then %d more", first.Sequence, channel.Len())
	}
	if first, _ := queue.q.TryDequeue(); first.Sequence != oldest || queue.Len() != 63 {
		t.Errorf("queue: first %d", first.Sequence)
	}
	if first, err := ring.Next(); err != nil || first.Sequence != oldest || ring.Len() != 63 {
		t.Errorf("ring: first %d, then %d more: %v", first.Sequence, ring.Len(), err)
	}
	for name, next := range map[string]func() (Event, bool){"diode": diode.Next, "single diode": one.Next} {
		newest, n := uint64(0), 0
		for {
			e, ok := next()
			if !ok {
				break
			}
			// A diode's reader begins where it stood and catches up, so it may lose more than it has to.
			if e.Sequence < oldest || e.Sequence <= newest {
				t.Errorf("%s: event %d after %d", name, e.Sequence, newest)
			}
			newest = e.Sequence
			n++
		}
		if newest != 999 || n == 0 || n > 64 {
			t.Errorf("%s: %d events, the newest is %d", name, n, newest)
		}
	}
}

// Writers that drop for each other neither hang nor empty the ring.
func TestWorkivaRingStaysFullUnderWriters(t *testing.T) {
	const size, slack = 1 << 10, 64 // a writer may have taken an event away and given its room to another one
	r := NewWorkivaRing(size)
	measure.Drive(4, 40_000, WriterShift, func(x uint64) { r.Append(Make(x)) })
	if n := r.Len(); n < size-slack || n > size {
		t.Errorf("%d events are left of %d", n, size)
	}
}

func TestAggregatesTakeEveryValue(t *testing.T) {
	for _, a := range []Aggregate{PrometheusHistogram(), PrometheusSummary(), OTelHistogram()} {
		measure.Drive(2, 10_000, WriterShift, a.Observe)
		if n, err := a.Count(); err != nil || n != 10_000 {
			t.Errorf("%s: %d values of 10,000: %v", a.Name, n, err)
		}
		if err := a.Close(); err != nil {
			t.Errorf("%s: %v", a.Name, err)
		}
	}
}
