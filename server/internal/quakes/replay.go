package quakes

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ephemera-go/ephemera/server/internal/remote"
	"github.com/ephemera-go/ephemera/streams"
)

// Where the replay goes.
const (
	Stream  = "earthquakes"
	Strong  = "quake.strong" // signal of a quake of magnitude 4.5 or more
	Major   = "quake.major"  // 6 or more
	strong  = 4.5
	major   = 6
	atStart = 200 // quakes that come at once, so that there is something to see
)

// base is how the server is called inside of itself.
const base = "http://localhost"

// A Player replays the feed into a server, as if it happened now.
type Player struct {
	log    *streams.Client
	rest   *remote.Client
	quakes []Quake
	run    string // makes ids of this run differ from those of all others
	sent   int
}

// NewPlayer reads the feed. The client is one of the process's own server.
func NewPlayer(c *http.Client) (*Player, error) {
	list, err := Feed()
	if err != nil {
		return nil, err
	}
	log, err := streams.NewClient(base, streams.ClientOptions{HTTP: c})
	if err != nil {
		return nil, err
	}
	run := make([]byte, 4)
	_, _ = rand.Read(run) // it never fails
	return &Player{log: log, rest: &remote.Client{Base: base, HTTP: c}, quakes: list, run: hex.EncodeToString(run)}, nil
}

// Play sends a few quakes at once and then so many a second, over and over, until the context ends.
func (p *Player) Play(ctx context.Context, rate float64) error {
	for range atStart {
		if err := p.next(ctx); err != nil {
			return err
		}
	}
	tick := time.NewTicker(max(time.Duration(float64(time.Second)/rate), time.Microsecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := p.next(ctx); err != nil && !isBusy(err) {
				return err
			}
		}
	}
}

// isBusy tells that others keep the server busy. The same quake is sent again with the next tick.
func isBusy(err error) bool {
	return errors.Is(err, remote.ErrUnreachable) || errors.Is(err, streams.ErrUnavailable)
}

// next sends one quake: as an event, as a metric of its network, and if it is strong as a signal.
func (p *Player) next(ctx context.Context) error {
	q := &p.quakes[p.sent%len(p.quakes)]
	id := fmt.Sprintf("%s.%d-%s", p.run, p.sent/len(p.quakes)+1, q.ID)
	data, err := json.Marshal(q)
	if err != nil {
		return err
	}
	_, err = p.log.Append(ctx, streams.Append{Stream: Stream, Events: []streams.Event{
		{ID: id, Type: "earthquake", Data: data},
	}})
	if err != nil {
		return err
	}
	if name := signalOf(q.Magnitude); name != "" {
		signal := map[string]any{"name": name, "key": q.Net, "data": json.RawMessage(data)}
		if err := p.rest.Do(ctx, http.MethodPost, "/signals", nil, signal, nil); err != nil {
			return err
		}
	}
	metric := map[string]any{"label": q.Net, "value": q.Magnitude}
	if err := p.rest.Do(ctx, http.MethodPost, "/metrics", nil, metric, nil); err != nil {
		return err
	}
	p.sent++
	return nil
}

func signalOf(magnitude float64) string {
	switch {
	case magnitude >= major:
		return Major
	case magnitude >= strong:
		return Strong
	}
	return ""
}
