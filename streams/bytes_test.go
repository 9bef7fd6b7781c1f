package streams_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/ephemera-go/ephemera/streams"
)

// TestBytesAreExact: the bytes that Info tells, and by which RefuseNew refuses, are those of the events that are there, however
// many have been discarded.
func TestBytesAreExact(t *testing.T) {
	log := openLocal(t, streams.Options{Limits: streams.Limits{Events: 3000}})
	sum := func() (n int64) {
		p, err := log.Read(t.Context(), streams.Read{Stream: "a", Limit: streams.MaxPage})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range p.Events {
			n += int64(len(e.ID)+len(e.Type)+len(e.Data)+len(e.Meta)) + streams.EventOverhead
		}
		return n
	}
	add := func(n int) error {
		var events []streams.Event
		for i := range n {
			events = append(events, streams.Event{Type: "t", Data: []byte(`"` + strings.Repeat("x", i%50) + `"`), Meta: []byte(`{"m":1}`)})
		}
		_, err := log.Append(t.Context(), streams.Append{Stream: "a", Events: events})
		return err
	}
	for i, n := range []int{1, 7, 500, 1000, 1000, 900, 999, 1, 1000, 333} {
		if err := add(n); err != nil {
			t.Fatal(err)
		}
		if x, err := log.Info(t.Context(), "a"); err != nil || x.Bytes != sum() {
			t.Fatalf("step %d: %d bytes, want %d, %v", i, x.Bytes, sum(), err)
		}
	}
	room := sum() + 3*(int64(len(`t""{"m":1}`))+streams.EventOverhead)
	if err := log.SetLimits(t.Context(), "a", streams.Limits{Events: 4000, Bytes: room, Full: streams.RefuseNew}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := add(1); err != nil {
			t.Fatal(err)
		}
	}
	if err := add(1); !errors.Is(err, streams.ErrFull) || sum() != room {
		t.Error(err, sum(), room)
	}
}

// TestSizeAsStored: what is accepted can be read from a snapshot, also where an escape is longer in storage than it was given.
func TestSizeAsStored(t *testing.T) {
	l, store := logOver(t, streams.Options{})
	add := func(escapes int) error {
		data := `"` + strings.Repeat("x", (streams.MaxDataBytes-2)%6) + strings.Repeat(`\n`, escapes) + `"`
		_, err := l.Append(t.Context(), streams.Append{Stream: "a", Events: []streams.Event{{Data: []byte(data)}}})
		return err
	}
	most := (streams.MaxDataBytes - 2) / len(`\u000a`)
	if err := add(most); err != nil {
		t.Fatal(err)
	}
	if err := add(most + 1); !errors.Is(err, streams.ErrTooLarge) {
		t.Errorf("error %v", err)
	}
	cut := store.Cut()
	defer cut.Close()
	for _, r := range cut.All() {
		saved, err := streams.Codec{}.Append(nil, []streams.Record{*r})
		if err == nil {
			_, err = streams.Codec{}.Decode(nil, saved, 1)
		}
		if err != nil {
			t.Error(err)
		}
	}
}
