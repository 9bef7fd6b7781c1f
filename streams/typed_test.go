package streams_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/streams"
)

type order struct {
	ID     string    `json:"-"`
	Amount float64   `json:"amount"`
	Paid   *bool     `json:"paid,omitempty"`
	Lines  []string  `json:"lines"`
	At     time.Time `json:"-"`
}

func TestTyped(t *testing.T) {
	log := openLocal(t, streams.Options{})
	orders := streams.Typed[order]{Type: "order", ID: func(o *order) string { return o.ID }, Time: func(o *order) time.Time { return o.At }}
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	events, err := orders.Events(order{"1", 12.5, nil, []string{"a<b"}, at}, order{"2", -1e-300, new(bool), nil, time.Time{}})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time they are known
		if r, err := log.Append(t.Context(), streams.Append{Stream: "orders", Events: events}); err != nil || r.Last != 2 {
			t.Fatal(r, err)
		}
	}
	page, err := log.Read(t.Context(), streams.Read{Stream: "orders"})
	if err != nil || len(page.Events) != 2 || page.Events[0].Type != "order" || !page.Events[0].Time.Equal(at) || page.Events[1].Time.IsZero() {
		t.Fatal(page, err)
	}
	first, err := orders.Value(page.Events[0])
	if err != nil || first.Amount != 12.5 || first.Paid != nil || first.Lines[0] != "a<b" {
		t.Error(first, err)
	}
	second, err := orders.Value(page.Events[1])
	if err != nil || second.Amount != -1e-300 || second.Paid == nil || *second.Paid || second.Lines != nil {
		t.Error(second, err)
	}

	if _, err := orders.Events(order{}, order{Amount: math.NaN()}); !errors.Is(err, streams.ErrInvalid) || !strings.Contains(err.Error(), "event 1") {
		t.Error(err)
	}
	if _, err := (streams.Typed[order]{Type: "refund"}).Value(page.Events[0]); !errors.Is(err, streams.ErrInvalid) {
		t.Error(err)
	}
	if _, err := (streams.Typed[[]int]{}).Value(page.Events[0]); !errors.Is(err, streams.ErrInvalid) {
		t.Error(err)
	}
	if v, err := (streams.Typed[map[string]any]{}).Value(page.Events[0]); err != nil || v["amount"] != 12.5 {
		t.Error(v, err)
	}
}

func ExampleTyped() {
	type Reading struct {
		Sensor  string  `json:"sensor"`
		Celsius float64 `json:"celsius"`
	}
	ctx := context.Background()
	log, err := streams.New(streams.Options{})
	if err != nil {
		panic(err)
	}
	defer func() { _ = log.Close() }()

	readings := streams.Typed[Reading]{Type: "reading"}
	events, err := readings.Events(Reading{"roof", 21.5}, Reading{"cellar", 12})
	if err != nil {
		panic(err)
	}
	if _, err := log.Append(ctx, streams.Append{Stream: "readings", Events: events}); err != nil {
		panic(err)
	}

	page, err := log.Read(ctx, streams.Read{Stream: "readings"})
	if err != nil {
		panic(err)
	}
	for _, e := range page.Events {
		r, err := readings.Value(e)
		fmt.Println(e.Version, r.Sensor, r.Celsius, err)
	}
	s, err := log.Aggregate(ctx, streams.Aggregate{Stream: "readings", Field: "celsius", By: "sensor"})
	fmt.Println(s.Numbers.Max, s.Groups["cellar"].Numbers.Sum, err)
	// Output:
	// 1 roof 21.5 <nil>
	// 2 cellar 12 <nil>
	// 21.5 12 <nil>
}
