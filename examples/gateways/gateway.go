package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"github.com/ephemera-go/ephemera/streams"
)

const (
	maxBulk  = 1000 // orders in one request, which is also what the server takes at once
	maxValor = 1_000_000
	maxBody  = 4 << 10
)

func newGateway(o options, log streams.Log) http.Handler {
	g := &gateway{id: o.id, stream: o.stream, log: log, wait: o.wait}
	m := http.NewServeMux()
	m.HandleFunc("GET /health", g.health)
	m.HandleFunc("POST /orders", g.order)
	m.HandleFunc("POST /orders/bulk", g.bulk)
	m.HandleFunc("GET /stats/local", g.local)
	m.HandleFunc("GET /stats/global", g.global)
	return m
}

func (g *gateway) health(w http.ResponseWriter, _ *http.Request) {
	reply(w, http.StatusOK, map[string]string{"gatewayId": g.id, "status": "OK"})
}

func (g *gateway) order(w http.ResponseWriter, r *http.Request) {
	key := keyOf(r)
	valor, err := valorOf(w, r, key)
	if err != nil {
		status := http.StatusBadRequest
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			status = http.StatusRequestEntityTooLarge
		}
		problem(w, status, err)
		return
	}
	stored, again, err := g.place(r.Context(), key, []Order{{ID: key, GatewayID: g.id, Valor: valor}})
	if err != nil {
		problem(w, statusOf(err), err)
		return
	}
	reply(w, created(again), stored[0])
}

func (g *gateway) bulk(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.URL.Query().Get("n"))
	if err != nil || n < 0 || n > maxBulk {
		problem(w, http.StatusBadRequest, fmt.Errorf("parameter n: a whole number from 0 to %d is wanted", maxBulk))
		return
	}
	key := keyOf(r)
	orders := make([]Order, n)
	for i := range orders {
		id := fmt.Sprintf("%s-%d", key, i+1)
		orders[i] = Order{ID: id, GatewayID: g.id, Valor: madeUp(id)}
	}
	again := true // of nothing
	if n > 0 {
		if orders, again, err = g.place(r.Context(), key, orders); err != nil {
			problem(w, statusOf(err), err)
			return
		}
	}
	out := struct {
		Requested int    `json:"requested"`
		Succeeded int    `json:"succeeded"`
		Valor     int    `json:"valor"` // of all together
		GatewayID string `json:"gatewayId"`
	}{n, len(orders), 0, g.id}
	for _, o := range orders {
		out.Valor += o.Valor
		out.GatewayID = o.GatewayID
	}
	reply(w, created(again), out)
}

func (g *gateway) local(w http.ResponseWriter, _ *http.Request) {
	g.mu.Lock()
	out := g.sent
	g.mu.Unlock()
	reply(w, http.StatusOK, struct {
		GatewayID string `json:"gatewayId"`
		sent
	}{g.id, out})
}

// global is the server's own account, in the words of its ?aggregate=true.
func (g *gateway) global(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), g.wait)
	defer cancel()
	s, err := g.log.Aggregate(ctx, streams.Aggregate{Stream: g.stream, Field: "valor", By: "gatewayId"})
	if err != nil {
		problem(w, statusOf(err), err)
		return
	}
	type group struct {
		Count uint64  `json:"count"`
		Sum   float64 `json:"sum"`
	}
	gateways := map[string]group{}
	for id, x := range s.Groups {
		gateways[id] = group{x.Events, x.Numbers.Sum}
	}
	reply(w, http.StatusOK, map[string]any{
		"stream": s.Stream, "totalEvents": s.Events, "totalValor": s.Numbers.Sum, "gateways": gateways,
	})
}

// keyOf returns the key that the customer or the balancer chose. Without one a request cannot be repeated, but the gateway
// can repeat its own towards the server.
func keyOf(r *http.Request) string {
	if key := r.Header.Get("Idempotency-Key"); key != "" {
		return key
	}
	return randomText(26)
}

// valorOf reads the body. Without one the valor follows from the key, so that it is the same at every gateway.
func valorOf(w http.ResponseWriter, r *http.Request, key string) (int, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	switch {
	case err != nil:
		return 0, fmt.Errorf("body: %w", err)
	case len(body) == 0:
		return madeUp(key), nil
	}
	var in struct {
		Valor *int `json:"valor"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return 0, fmt.Errorf("body: %w", err)
	}
	if in.Valor == nil || *in.Valor < 1 || *in.Valor > maxValor {
		return 0, fmt.Errorf("valor: a whole number from 1 to %d is wanted", maxValor)
	}
	return *in.Valor, nil
}

func created(again bool) int {
	if again {
		return http.StatusOK
	}
	return http.StatusCreated
}

func statusOf(err error) int {
	switch {
	case errors.Is(err, streams.ErrKeyReused):
		return http.StatusUnprocessableEntity
	case errors.Is(err, streams.ErrInvalid):
		return http.StatusBadRequest
	case errors.Is(err, streams.ErrFull):
		return http.StatusTooManyRequests
	case errors.Is(err, streams.ErrDenied):
		return http.StatusBadGateway
	}
	return http.StatusServiceUnavailable // no answer, or none that decides: repeat it with the same key
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // to somebody who may have left
}

func problem(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/problem+json")
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"status": status, "title": http.StatusText(status), "detail": err.Error()})
}
