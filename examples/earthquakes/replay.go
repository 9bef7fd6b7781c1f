package main

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

// player sends quakes through a store, in the order of the slice.
type player struct {
	quakes []quake
	store  *core.Store[quake]
	sent   int       // how many quakes the store has got
	newest time.Time // newest event time seen
}

// newPlayer opens a store with one ordered partition that knows the events' own times.
func newPlayer(quakes []quake, capacity int) (*player, error) {
	store, err := core.New(core.Options[quake]{
		Capacity: capacity,
		Time:     (*quake).at,
	})
	if err != nil {
		return nil, err
	}
	return &player{quakes: quakes, store: store}, nil
}

func (p *player) close() { _ = p.store.Close() }

// sortByTime puts the oldest first; events of the same millisecond stay in file order.
func sortByTime(quakes []quake) {
	slices.SortStableFunc(quakes, func(a, b quake) int { return cmp.Compare(a.Millis, b.Millis) })
}

// one appends the next quake.
func (p *player) one() error {
	q := p.quakes[p.sent]
	if _, err := p.store.Append(q); err != nil {
		return err
	}
	if at := q.at(); p.sent == 0 || at.After(p.newest) {
		p.newest = at
	}
	p.sent++
	return nil
}

// atOnce replays at full speed until the end or the context's.
func (p *player) atOnce(ctx context.Context) error {
	for p.sent < len(p.quakes) && ctx.Err() == nil {
		if err := p.one(); err != nil {
			return err
		}
	}
	return nil
}

// paced replays at speed feed seconds per second until the end or the context's, and calls draw every so often, never
// before the first event. Between two events passes the distance of their times, whichever of them is older.
func (p *player) paced(ctx context.Context, speed float64, every time.Duration, draw func() error) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	start := time.Now()
	nextDraw := start.Add(every)
	feedMillis := 0.0 // feed time passed up to the next quake
	for p.sent < len(p.quakes) {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		now := time.Now()
		for p.sent < len(p.quakes) && !start.Add(wait(feedMillis, speed)).After(now) && ctx.Err() == nil {
			if err := p.one(); err != nil {
				return err
			}
			feedMillis += p.gap()
		}
		if !now.Before(nextDraw) {
			if err := draw(); err != nil {
				return err
			}
			nextDraw = now.Add(every)
		}
		next := start.Add(wait(feedMillis, speed))
		if nextDraw.Before(next) {
			next = nextDraw
		}
		timer.Reset(time.Until(next))
	}
	return nil
}

// gap is the feed time in milliseconds between the quake sent last and the next.
func (p *player) gap() float64 {
	if p.sent == len(p.quakes) {
		return 0
	}
	return math.Abs(float64(p.quakes[p.sent].Millis - p.quakes[p.sent-1].Millis))
}

// wait turns feed time into real time; what is longer than a Duration holds is cut.
func wait(feedMillis, speed float64) time.Duration {
	const longest = 100 * 365 * 24 * time.Hour
	return time.Duration(min(feedMillis/speed*float64(time.Millisecond), float64(longest)))
}
