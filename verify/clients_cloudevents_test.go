package verify

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	ceevent "github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"

	"github.com/ephemera-go/ephemera/streams"
)

// TestClientsCloudEvents sends with the Go SDK of CloudEvents: structured, binary and batch, each again, and one event in two
// modes, which is the same event.
func TestClientsCloudEvents(t *testing.T) {
	s, log := clientServer(t, nil)
	url := s.URL + "/streams/cloud"
	at := time.Date(2026, 2, 3, 4, 5, 6, 789e6, time.UTC)
	reading := func(id string) ceevent.Event {
		e := cloudevents.NewEvent()
		e.SetID(id)
		e.SetSource("/sensors/7")
		e.SetType("reading.taken")
		e.SetTime(at)
		e.SetExtension("trace", "ünïcode 100%")
		if err := e.SetData("application/json", map[string]any{"celsius": 21.5, "id": id}); err != nil {
			t.Fatal(err)
		}
		return e
	}
	c, err := cloudevents.NewClientHTTP(cehttp.WithTarget(url))
	if err != nil {
		t.Fatal(err)
	}
	send := func(ctx context.Context, id string, status int) {
		t.Helper()
		result := c.Send(ctx, reading(id))
		var got *cehttp.Result
		if !cloudevents.ResultAs(result, &got) || got.StatusCode != status {
			t.Fatalf("event %s: %v, want status %d", id, result, status)
		}
	}
	for range 2 {
		status := http.StatusCreated
		if v, err := log.Info(t.Context(), "cloud"); err != nil || v.Version > 0 {
			status = http.StatusOK // all of it again
		}
		send(binding.WithForceStructured(t.Context()), "1", status)
		send(binding.WithForceBinary(t.Context()), "2", status)
		r, err := cehttp.NewHTTPRequestFromEvents(t.Context(), url, []ceevent.Event{reading("3"), reading("4")})
		if err != nil {
			t.Fatal(err)
		}
		resp, err := s.Client().Do(r)
		if err != nil || resp.StatusCode != status {
			t.Fatal(resp, err)
		}
		_ = resp.Body.Close()
	}
	send(binding.WithForceBinary(t.Context()), "1", http.StatusOK)
	send(binding.WithForceStructured(t.Context()), "2", http.StatusOK)

	page, err := log.Read(t.Context(), streams.Read{Stream: "cloud"})
	if err != nil || len(page.Events) != 4 {
		t.Fatal(len(page.Events), err)
	}
	for i, e := range page.Events {
		var meta map[string]string
		id := string(rune('1' + i))
		if err := json.Unmarshal(e.Meta, &meta); err != nil {
			t.Fatal(err)
		}
		if e.ID != "/sensors/7 "+id || e.Type != "reading.taken" || !e.Time.Equal(at) || string(e.Data) != `{"celsius":21.5,"id":"`+id+`"}` ||
			meta["id"] != id || meta["source"] != "/sensors/7" || meta["trace"] != "ünïcode 100%" || meta["specversion"] != "1.0" || meta["datacontenttype"] != "application/json" {
			t.Errorf("event %d is %+v, %s, %s", i+1, e, e.Data, e.Meta)
		}
	}
}
