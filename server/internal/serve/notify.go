package serve

import (
	"context"
	"net"
	"time"
)

// notifyTimeout is how long a service manager may take to take a word; statusInterval is the time between two that nothing
// depends on.
const (
	notifyTimeout  = time.Second
	statusInterval = time.Second
)

// notify tells the service manager how the server stands, if there is one that listens: systemd, with Type=notify. A service
// manager that does not hear it acts on its own time limits, so a failure is logged and no more. One that is stuck must not
// keep the server from starting or saving.
func (s *server) notify(state string) {
	if s.o.NotifySocket == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), notifyTimeout)
	defer cancel()
	c, err := new(net.Dialer).DialContext(ctx, "unixgram", s.o.NotifySocket)
	if err == nil {
		deadline, _ := ctx.Deadline()
		_ = c.SetWriteDeadline(deadline) // what it cannot do shows when it writes
		_, err = c.Write([]byte(state))
		_ = c.Close()
	}
	if err != nil {
		s.o.Logger.Warn("the service manager was not told", "state", state, "error", err)
	}
}
