package remote

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// A Frame is one server-sent event.
type Frame struct {
	ID, Event string
	Data      []byte
}

// Follow calls f with each frame of a route until the context ends, f fails or the server ends it.
func (c *Client) Follow(ctx context.Context, path string, q url.Values, f func(Frame) error) error {
	resp, err := c.send(ctx, http.MethodGet, path, q, nil, "text/event-stream")
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 16<<20)
	var frame Frame
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "id":
			frame.ID = value
		case "event":
			frame.Event = value
		case "data":
			frame.Data = []byte(value)
		case "":
			if frame.Data != nil {
				if err := f(frame); err != nil {
					return err
				}
			}
			frame = Frame{}
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fmt.Errorf("%w: the connection ended", ErrUnreachable)
}
