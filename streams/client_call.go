package streams

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	rnd "math/rand/v2"
	"net"
	"net/http"
	"time"
)

// request is a call on its way.
type request struct {
	method, path string
	header       http.Header
	body         []byte
	effect       effect
	lasting      func(refusal error) bool // nil: none lasts
}

// An effect is what it means if a request was done without its client knowing.
type effect int

const (
	harmless   effect = iota
	repeatable        // doing it again changes nothing
	single            // doing it again may undo what others did
)

// An answer is what the server said, read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
	open   bool // an earlier try of the request may have happened, or may happen yet
}

// do sends a request until there is an answer that decides, or RetryTimeout is over.
func (c *Client) do(ctx context.Context, r request) (answer, error) {
	deadline := time.Now().Add(c.o.RetryTimeout)
	unknown := false // an earlier try may have happened
	for try := 1; ; try++ {
		a, err := c.once(ctx, r)
		reached := err != nil && !neverSent(err)
		switch {
		case err == nil && !transient(a.status) || errors.Is(err, ErrTooLarge):
			a.open = unknown
			if err != nil && r.effect != harmless {
				err = unknownOutcome(ctx, "", err)
			}
			return a, err
		case err == nil:
			err = decodeProblem(a.status, a.body)
			reached = a.fromBetween() || errors.Is(err, ErrUnknownOutcome)
		}
		unknown = unknown || reached
		if unknown && r.effect == single {
			return answer{}, unknownOutcome(ctx, "", err)
		}
		wait := time.Duration(float64(min(50*time.Millisecond<<min(try, 6), 2*time.Second)) * (0.5 + rnd.Float64()/2))
		if ctx.Err() == nil && c.ctx.Err() == nil && time.Now().Add(wait).Before(deadline) {
			select {
			case <-time.After(wait):
				continue
			case <-ctx.Done():
			case <-c.ctx.Done():
			}
		}
		if ctx.Err() != nil {
			err = ctx.Err()
		} else if c.ctx.Err() != nil {
			err = ErrClosed
		}
		if r.effect != harmless && unknown {
			return answer{}, unknownOutcome(ctx, fmt.Sprintf(" after %d tries", try), err)
		}
		if ctx.Err() == nil && c.ctx.Err() == nil && !errors.Is(err, ErrUnavailable) {
			err = fmt.Errorf("%w after %d tries: %w", ErrUnavailable, try, err)
		}
		return answer{}, err
	}
}

// unknownOutcome keeps the text of what refused or ended the last try, and not what it is: a refusal means that nothing was
// done, which is what is not known. Only the end of the caller's context can still be found in it.
func unknownOutcome(ctx context.Context, tries string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("%w%s: %w", ErrUnknownOutcome, tries, ctx.Err())
	}
	return fmt.Errorf("%w%s: %s", ErrUnknownOutcome, tries, err.Error())
}

// transient statuses say nothing about the request itself.
func transient(status int) bool {
	switch status {
	case http.StatusConflict, http.StatusRequestTimeout, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// fromBetween reports that a reply is of something between client and server, which may have passed the request on: Envoy says 503
// also when it has lost the connection behind it. Those of a server of ours are a problem, or have no body.
func (a *answer) fromBetween() bool {
	var p problem
	switch a.status {
	case http.StatusBadGateway, http.StatusGatewayTimeout:
		return true
	case http.StatusServiceUnavailable:
		return len(a.body) > 0 && (json.Unmarshal(a.body, &p) != nil || p.Status != a.status && p.Code == "")
	}
	return false
}

// neverSent reports that no byte of the request can have reached the server.
func neverSent(err error) bool {
	op := (*net.OpError)(nil)
	dns := (*net.DNSError)(nil)
	untrusted := (*tls.CertificateVerificationError)(nil)
	return errors.As(err, &dns) || errors.As(err, &op) && op.Op == "dial" || errors.As(err, &untrusted)
}

// maxReply is more than any page takes that the server sends in one piece.
const maxReply = 1 << 30

func (c *Client) once(ctx context.Context, r request) (answer, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	resp, err := c.send(ctx, r)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	if len(body) > maxReply {
		err = fmt.Errorf("%w: a reply of more than %d bytes; ask for fewer events", ErrTooLarge, maxReply)
	}
	return answer{status: resp.StatusCode, header: resp.Header, body: body}, err
}

func (c *Client) send(ctx context.Context, r request) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, c.base+r.path, bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	for name, values := range r.header {
		req.Header[name] = values
	}
	if c.o.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.o.Token)
	}
	return c.http.Do(req)
}

// decodeProblem turns an error reply into an error of this package.
func decodeProblem(status int, body []byte) error {
	var p problem
	if json.Unmarshal(body, &p) != nil {
		p.Detail = fmt.Sprintf("%.200q", body)
	}
	switch {
	case p.Code == "conflict" && p.CurrentVersion != nil && p.Epoch != nil:
		return &ConflictError{*p.CurrentVersion, *p.Epoch}
	case p.Code == "key_reused":
		return &KeyError{p.IDs, p.Partial}
	}
	for _, known := range statuses {
		if p.Code != "" && known.code == p.Code {
			return fmt.Errorf("%w: %s", known.err, p.Detail)
		}
	}
	err := ErrInvalid
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		err = ErrDenied
	case status == http.StatusRequestEntityTooLarge || status == http.StatusRequestHeaderFieldsTooLarge:
		err = ErrTooLarge
	case status == http.StatusTooManyRequests || status >= 500:
		err = ErrUnavailable
	}
	return fmt.Errorf("%w: %d %s: %s", err, status, http.StatusText(status), p.Detail)
}

// call does a request whose reply is JSON.
func (c *Client) call(ctx context.Context, r request, out any) (http.Header, error) {
	a, err := c.do(ctx, r)
	if err != nil {
		return nil, err
	}
	if a.status/100 != 2 {
		err = decodeProblem(a.status, a.body)
		open := a.open && (r.lasting == nil || !r.lasting(err))
		if r.effect != harmless && (open || a.status >= http.StatusInternalServerError || a.status == http.StatusSeeOther) {
			err = unknownOutcome(ctx, "", err)
		}
		return nil, err
	}
	if err := a.decode(out); err != nil {
		err = fmt.Errorf("a reply that is not ephemera's: %w", err)
		if r.effect != harmless {
			return nil, unknownOutcome(ctx, "", err)
		}
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return a.header, nil
}

// decode reads the body of a success; nil: there is none.
func (a *answer) decode(out any) error {
	if out == nil {
		if a.status != http.StatusNoContent {
			return fmt.Errorf("%d %s", a.status, http.StatusText(a.status))
		}
		return nil
	}
	if err := json.Unmarshal(a.body, out); err != nil {
		return err
	}
	if w, ok := out.(interface{ ours() bool }); ok && !w.ours() { // any JSON object can be read as any other
		return fmt.Errorf("%.200q", a.body)
	}
	return nil
}
