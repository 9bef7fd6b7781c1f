package serve

import (
	"context"
	"net"
)

// notify tells the service manager how the server stands, if there is one that listens: systemd, with Type=notify. A service
// manager that does not hear it acts on its own time limits, so a failure is logged and no more.
func (s *server) notify(ctx context.Context, state string) {
	if s.o.NotifySocket == "" {
		return
	}
	c, err := new(net.Dialer).DialContext(ctx, "unixgram", s.o.NotifySocket)
	if err == nil {
		_, err = c.Write([]byte(state))
		_ = c.Close()
	}
	if err != nil {
		s.o.Logger.Warn("the service manager was not told", "state", state, "error", err)
	}
}
