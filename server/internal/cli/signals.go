package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/ephemera-go/ephemera/server/internal/remote"
)

type raiseCmd struct {
	connection
	Name  string `arg:"" help:"Name of the signal, such as order.completed."`
	Key   string `help:"What it is about."`
	Data  string `help:"Anything else, a JSON text."`
	Flush bool   `help:"Wait until it is on disk."`
}

func (raiseCmd) Help() string {
	return `Examples:

  ephemera raise order.completed --key 17
  ephemera raise error:Timeout --key payments --data '{"after": "5s"}' --flush`
}

func (c *raiseCmd) Run(w *world) error {
	if c.Data != "" && !json.Valid([]byte(c.Data)) {
		return fmt.Errorf("%w: --data is no JSON text; a string needs its quotes", errUsage)
	}
	client, err := c.rest()
	if err != nil {
		return err
	}
	ctx, cancel := w.until()
	defer cancel()
	q := url.Values{}
	if c.Flush {
		q.Set("flush", "true")
	}
	var out struct {
		Raised     int    `json:"raised"`
		Sequence   uint64 `json:"sequence"`
		Durability string `json:"durability"`
	}
	in := map[string]any{"name": c.Name, "key": c.Key}
	if c.Data != "" {
		in["data"] = json.RawMessage(c.Data)
	}
	if err := client.Do(ctx, http.MethodPost, "/signals", q, in, &out); err != nil {
		return err
	}
	if w.json {
		return w.line(out)
	}
	w.say("%s: sequence %d, in %s", c.Name, out.Sequence, map[string]string{"memory": "memory", "flush": "memory and on disk"}[out.Durability])
	return nil
}

type senseCmd struct {
	connection
	Pattern string `arg:"" optional:"" help:"Names: * and ?, or several with commas. All without one."`
	Key     string `help:"Only those with this key."`
	Since   string `help:"Only those since a time, or within a duration such as 5m."`
	Limit   uint64 `default:"1000" help:"The newest so many."`
	Follow  bool   `short:"f" help:"Go on with what comes, until Ctrl-C."`
}

func (senseCmd) Help() string {
	return `Examples:

  ephemera sense
  ephemera sense 'error:*' --since 10m
  ephemera sense 'order.*' --key 17 --limit 5 --json
  ephemera sense 'error:*' --follow`
}

// A sensed signal is one as the server sends it.
type sensed struct {
	Sequence uint64          `json:"sequence"`
	Time     time.Time       `json:"time"`
	Name     string          `json:"name"`
	Key      string          `json:"key,omitempty"`
	Data     json.RawMessage `json:"data,omitempty"`
}

func (c *senseCmd) Run(w *world) error {
	client, err := c.rest()
	if err != nil {
		return err
	}
	ctx, cancel := w.until()
	defer cancel()
	q := url.Values{"pattern": {c.Pattern}, "limit": {strconv.FormatUint(c.Limit, 10)}}
	if c.Key != "" {
		q.Set("key", c.Key)
	}
	if c.Since != "" {
		q.Set("since", c.Since)
	}
	if c.Follow {
		return c.follow(ctx, w, client, q)
	}
	var list []json.RawMessage
	if err := client.Do(ctx, http.MethodGet, "/signals", q, nil, &list); err != nil {
		return err
	}
	for _, raw := range list {
		if err := w.signal(raw); err != nil {
			return err
		}
	}
	return nil
}

func (c *senseCmd) follow(ctx context.Context, w *world, client *remote.Client, q url.Values) error {
	err := client.Follow(ctx, "/signals", q, func(f remote.Frame) error {
		switch f.Event {
		case "":
			return w.signal(f.Data)
		case "gap":
			w.warn("missed: %s", f.Data)
		}
		return nil
	})
	if errors.Is(err, context.Canceled) {
		return nil // told to stop
	}
	return err
}

func (w *world) signal(raw json.RawMessage) error {
	if w.json {
		return w.line(raw)
	}
	var s sensed
	if err := json.Unmarshal(raw, &s); err != nil {
		return err
	}
	key := ""
	if s.Key != "" {
		key = " " + s.Key
	}
	_, err := fmt.Fprintln(w.stdout, oneLine(fmt.Sprintf("%d %s %s%s %s", s.Sequence, s.Time.Format(time.RFC3339), s.Name, key, s.Data)))
	return err
}

// oneLine writes control characters as JSON does: they would move the cursor of a terminal, or look like another line.
func oneLine(text string) string {
	var b strings.Builder
	for _, r := range text {
		if unicode.IsControl(r) {
			_, _ = fmt.Fprintf(&b, `\u%04x`, r)
			continue
		}
		_, _ = b.WriteRune(r)
	}
	return b.String()
}

type statsCmd struct {
	connection
}

func (statsCmd) Help() string {
	return `Examples:

  ephemera stats
  ephemera stats --json | jq .snapshots.streams.eventsAtRisk`
}

func (c *statsCmd) Run(w *world) error {
	client, err := c.rest()
	if err != nil {
		return err
	}
	ctx, cancel := w.until()
	defer cancel()
	var raw json.RawMessage
	if err := client.Do(ctx, http.MethodGet, "/admin/stats", nil, nil, &raw); err != nil {
		return err
	}
	if w.json {
		return w.line(raw)
	}
	var s struct {
		Epoch   string
		Ledgers map[string]struct {
			Appended, Restored, Visible, Discarded, Expired, Purged, Cleared uint64
		}
		Rates     map[string]float64
		Snapshots map[string]struct {
			Ordinal, EventsAtRisk uint64
			AgeSeconds            float64
			LastError             string
		}
		Signals struct {
			Visible, Raised, Persisted, Pending, Dropped uint64
			LastError                                    string
		}
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return err
	}
	w.say("epoch %s", s.Epoch)
	for _, name := range []string{"streams", "metrics"} {
		l, x := s.Ledgers[name], s.Snapshots[name]
		w.say("%s: %d visible, %d appended, %d restored, %d discarded, %d expired, %d purged, %d cleared, %.1f/s", name,
			l.Visible, l.Appended, l.Restored, l.Discarded, l.Expired, l.Purged, l.Cleared, s.Rates[name])
		newest := "no snapshot yet"
		if x.Ordinal > 0 {
			newest = fmt.Sprintf("snapshot %d, %.0f s old", x.Ordinal, x.AgeSeconds)
		}
		w.say("  %s, %d events at risk%s", newest, x.EventsAtRisk, because(x.LastError))
	}
	w.say("signals: %d in memory, %d raised, %d persisted, %d pending, %d dropped%s", s.Signals.Visible, s.Signals.Raised,
		s.Signals.Persisted, s.Signals.Pending, s.Signals.Dropped, because(s.Signals.LastError))
	return nil
}

// because names the last error, if there is one.
func because(text string) string {
	if text == "" {
		return ""
	}
	return "; last error: " + text
}
