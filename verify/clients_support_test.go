package verify

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/streams"
)

// clientTimeout ends a client that hangs.
const clientTimeout = 30 * time.Second

// program returns the path of a client or proxy that is installed; on a build machine it must be.
func program(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("EPHEMERA_CI") != "" {
		t.Fatalf("none of %v is installed", names)
	}
	t.Skipf("none of %v is installed", names)
	return ""
}

// clientServer serves an empty log, with h in front of its handler if it is not nil.
func clientServer(t *testing.T, front func(http.Handler) http.Handler) (*httptest.Server, *streams.Local) {
	t.Helper()
	handler, log := newHandler(t, streams.Options{}, streams.HandlerOptions{Heartbeat: 100 * time.Millisecond})
	var h http.Handler = handler
	if front != nil {
		h = front(h)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s, log
}

// appendNumbers appends the data first to last to a stream, one by one.
func appendNumbers(t *testing.T, log streams.Log, stream string, first, last int) {
	t.Helper()
	for i := first; i <= last; i++ {
		e := streams.Event{Data: strconv.AppendInt(nil, int64(i), 10)}
		if _, err := log.Append(context.Background(), streams.Append{Stream: stream, Events: []streams.Event{e}}); err != nil {
			t.Fatal(err)
		}
	}
}
