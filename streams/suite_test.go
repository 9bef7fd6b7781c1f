package streams_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/streams"
	"github.com/ephemera-go/ephemera/streams/streamtest"
)

func openLocal(t testing.TB, o streams.Options) *streams.Local {
	t.Helper()
	l, err := streams.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestLocal(t *testing.T) {
	streamtest.Run(t, func(t testing.TB, o streams.Options) streams.Log { return openLocal(t, o) })
}

// openClient returns a client of a server with a log of its own.
func openClient(t testing.TB, o streams.Options) *streams.Client {
	t.Helper()
	h, err := streams.NewHandler(openLocal(t, o), streams.HandlerOptions{MaxBody: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c, err := streams.NewClient(s.URL, streams.ClientOptions{RetryTimeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestClient(t *testing.T) {
	streamtest.Run(t, func(t testing.TB, o streams.Options) streams.Log { return openClient(t, o) })
}
