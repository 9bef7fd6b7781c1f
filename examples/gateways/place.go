package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"hash/fnv"
	"slices"
	"sync"
	"time"

	"github.com/ephemera-go/ephemera/streams"
)

// An Order is an event. Nothing in it depends on when it is sent, so that sending it again is the same.
type Order struct {
	ID        string `json:"id"`
	GatewayID string `json:"gatewayId"` // that stored it
	Valor     int    `json:"valor"`
}

var typed = streams.Typed[Order]{Type: "order.placed"}

// A label is kept beside an order, and is no part of it: what was one request of a customer, and one call of a gateway.
type label struct {
	Key  string `json:"key"`
	Call string `json:"call"`
}

// A gateway appends orders to a stream.
type gateway struct {
	id, stream string
	log        streams.Log
	wait       time.Duration // for the server to answer

	mu   sync.Mutex
	sent sent
}

// sent is what a gateway has stored since it was started.
type sent struct {
	Sent     int `json:"sent"`     // orders
	Valor    int `json:"valor"`    // of them
	Repeated int `json:"repeated"` // requests whose orders were there already
	Unknown  int `json:"unknown"`  // orders of which it never learned whether they were stored
}

// place stores the orders of one request, all or none. It may come twice: the customer repeats it, or the balancer sends it to
// another gateway, because the first one died before it replied. The key sees to it that the server stores it once, and
// place then returns what is stored. A request that was begun is finished, even if the customer has left.
func (g *gateway) place(ctx context.Context, key string, orders []Order) (stored []Order, again bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*g.wait) // more than the client takes by itself, unless the server hangs
	defer cancel()
	mine := label{key, randomText(26)}
	events, err := mine.events(orders)
	if err != nil {
		return nil, false, err
	}
	result, err := g.log.Append(ctx, streams.Append{Stream: g.stream, Key: key, Events: events})
	switch {
	case errors.Is(err, streams.ErrKeyReused): // by another gateway, or for other orders
		stored, _, failed := g.find(ctx, key, 0)
		if failed == nil && !same(orders, stored) {
			failed = err
		}
		return g.repeated(stored, failed)
	case err != nil:
		if errors.Is(err, streams.ErrUnknownOutcome) {
			g.note(sent{Unknown: len(orders)})
		}
		return nil, false, err
	case result.Duplicate: // this gateway has stored it: now, and the reply was lost, or earlier
		_, theirs, failed := g.find(ctx, key, result.Last)
		if failed != nil {
			g.note(sent{Unknown: len(orders)})
			return nil, false, failed
		}
		if theirs != mine {
			return g.repeated(orders, nil)
		}
	}
	done := sent{Sent: len(orders)}
	for _, o := range orders {
		done.Valor += o.Valor
	}
	g.note(done)
	return orders, false, nil
}

func (g *gateway) repeated(stored []Order, err error) ([]Order, bool, error) {
	if err != nil {
		return nil, false, err
	}
	g.note(sent{Repeated: 1})
	return stored, true, nil
}

// note adds to the account.
func (g *gateway) note(s sent) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sent.Sent += s.Sent
	g.sent.Valor += s.Valor
	g.sent.Repeated += s.Repeated
	g.sent.Unknown += s.Unknown
}

// events turns orders into what is appended.
func (l label) events(orders []Order) ([]streams.Event, error) {
	meta, err := json.Marshal(l)
	if err != nil {
		return nil, err
	}
	events, err := typed.Events(orders...)
	for i := range events {
		events[i].Meta = meta
	}
	return events, err
}

// find looks for the orders of a key, which lie side by side, among the last 10,000 up to a version; 0 is the newest one.
// Orders that it does not find are none.
func (g *gateway) find(ctx context.Context, key string, from uint64) (orders []Order, l label, err error) {
	read := streams.Read{Stream: g.stream, From: from, Backward: true, Limit: maxBulk}
	for range 10 {
		page, err := g.log.Read(ctx, read)
		if err != nil {
			return nil, l, err
		}
		for _, e := range page.Events {
			var at label
			if json.Unmarshal(e.Meta, &at) != nil || at.Key != key {
				if len(orders) > 0 {
					slices.Reverse(orders)
					return orders, l, nil
				}
				continue
			}
			o, err := typed.Value(e)
			if err != nil {
				return nil, l, err
			}
			orders, l = append(orders, o), at
		}
		if !page.More || len(page.Events) == 0 {
			break
		}
		read.From = page.Events[len(page.Events)-1].Version - 1
	}
	slices.Reverse(orders)
	return orders, l, nil
}

// same compares what the customer has a say in: not which gateway it was.
func same(a, b []Order) bool {
	return slices.EqualFunc(a, b, func(x, y Order) bool { return x.ID == y.ID && x.Valor == y.Valor })
}

// madeUp returns a valor from 1 to 4999 that follows from an id.
func madeUp(id string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(id)) // never fails
	return 1 + int(h.Sum32()%4999)
}

func randomText(n int) string { return rand.Text()[:n] }
