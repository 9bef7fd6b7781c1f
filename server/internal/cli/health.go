package cli

import (
	"net/http"
	"time"

	"github.com/ephemera-go/ephemera/server/internal/remote"
)

// healthTimeout is how long a server may take to say how it stands.
const healthTimeout = 3 * time.Second

type healthCmd struct {
	endpoint
}

func (healthCmd) Help() string {
	return `Asks /readyz once, without a token: exit code 0 when the server is ready, 7 when it is not, or is silent for 3 seconds. For
health checks of containers, which have no curl. GET /health says less: 200 as long as the process runs, also while it restores.

Examples:

  ephemera health
  ephemera health --url https://events.internal:7070 --ca-cert ca.pem`
}

// Run asks the server whether it is ready.
func (c *healthCmd) Run(w *world) error {
	client, err := c.http()
	if err != nil {
		return err
	}
	client.Timeout = healthTimeout
	ctx, cancel := w.until()
	defer cancel()
	server := remote.Client{Base: c.URL, HTTP: client}
	if err := server.Do(ctx, http.MethodGet, "/readyz", nil, nil, nil); err != nil {
		return err
	}
	if w.json {
		return w.line(map[string]bool{"ready": true})
	}
	w.say("ready")
	return nil
}
