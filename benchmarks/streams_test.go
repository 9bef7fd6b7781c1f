package benchmarks

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/ephemera-go/ephemera/streams"
)

// crowd is how many readers follow a stream in the benchmarks of fan-out, keys how many ids are remembered for their memory.
const (
	crowd = 100
	keys  = 100_000
)

// What the benchmarks compare is the same events.
func TestStreamsStoreTheOrders(t *testing.T) {
	s, log := ServeStreams()
	defer s.Close()
	defer func() { _ = log.Close() }()
	var body []byte
	for i := range uint64(LinesBatch) {
		body = OrderLine(body, i, i+1)
	}
	if err := Post(s.Client(), s.URL+"/streams/orders", "application/x-ndjson", body); err != nil {
		t.Fatal(err)
	}
	if n, err := DecodeLines(body); n != LinesBatch || err != nil {
		t.Error(n, err)
	}
	page, err := log.Read(t.Context(), streams.Read{Stream: "orders"})
	if err != nil || len(page.Events) != LinesBatch {
		t.Fatal(len(page.Events), err)
	}
	for i, e := range page.Events {
		if want := string(Order(nil, uint64(i))); string(e.Data) != want || e.ID != fmt.Sprint("o-", i+1) {
			t.Fatalf("event %d is %+v %s, want %s", i, e, e.Data, want)
		}
	}
	plain := NewPlainLog()
	if plain.Append("1", body[:0]) == nil || plain.Append("1", Order(nil, 1)) != nil || plain.Append("1", Order(nil, 1)) == nil {
		t.Error("the reference does not refuse what it should, or refuses what it should not")
	}
}

// BenchmarkStreamAppend appends one event in process.
func BenchmarkStreamAppend(b *testing.B) {
	for _, ids := range []bool{false, true} {
		for _, expect := range []bool{false, true} {
			b.Run(fmt.Sprintf("id=%v/expect=%v", ids, expect), func(b *testing.B) { appendOrders(b, ids, expect) })
		}
	}
}

func appendOrders(b *testing.B, ids, expect bool) {
	log := OpenStreams()
	defer func() { _ = log.Close() }()
	events := make([]streams.Event, 1)
	a := streams.Append{Stream: "orders", Events: events}
	data := Order(nil, 17)
	b.ReportAllocs()
	for i := range b.N {
		events[0] = streams.Event{Type: "order.placed", Data: data}
		if ids {
			events[0].ID = "o-" + strconv.Itoa(i)
		}
		if expect {
			a.Expect = streams.ExpectVersion(uint64(i))
		}
		if _, err := log.Append(context.Background(), a); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReferenceStreamAppend does it by hand.
func BenchmarkReferenceStreamAppend(b *testing.B) {
	for _, ids := range []bool{false, true} {
		b.Run(fmt.Sprintf("id=%v", ids), func(b *testing.B) {
			p := NewPlainLog()
			data := Order(nil, 17)
			b.ReportAllocs()
			for i := range b.N {
				id := ""
				if ids {
					id = "o-" + strconv.Itoa(i)
				}
				failed(b, p.Append(id, data))
			}
		})
	}
}

// BenchmarkStreamHTTPAppend appends one event a request, over one connection.
func BenchmarkStreamHTTPAppend(b *testing.B) {
	s, log := ServeStreams()
	defer func() { _ = log.Close() }()
	postOrders(b, s)
}

// BenchmarkReferenceHTTPPost posts the same to a handler that only reads it.
func BenchmarkReferenceHTTPPost(b *testing.B) { postOrders(b, httptest.NewServer(BareReply)) }

func postOrders(b *testing.B, s *httptest.Server) {
	defer s.Close()
	body := OrderLine(nil, 17, 0)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		failed(b, Post(s.Client(), s.URL+"/streams/orders", "application/json", body))
	}
}

// BenchmarkStreamHTTPLines appends 100 lines a request, two clients beside the server.
func BenchmarkStreamHTTPLines(b *testing.B) {
	for _, ids := range []bool{false, true} {
		b.Run(fmt.Sprintf("id=%v", ids), func(b *testing.B) {
			s, log := ServeStreams()
			defer s.Close()
			defer func() { _ = log.Close() }()
			var next, client atomic.Uint64
			b.SetParallelism(1)
			b.ResetTimer()
			b.RunParallel(func(p *testing.PB) {
				url := s.URL + "/streams/orders/" + strconv.FormatUint(client.Add(1), 10)
				var body []byte
				for p.Next() {
					body = body[:0]
					for range LinesBatch {
						n := next.Add(1)
						id := n
						if !ids {
							id = 0
						}
						body = OrderLine(body, n, id)
					}
					if err := Post(s.Client(), url, "application/x-ndjson", body); err != nil {
						b.Error(err)
						return
					}
				}
			})
			perEvent(b, LinesBatch)
		})
	}
}

// BenchmarkReferenceDecodeLines decodes the same bytes in a loop, on as many processors.
func BenchmarkReferenceDecodeLines(b *testing.B) {
	var body []byte
	for i := range uint64(LinesBatch) {
		body = OrderLine(body, i, 0)
	}
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			if n, err := DecodeLines(body); n != LinesBatch || err != nil {
				b.Error(n, err)
			}
		}
	})
	perEvent(b, LinesBatch)
}

// BenchmarkStreamFanOut appends events of which each goes to a hundred readers.
func BenchmarkStreamFanOut(b *testing.B) {
	s, log := ServeStreams()
	defer s.Close()
	defer func() { _ = log.Close() }()
	data := Order(nil, 17)
	fanOut(b, s, func() {
		e := streams.Event{Type: "order.placed", Data: data}
		if _, err := log.Append(context.Background(), streams.Append{Stream: "orders", Events: []streams.Event{e}}); err != nil {
			b.Error(err)
		}
	})
}

// BenchmarkReferenceFanOut sends as many bytes that are ready.
func BenchmarkReferenceFanOut(b *testing.B) {
	frame := fmt.Sprintf("id: %032x:1000000\ndata: {\"id\":\"\",\"type\":\"order.placed\",\"stream\":\"orders\",\"version\":1000000,"+
		"\"time\":\"2026-01-01T00:00:00.123456789Z\",\"data\":%s}\n\n", 1, Order(nil, 17))
	x := NewBroadcast([]byte(frame))
	s := httptest.NewServer(x)
	defer s.Close()
	defer x.Send(true)
	fanOut(b, s, func() { x.Send(false) })
}

// fanOut sends b.N events, a few ahead of the readers.
func fanOut(b *testing.B, s *httptest.Server, send func()) {
	c := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 0}}
	defer c.CloseIdleConnections()
	readers, err := Gather(c, s.URL+"/streams/orders", crowd)
	defer readers.Disperse()
	failed(b, err)
	const ahead = 1000 // fewer than a stream keeps
	total := 0
	b.ResetTimer()
	for left := b.N; left > 0; {
		n := min(left, ahead)
		left -= n
		total += n * crowd
		readers.Want(total)
		for range n {
			send()
		}
		readers.Wait()
	}
	b.StopTimer()
	perEvent(b, crowd)
}

// perEvent reports the time per event when one operation moves n of them.
func perEvent(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/event")
}

// BenchmarkStreamKeyMemory reports the heap that a remembered id takes.
func BenchmarkStreamKeyMemory(b *testing.B) {
	for range b.N {
		x := orFatal(KeyBytes(keys))(b)
		b.ReportMetric(x, "bytes/key")
	}
	b.ReportMetric(0, "ns/op")
}
