package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	rnd "math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// A book is what the customers know: which orders were confirmed, and by whom they were stored.
type book struct {
	out io.Writer
	t   *topology

	mu    sync.Mutex
	total group
	by    map[string]group // by gateway
}

// A group is a number of orders and the sum of them.
type group struct {
	Count int `json:"count"`
	Sum   int `json:"sum"`
}

type confirmed struct {
	GatewayID string `json:"gatewayId"`
	Valor     int    `json:"valor"`
}

func (b *book) note(c confirmed, orders int) (total int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	x := b.by[c.GatewayID]
	b.by[c.GatewayID] = group{x.Count + orders, x.Sum + c.Valor}
	b.total = group{b.total.Count + orders, b.total.Sum + c.Valor}
	return b.total.Count
}

// sell lets customers order at the same time. In the middle something happens, if it is not nil.
func (b *book) sell(ctx context.Context, o options, middle func() error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	half := b.total.Count + o.orders/2
	var customers sync.WaitGroup
	for c := range o.customers {
		customers.Go(func() {
			for n := c; n < o.orders && ctx.Err() == nil; n += o.customers {
				count, err := b.order(ctx, n)
				if err == nil && count == half && middle != nil {
					err = middle()
				}
				if err != nil {
					cancel(err)
				}
			}
		})
	}
	customers.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	what := ""
	if middle != nil {
		what = ", while g2 was killed"
	}
	_, err := fmt.Fprintf(b.out, "%d orders of %d customers confirmed%s\n", o.orders, o.customers, what)
	return err
}

// order places one order. Every second customer has no key, and leaves it to nginx to repeat what must be repeated.
func (b *book) order(ctx context.Context, n int) (count int, err error) {
	want, key, tries := 1+rnd.IntN(4999), "", 1
	if n%2 == 0 {
		key, tries = rand.Text(), 5
	}
	body := fmt.Appendf(nil, `{"valor":%d}`, want)
	for try := range tries {
		if try > 0 {
			time.Sleep(100 * time.Millisecond) // what failed just now needs a moment
		}
		var got confirmed
		if err = b.t.post(ctx, "/orders", key, body, &got); err == nil {
			if got.Valor != want {
				return 0, fmt.Errorf("ordered %d, got %+v", want, got)
			}
			return b.note(got, 1), nil
		}
	}
	return 0, err
}

func (b *book) bulk(ctx context.Context, n int) error {
	var got struct {
		confirmed
		Succeeded int `json:"succeeded"`
	}
	if err := b.t.post(ctx, fmt.Sprintf("/orders/bulk?n=%d", n), "", nil, &got); err != nil {
		return err
	}
	if got.Succeeded != n {
		return fmt.Errorf("of %d orders in bulk %d succeeded", n, got.Succeeded)
	}
	b.note(got.confirmed, n)
	_, err := fmt.Fprintf(b.out, "%d orders in bulk confirmed\n", n)
	return err
}

// refusals wants bulks out of range to be refused.
func (b *book) refusals(ctx context.Context) error {
	for _, n := range []string{"-1", "1001", "", "many"} {
		err := b.t.post(ctx, "/orders/bulk?n="+n, "", nil, nil)
		if s := (*statusError)(nil); !errors.As(err, &s) || s.status != http.StatusBadRequest {
			return fmt.Errorf("bulk of %q: want status 400, got %w", n, err)
		}
	}
	_, err := fmt.Fprintln(b.out, "bulks of -1, 1001, nothing and many refused")
	return err
}

// A statusError is a reply that is no success.
type statusError struct {
	status int
	body   []byte
}

func (e *statusError) Error() string { return fmt.Sprintf("status %d: %s", e.status, e.body) }

func (t *topology) post(ctx context.Context, path, key string, body []byte, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, t.nginx.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	return do(r, into)
}

func get(ctx context.Context, url string, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	return do(r, into)
}

func do(r *http.Request, into any) error {
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode/100 != 2:
		return &statusError{resp.StatusCode, body}
	case into == nil:
		return nil
	}
	return json.Unmarshal(body, into)
}
