package streams

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Defaults of ClientOptions.
const (
	DefaultRetryTimeout = 30 * time.Second
	DefaultIdleTimeout  = time.Minute
)

// ClientOptions configures a Client. The zero value is ready.
type ClientOptions struct {
	HTTP  *http.Client // nil: one of its own. It must not set a Timeout, which would end subscriptions
	Token string       // sent as Authorization: Bearer; never shown in errors

	// RetryTimeout is for how long a call is tried again when the server cannot be reached or is not ready. 0 means
	// DefaultRetryTimeout.
	RetryTimeout time.Duration

	// IdleTimeout is for how long a subscription may bring nothing until it is begun anew: more than the server's Heartbeat. 0
	// means DefaultIdleTimeout.
	IdleTimeout time.Duration
}

// A Client is a Log at a distance: what NewHandler serves under a URL. It repeats calls that failed on the way, which is
// safe, because every append carries an idempotency key: the caller's, or else a random one. Only Delete and SetLimits are
// not repeated once they may have happened, because what came between would be lost. An append whose outcome cannot be
// found out in time is ErrUnknownOutcome, never reported as failed; so is one that is refused when an earlier try may still
// come true, for example because the stream was at a lower version than expected. The text of that error says what refused
// it; to errors.Is it is ErrUnknownOutcome, and no refusal.
//
// An append that met its own key, from a try whose reply was lost, says Duplicate if the key is the caller's. A key protects
// as long as the server remembers it: not across a deletion of the stream.
//
// Subscriptions go on where they were after a broken connection. All methods are safe for concurrent use.
type Client struct {
	base   string
	o      ClientOptions
	http   http.Client
	closed atomic.Bool
	ctx    context.Context // ends with Close
	end    context.CancelFunc
}

var _ Log = (*Client)(nil)

// NewClient makes a client of the server at a URL such as http://127.0.0.1:7070. It does not connect yet.
func NewClient(base string, o ClientOptions) (*Client, error) {
	u, err := url.Parse(base)
	switch {
	case err != nil: // its text may hold a password
		return nil, wrap("open", "", fmt.Errorf("%w: the URL cannot be read", ErrOption))
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, wrap("open", "", fmt.Errorf("%w: URL: http or https, a host, perhaps a path, and nothing else", ErrOption))
	case o.RetryTimeout < 0 || o.IdleTimeout < 0:
		return nil, wrap("open", "", fmt.Errorf("%w: RetryTimeout and IdleTimeout must not be negative", ErrOption))
	}
	if o.RetryTimeout == 0 {
		o.RetryTimeout = DefaultRetryTimeout
	}
	if o.IdleTimeout == 0 {
		o.IdleTimeout = DefaultIdleTimeout
	}
	c := &Client{base: strings.TrimSuffix(base, "/"), o: o}
	if o.HTTP != nil {
		c.http = *o.HTTP
	} else {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost = 64
		c.http.Transport = t
	}
	c.http.CheckRedirect = sameMethod(c.http.CheckRedirect)
	c.ctx, c.end = context.WithCancel(context.Background())
	return c, nil
}

// sameMethod follows no redirect that makes a GET of another method: what was asked for would not be done, and look as if it was.
func sameMethod(then func(*http.Request, []*http.Request) error) func(*http.Request, []*http.Request) error {
	const most = 10 // as net/http
	return func(r *http.Request, via []*http.Request) error {
		switch {
		case r.Method != via[0].Method:
			return http.ErrUseLastResponse
		case then != nil:
			return then(r, via)
		case len(via) >= most:
			return fmt.Errorf("%w: %d redirects", ErrUnavailable, most)
		}
		return nil
	}
}

// Close ends subscriptions and refuses what follows.
func (c *Client) Close() error {
	if c.closed.CompareAndSwap(false, true) {
		c.end()
		if c.o.HTTP == nil {
			c.http.CloseIdleConnections()
		}
	}
	return nil
}

func (c *Client) start(ctx context.Context, op, stream string) error {
	if err := ctx.Err(); err != nil {
		return wrap(op, stream, err)
	}
	if c.closed.Load() {
		return wrap(op, stream, ErrClosed)
	}
	return nil
}

func streamPath(name string) string {
	parts := strings.Split(name, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return "/streams/" + strings.Join(parts, "/")
}

// lasting reports that a refusal will not turn into its opposite, so that a try that is still on its way will be refused,
// too. Versions only grow, and an epoch does not come back.
func (a *Append) lasting(err error) bool {
	if at := (*ConflictError)(nil); errors.As(err, &at) {
		return !a.Epoch.IsZero() && at.Epoch != a.Epoch || a.Expect.kind == kindVersion && at.Version > a.Expect.version
	}
	if k := (*KeyError)(nil); errors.As(err, &k) {
		return !k.Partial // else a try may have happened of whose ids the server has forgotten some
	}
	return errors.Is(err, ErrInvalid) || errors.Is(err, ErrTooLarge)
}

// Append implements Log. Events of a batch in which only some have an id get random ones.
func (c *Client) Append(ctx context.Context, a Append) (Result, error) {
	if err := c.start(ctx, "append", a.Stream); err != nil {
		return Result{}, err
	}
	if err := a.check(); err != nil {
		return Result{}, wrap("append", a.Stream, err)
	}
	w, err := newWork(&a)
	if err != nil {
		return Result{}, wrap("append", a.Stream, err)
	}
	r, ours := c.appendRequest(w)
	var out wireResult
	if _, err := c.call(ctx, r, &out); err != nil {
		return Result{}, wrap("append", a.Stream, err)
	}
	// A key of our own can be known only from an earlier try of this very call.
	return Result{a.Stream, out.FirstVersion, out.LastVersion, out.Epoch, out.Duplicate && !ours}, nil
}

// appendRequest returns the request, and whether nobody else knows its key.
func (c *Client) appendRequest(a *work) (r request, ours bool) {
	h := http.Header{"Content-Type": {typeJSON}}
	with := 0
	for i := range a.Events {
		if a.Events[i].ID != "" {
			with++
		}
	}
	key := a.Key
	if key == "" && with == 0 {
		key, ours = newKey(), true
	}
	if key != "" {
		// Not in the canonical spelling, by which net/http would know that it may send the request twice: a refusal of the
		// second must not hide that the first may have happened.
		h[strings.ToLower(headerKey)] = []string{key}
	}
	body := []byte{'['}
	for i := range a.Events {
		e := a.Events[i]
		e.Data, e.Meta = a.texts[i].data, a.texts[i].meta
		if key == "" && e.ID == "" {
			e.ID = newKey()
		}
		if i > 0 {
			body = append(body, ',')
		}
		body = appendNew(body, &e)
	}
	body = append(body, ']')
	switch a.Expect.kind {
	case kindNoStream:
		h.Set("If-None-Match", "*")
	case kindExists:
		h.Set("If-Match", "*")
	case kindVersion:
		h.Set("If-Match", `"`+strconv.FormatUint(a.Expect.version, 10)+`"`)
	}
	if !a.Epoch.IsZero() {
		h.Set(headerEpoch, a.Epoch.String())
	}
	return request{http.MethodPost, streamPath(a.Stream), h, body, repeatable, a.lasting}, ours
}

func newKey() string { return rand.Text() }

// Read implements Log.
func (c *Client) Read(ctx context.Context, r Read) (Page, error) {
	if err := c.start(ctx, "read", r.Stream); err != nil {
		return Page{}, err
	}
	if err := CheckName(r.Stream); err != nil {
		return Page{}, wrap("read", r.Stream, err)
	}
	q := url.Values{}
	if r.From > 0 {
		q.Set("from", strconv.FormatUint(r.From, 10))
	}
	if r.Limit != 0 {
		q.Set("limit", strconv.Itoa(r.Limit))
	}
	if r.Backward {
		q.Set("backward", "true")
	}
	var list []wireEvent
	header, err := c.call(ctx, request{method: http.MethodGet, path: streamPath(r.Stream) + "?" + q.Encode()}, &list)
	if err != nil {
		return Page{}, wrap("read", r.Stream, err)
	}
	p := Page{Stream: r.Stream, More: header.Get(headerMore) == "true"}
	version, err1 := strconv.ParseUint(strings.Trim(header.Get("ETag"), `"`), 10, 64)
	oldest, err2 := strconv.ParseUint(header.Get(headerOldest), 10, 64)
	err3 := p.Epoch.UnmarshalText([]byte(header.Get(headerEpoch)))
	gap, err4 := parseGap(r.Stream, header.Get(headerGap))
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return Page{}, wrap("read", r.Stream, fmt.Errorf("%w: a reply that is not ephemera's: %w", ErrUnavailable, err))
	}
	p.Version, p.Oldest, p.Gap = version, oldest, gap
	for i := range list {
		p.Events = append(p.Events, list[i].event())
	}
	return p, nil
}

func parseGap(stream, text string) (*Gap, error) {
	if text == "" {
		return nil, nil
	}
	g := &Gap{Stream: stream}
	if _, err := fmt.Sscanf(text, "%d-%d; cause=%s", &g.From, &g.To, &g.Cause); err != nil {
		return nil, fmt.Errorf("gap %q: %w", text, err)
	}
	return g, nil
}

// Info implements Log.
func (c *Client) Info(ctx context.Context, stream string) (Info, error) {
	if err := c.start(ctx, "info", stream); err != nil {
		return Info{}, err
	}
	if err := CheckName(stream); err != nil {
		return Info{}, wrap("info", stream, err)
	}
	var w wireInfo
	if _, err := c.call(ctx, request{method: http.MethodGet, path: streamPath(stream) + "?info=true"}, &w); err != nil {
		return Info{}, wrap("info", stream, err)
	}
	i, err := w.info()
	return i, wrap("info", stream, err)
}

// List implements Log.
func (c *Client) List(ctx context.Context, pattern, after string, limit int) ([]Info, error) {
	if err := c.start(ctx, "list", pattern); err != nil {
		return nil, err
	}
	if err := invalidLimit(limit); err != nil {
		return nil, wrap("list", pattern, err)
	}
	var all []Info
	for {
		page := MaxPage
		if limit > 0 {
			page = min(page, limit-len(all))
		}
		q := url.Values{"pattern": {pattern}, "after": {after}, "limit": {strconv.Itoa(page)}}
		var list []wireInfo
		if _, err := c.call(ctx, request{method: http.MethodGet, path: "/streams?" + q.Encode()}, &list); err != nil {
			return nil, wrap("list", pattern, err)
		}
		for k := range list {
			i, err := list[k].info()
			if err != nil {
				return nil, wrap("list", pattern, err)
			}
			if i.Stream <= after { // it would never end
				return nil, wrap("list", pattern, fmt.Errorf("%w: a reply that is not ephemera's: a list that does not ascend", ErrUnavailable))
			}
			all = append(all, i)
			after = i.Stream
		}
		if len(list) < page || len(all) == limit {
			return all, nil
		}
	}
}

// SetLimits implements Log.
func (c *Client) SetLimits(ctx context.Context, stream string, m Limits) error {
	if err := c.start(ctx, "limits", stream); err != nil {
		return err
	}
	if err := errors.Join(CheckName(stream), m.check()); err != nil {
		return wrap("limits", stream, err)
	}
	body, err := json.Marshal(toWireLimits(m))
	if err == nil {
		_, err = c.call(ctx, request{
			method: http.MethodPut, path: streamPath(stream) + "?limits=true", header: http.Header{"Content-Type": {typeJSON}}, body: body,
			effect: single,
		}, nil)
	}
	return wrap("limits", stream, err)
}

// Delete implements Log.
func (c *Client) Delete(ctx context.Context, stream string) error {
	if err := c.start(ctx, "delete", stream); err != nil {
		return err
	}
	if err := CheckName(stream); err != nil {
		return wrap("delete", stream, err)
	}
	_, err := c.call(ctx, request{method: http.MethodDelete, path: streamPath(stream), effect: single}, nil)
	return wrap("delete", stream, err)
}

// Aggregate implements Log.
func (c *Client) Aggregate(ctx context.Context, a Aggregate) (Summary, error) {
	if err := c.start(ctx, "aggregate", a.Stream); err != nil {
		return Summary{}, err
	}
	if err := CheckName(a.Stream); err != nil {
		return Summary{}, wrap("aggregate", a.Stream, err)
	}
	q := url.Values{"aggregate": {"true"}, "field": {a.Field}, "by": {a.By}}
	var w wireSummary
	if _, err := c.call(ctx, request{method: http.MethodGet, path: streamPath(a.Stream) + "?" + q.Encode()}, &w); err != nil {
		return Summary{}, wrap("aggregate", a.Stream, err)
	}
	return w.summary(a), nil
}
