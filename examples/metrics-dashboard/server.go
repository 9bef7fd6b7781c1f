package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

var errUnreachable = errors.New("the server cannot be reached")

// server is what the dashboard asks.
type server struct{ base, token string }

// A Metric is what is posted.
type Metric struct {
	Label string    `json:"label"`
	Value float64   `json:"value"`
	At    time.Time `json:"timestamp"`
}

// window is the reply to /metrics/window. Without values it has no minimum, maximum and average.
type window struct {
	Count         int
	Sum           float64
	Min, Max, Avg *float64
}

// ranked is a line of the reply to /metrics/top.
type ranked struct {
	Label string
	Sum   float64
	Count int
}

func (s *server) post(ctx context.Context, metrics []Metric) error {
	body, err := json.Marshal(metrics)
	if err != nil {
		return err
	}
	return s.do(ctx, http.MethodPost, "/metrics", nil, body, nil)
}

func (s *server) sumWindow(ctx context.Context, label string, minutes int) (sum float64, err error) {
	err = s.do(ctx, http.MethodGet, "/metrics/sum-window", url.Values{"label": {label}, "minutes": {strconv.Itoa(minutes)}}, nil, &sum)
	return sum, err
}

func (s *server) window(ctx context.Context, label string, from time.Time) (w window, err error) {
	err = s.do(ctx, http.MethodGet, "/metrics/window", url.Values{"label": {label}, "from": {from.Format(time.RFC3339Nano)}}, nil, &w)
	return w, err
}

func (s *server) top(ctx context.Context, k int, from time.Time) (list []ranked, err error) {
	err = s.do(ctx, http.MethodGet, "/metrics/top", url.Values{"k": {strconv.Itoa(k)}, "from": {from.Format(time.RFC3339Nano)}}, nil, &list)
	return list, err
}

// do sends a request and reads the reply. The token shows in no error.
func (s *server) do(ctx context.Context, method, path string, q url.Values, body []byte, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, s.base+path+"?"+q.Encode(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if s.token != "" {
		r.Header.Set("Authorization", "Bearer "+s.token)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return fmt.Errorf("%w: %w", errUnreachable, err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	text = bytes.TrimSpace(text)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", errUnreachable, err)
	case resp.StatusCode >= http.StatusBadGateway: // stopping, or not ready yet
		return fmt.Errorf("%w: %s: %.200s", errUnreachable, resp.Status, text)
	case resp.StatusCode/100 != 2:
		return fmt.Errorf("the server refused it: %s: %.200s", resp.Status, text)
	case into == nil:
		return nil
	}
	return json.Unmarshal(text, into)
}
