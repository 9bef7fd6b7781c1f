// Package remote talks to the routes of a server that are not those of streams, which have a client of their own.
package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
)

// What can go wrong, to be tested with errors.Is.
var (
	ErrUnreachable    = errors.New("the server cannot be reached or is not ready")
	ErrDenied         = errors.New("the server wants a token, or another one")
	ErrInvalid        = errors.New("the server finds it invalid")
	ErrRefused        = errors.New("the server refused it")
	ErrUnknownOutcome = errors.New("the server may have done it, or not")
)

// A Client is a server at a URL.
type Client struct {
	Base  string // such as http://127.0.0.1:7070
	Token string // may be empty
	HTTP  *http.Client
}

// Do sends a value as JSON, or nothing if it is nil, and reads the reply into another one, unless that is nil. What is not a GET
// and may have been done nevertheless fails with ErrUnknownOutcome.
func (c *Client) Do(ctx context.Context, method, path string, q url.Values, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	resp, err := c.send(ctx, method, path, q, body, "application/json")
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		why := ErrUnreachable
		if method != http.MethodGet {
			why = ErrUnknownOutcome
		}
		return fmt.Errorf("%w: the reply of %s cannot be read: %w", why, path, err)
	}
	return nil
}

func (c *Client) send(ctx context.Context, method, path string, q url.Values, body io.Reader, accept string) (*http.Response, error) {
	u := strings.TrimSuffix(c.Base, "/") + path
	if len(q) > 0 {
		u += "?" + q.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, u, body)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	req.Header.Set("Accept", accept)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	connected := false // else nothing was sent: not dialled, or no TLS between the two
	resp, err := c.HTTP.Do(req.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected = true },
	})))
	switch {
	case err != nil && method != http.MethodGet && connected:
		return nil, fmt.Errorf("%w: %w", ErrUnknownOutcome, err)
	case err != nil && ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	case resp.StatusCode/100 == 2:
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }()
	return nil, refusal(method, resp)
}

// refusal reads what the server says about it.
func refusal(method string, resp *http.Response) error {
	var p struct{ Title, Detail string }
	b, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	_ = json.Unmarshal(b, &p) // what is no problem has no detail
	why := ErrRefused
	switch status := resp.StatusCode; {
	case status == http.StatusBadRequest || status == http.StatusUnprocessableEntity:
		why = ErrInvalid
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		why = ErrDenied
	case status == http.StatusServiceUnavailable:
		why = ErrUnreachable
	case status >= http.StatusInternalServerError && method != http.MethodGet:
		why = ErrUnknownOutcome
	case status == http.StatusBadGateway || status == http.StatusGatewayTimeout:
		why = ErrUnreachable
	}
	return fmt.Errorf("%w: %s: %s", why, resp.Status, p.Detail)
}
