package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

const (
	maxBody   = 16 << 10
	maxDevice = 128 // bytes
	newest    = 20  // events of a device that are shown
)

func (s *sensors) handler() http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("POST /sensor", s.post)
	m.HandleFunc("GET /sensor/{device}", s.device)
	m.HandleFunc("GET /state", s.state)
	m.HandleFunc("GET /metrics", s.figures)
	m.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, "OK") })
	return m
}

// A reading is what a sensor sends.
type reading struct {
	DeviceID     string   `json:"deviceId"`
	Temperature  *float64 `json:"temperature"`
	Humidity     *float64 `json:"humidity"`
	TimestampUTC string   `json:"timestampUtc"`
}

// parseReading refuses what is no reading. JSON has no NaN and no infinity, so both numbers are finite.
func parseReading(body []byte, now time.Time) (r reading, at time.Time, err error) {
	if len(body) == 0 {
		return r, at, errors.New("a body is wanted")
	}
	if err := json.Unmarshal(body, &r); err != nil {
		return r, at, fmt.Errorf("no JSON of a reading: %w", err)
	}
	at = now
	if r.TimestampUTC != "" {
		at, err = parseTime(r.TimestampUTC)
	}
	switch {
	case strings.Trim(r.DeviceID, " .") == "" || len(r.DeviceID) > maxDevice: // dots alone are no part of a URL
		err = fmt.Errorf("deviceId: a name of 1 to %d bytes, not only of dots and spaces, is wanted", maxDevice)
	case r.Temperature == nil:
		err = errors.New("temperature: a number is wanted")
	case r.Humidity == nil:
		err = errors.New("humidity: a number is wanted")
	}
	return r, at, err
}

// parseTime reads RFC 3339. A time without a zone is UTC.
func parseTime(text string) (time.Time, error) {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		at, err = time.Parse("2006-01-02T15:04:05", text)
	}
	if err != nil {
		return at, errors.New("timestampUtc: a time such as 2026-01-01T12:00:00Z is wanted")
	}
	return at.UTC(), nil
}

func (s *sensors) post(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		problem(w, http.StatusRequestEntityTooLarge, fmt.Errorf("a reading has at most %d bytes: %w", maxBody, err))
		return
	}
	in, at, err := parseReading(body, time.Now().UTC())
	if err != nil {
		problem(w, http.StatusBadRequest, err)
		return
	}
	// A batch of one device is in one partition, and is seen whole or not at all.
	stored, err := s.store.AppendBatch([]Sample{
		{in.DeviceID, temperature, *in.Temperature, at},
		{in.DeviceID, humidity, *in.Humidity, at},
	})
	if err != nil { // it is being stopped
		problem(w, http.StatusServiceUnavailable, err)
		return
	}
	w.Header().Set("Location", "/sensor/"+url.PathEscape(in.DeviceID))
	reply(w, http.StatusCreated, map[string]any{
		"deviceId": in.DeviceID, "partition": stored.First().Partition, "events": stored.Appended(),
	})
}

func (s *sensors) device(w http.ResponseWriter, r *http.Request) {
	type sample struct {
		Sequence     uint64    `json:"sequence"`
		Metric       string    `json:"metric"`
		Value        float64   `json:"value"`
		TimestampUTC time.Time `json:"timestampUtc"`
	}
	name := r.PathValue("device")
	cut := s.store.Cut(s.store.PartitionOf(name))
	defer cut.Close()
	var events []sample
	for pos, e := range cut.Key(name).Newest(newest).All() {
		events = append(events, sample{pos.Sequence, e.Metric, e.Value, e.At})
	}
	if events == nil {
		problem(w, http.StatusNotFound, fmt.Errorf("no events of device %q", name))
		return
	}
	reply(w, http.StatusOK, map[string]any{"deviceId": name, "partition": s.store.PartitionOf(name), "newest": events})
}

// A figure is what /state says of a metric.
type figure struct {
	Count uint64   `json:"count"`
	Min   *float64 `json:"min"` // null without a value, as max and avg are
	Max   *float64 `json:"max"`
	Avg   *float64 `json:"avg"` // null, too, when the sum is no number any more
}

func figureOf(s *core.Summary) (f figure) {
	if s == nil || s.Count == 0 {
		return f
	}
	f = figure{Count: s.Count, Min: &s.Min, Max: &s.Max}
	if avg, _ := s.Average(); !math.IsInf(avg, 0) {
		f.Avg = &avg
	}
	return f
}

func (s *sensors) state(w http.ResponseWriter, _ *http.Request) {
	all, err := s.metrics.Query(time.Time{}, time.Time{})
	if err != nil {
		problem(w, http.StatusInternalServerError, err)
		return
	}
	l := s.store.Ledger()
	reply(w, http.StatusOK, map[string]any{
		temperature: figureOf(all.Value[temperature]), humidity: figureOf(all.Value[humidity]),
		"total": l.Visible, "appended": l.Appended, "restored": l.Restored, "discarded": l.Discarded,
	})
}

func reply(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		problem(w, http.StatusInternalServerError, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // to somebody who may have left
}

func problem(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"status": status, "title": http.StatusText(status), "detail": err.Error()})
}
