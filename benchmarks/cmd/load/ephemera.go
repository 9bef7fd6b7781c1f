package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"

	"github.com/ephemera-go/ephemera/benchmarks"
	"github.com/ephemera-go/ephemera/streams"
)

const token = "the-token-of-the-load-generator"

var ephemeraReady = regexp.MustCompile(`^ready: (\S+)`)

// serveMemory saves nothing, as the others do, and logs no requests, as they do.
func serveMemory(ctx context.Context, w *workplace, dir string) (*process, error) {
	return serveEphemera(ctx, w, dir, "--snapshot-interval", "0", "--snapshot-events", "0", "--log-level", "warn")
}

func serveSaved(ctx context.Context, w *workplace, dir string) (*process, error) {
	return serveEphemera(ctx, w, dir)
}

func serveEphemera(ctx context.Context, w *workplace, dir string, flags ...string) (*process, error) {
	args := append([]string{"serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(dir, "data")}, flags...)
	return start(ctx, program{
		file: w.files["ephemera"], args: append(args, w.serve...), env: []string{"EPHEMERA_TOKEN=" + token},
		ready: ephemeraReady, log: filepath.Join(dir, "log"),
	}, "")
}

// connectClient shares one client, as a program would: it keeps as many connections as there are appends at once.
func connectClient(_ context.Context, url string, connections int) (*session, error) {
	c, err := streams.NewClient(url, streams.ClientOptions{Token: token})
	if err != nil {
		return nil, err
	}
	one := func(ctx context.Context) error {
		_, err := c.Append(ctx, streams.Append{Stream: streamName, Events: []streams.Event{{Type: eventType, Data: order}}})
		return err
	}
	return &session{repeat(one, connections), storedBy(c), func() { _ = c.Close() }}, nil
}

// connectHTTP is what a program in any language does.
func connectHTTP(_ context.Context, url string, connections int) (*session, error) {
	c, err := streams.NewClient(url, streams.ClientOptions{Token: token})
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{MaxIdleConnsPerHost: connections}
	plain := &http.Client{Transport: transport}
	body := benchmarks.OrderLine(nil, 417, 0)
	one := func(ctx context.Context) error { return post(ctx, plain, url+"/streams/"+streamName, body) }
	return &session{repeat(one, connections), storedBy(c), func() {
		transport.CloseIdleConnections()
		_ = c.Close()
	}}, nil
}

func post(ctx context.Context, c *http.Client, url string, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := c.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusCreated {
		err = fmt.Errorf("%s: %.200s", resp.Status, text)
	}
	return err
}

func storedBy(c *streams.Client) func(context.Context) (uint64, error) {
	return func(ctx context.Context) (uint64, error) {
		i, err := c.Info(ctx, streamName)
		return i.Version, err
	}
}

func repeat(one appender, n int) []appender {
	all := make([]appender, n)
	for i := range all {
		all[i] = one
	}
	return all
}
