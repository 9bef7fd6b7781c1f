package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/window"
)

// An event is what happened to an order: it was taken, and later on charged.
type event struct {
	Order   string    `json:"order"`
	Cents   int64     `json:"cents"`
	Charged bool      `json:"charged"`
	At      time.Time `json:"at"`
}

// maxWaiting is how many orders may wait to be charged. More are refused, because a queue without an end cannot be drained.
const maxWaiting = 1000

func storeOptions() core.Options[event] {
	return core.Options[event]{Capacity: 100_000, Time: func(e *event) time.Time { return e.At }}
}

// A service takes orders and charges them.
type service struct {
	o      options
	store  *core.Store[event]
	window *window.Window
	kept   sinks.SignalStore
	out    io.Writer
	left   int // orders that were not charged in the end

	mu     sync.Mutex
	queue  chan event      // orders that wait to be charged
	known  map[string]bool // who repeats an order does not order twice; a real service forgets them again
	closed bool
}

// newService goes on with the orders that an earlier run took and did not charge.
func newService(ctx context.Context, o options, place string, store *core.Store[event], out io.Writer) (*service, error) {
	kept, err := sinks.OpenSignals(ctx, place)
	if err != nil {
		return nil, err
	}
	s := &service{o: o, store: store, kept: kept, out: out}
	if s.window, err = window.New(ctx, window.Options{Store: kept}); err != nil {
		return nil, errors.Join(err, kept.Close())
	}
	orders := s.orders()
	s.queue, s.known = make(chan event, max(maxWaiting, len(orders))), map[string]bool{}
	for _, e := range orders {
		s.known[e.Order] = true
		if !e.Charged {
			s.queue <- e
		}
	}
	return s, nil
}

func (s *service) close() error { return errors.Join(s.window.Close(), s.kept.Close()) }

// orders returns every order that the store holds, in the order in which they were taken.
func (s *service) orders() []event {
	cut := s.store.Cut()
	defer cut.Close()
	list, at := []event{}, map[string]int{}
	for _, e := range cut.All() {
		if i, known := at[e.Order]; known {
			list[i].Charged = list[i].Charged || e.Charged
			continue
		}
		at[e.Order] = len(list)
		list = append(list, *e)
	}
	return list
}

var errBusy = errors.New("too many orders wait, or the service is ending; try again elsewhere or later")

// take is done when the order is in the store and in the queue. Only then it may be acknowledged.
func (s *service) take(e event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known[e.Order] {
		return nil
	}
	if s.closed || len(s.queue) == cap(s.queue) {
		return errBusy
	}
	if err := s.add(e, "order.taken"); err != nil {
		return err
	}
	s.known[e.Order] = true
	s.queue <- e
	return nil
}

// add stores an event and raises a signal that tells of it.
func (s *service) add(e event, signal string) error {
	e.At = time.Now()
	if _, err := s.store.Append(e); err != nil {
		return err
	}
	_, err := s.window.Raise(signal, e.Order)
	return err
}

// charge works until the queue is closed and empty, or the context ends. It returns how many orders it charged.
func (s *service) charge(ctx context.Context) (charged int, err error) {
	for {
		select {
		case <-ctx.Done(): // chance decides if there is an order, too
			return charged, nil
		case e, more := <-s.queue:
			if !more {
				return charged, nil
			}
			select {
			case <-ctx.Done(): // not charged, so the next run will find it
				return charged, nil
			case <-time.After(s.o.charge): // what the bank takes
			}
			e.Charged = true
			if err := s.add(e, "order.charged"); err != nil {
				return charged, err
			}
			charged++
		}
	}
}

// ServeHTTP takes orders and lists them.
func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method + " " + r.URL.Path {
	case "GET /orders":
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(s.orders())
	case "POST /orders":
		var e event
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&e)
		if err != nil || e.Order == "" || len(e.Order) > 100 {
			http.Error(w, `want {"order":"a-1","cents":1250}, with an order of 1 to 100 bytes`, http.StatusBadRequest)
			return
		}
		e.Charged = false
		if err := s.take(e); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusAccepted)
	default:
		http.NotFound(w, r)
	}
}
