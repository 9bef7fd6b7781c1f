package cli

import (
	"context"
	"fmt"
	"math"
	"net/http"

	"github.com/ephemera-go/ephemera/server/internal/quakes"
	"github.com/ephemera-go/ephemera/server/internal/serve"
)

type demoCmd struct {
	serverFlags
	Rate float64 `default:"5" env:"EPHEMERA_RATE" help:"Earthquakes per second."`
}

func (demoCmd) Help() string {
	return `A server that fills itself: a real week of earthquakes, over and over, as a stream, strong ones as signals. Takes the flags of
serve. What was there before stays; ids of this run begin with its own number.

Examples:

  ephemera demo
  ephemera demo --rate 100 --data /tmp/quakes`
}

func (c *demoCmd) Run(w *world) error {
	if !(c.Rate > 0) || math.IsInf(c.Rate, 1) {
		return fmt.Errorf("%w: --rate %v; more than 0", errUsage, c.Rate)
	}
	o, err := c.options(w)
	if err != nil {
		return err
	}
	o.Work = func(ctx context.Context, client *http.Client, url string) error {
		p, err := quakes.NewPlayer(client)
		if err != nil {
			return err
		}
		w.say(tryThese, url, quakes.Stream)
		return p.Play(ctx, c.Rate)
	}
	return serve.Run(w.ctx, o)
}

const tryThese = `
Earthquakes of one real week are being replayed. Open %[1]s in a browser, or try:

  curl '%[1]s/streams/%[2]s?backward=true&limit=3'
  curl '%[1]s/streams/%[2]s?aggregate=true&field=mag&by=net'
  curl '%[1]s/signals?pattern=quake.*&limit=5'

Ctrl-C saves everything and stops; the next start goes on from there.`
