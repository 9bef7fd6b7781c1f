package cli

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/ephemera-go/ephemera/server/internal/remote"
	"github.com/ephemera-go/ephemera/streams"
)

// endpoint is where commands find a server.
type endpoint struct {
	URL    string `group:"Server" default:"http://127.0.0.1:7070" env:"EPHEMERA_URL" placeholder:"URL" help:"The server (${default})."`
	CACert string `name:"ca-cert" group:"Server" placeholder:"FILE" env:"EPHEMERA_CA_CERT" help:"Certificate to trust, PEM (those of the system)."`
}

// connection is how commands that need more than to see it reach a server.
type connection struct {
	endpoint
	TokenFile string `group:"Server" placeholder:"FILE" env:"EPHEMERA_TOKEN_FILE" help:"File with its token. Or EPHEMERA_TOKEN."`
}

// streamConnection is how those reach it that store or show events. Only they try again.
type streamConnection struct {
	connection
	RetryTimeout time.Duration `group:"Server" default:"5s" env:"EPHEMERA_RETRY_TIMEOUT" help:"How long to try when the server cannot be reached."`
}

// http makes a client, and refuses what is no URL of a server.
func (c *endpoint) http() (*http.Client, error) {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || strings.ContainsAny(c.URL, "?#") {
		return nil, fmt.Errorf("%w: the URL of the server: http or https, a host, perhaps a path, and nothing else", errUsage)
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	if c.CACert != "" {
		pem, err := os.ReadFile(c.CACert)
		if err != nil {
			return nil, fmt.Errorf("%w: --ca-cert: %w", errUsage, err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%w: --ca-cert: %s holds no certificate", errUsage, c.CACert)
		}
		t.TLSClientConfig = &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{Transport: t}, nil
}

// log returns the streams of the server.
func (c *streamConnection) log() (*streams.Client, error) {
	token, err := readToken(c.TokenFile)
	if err != nil {
		return nil, err
	}
	client, err := c.http()
	if err != nil {
		return nil, err
	}
	return streams.NewClient(c.URL, streams.ClientOptions{HTTP: client, Token: token, RetryTimeout: c.RetryTimeout})
}

// rest returns everything else of it.
func (c *connection) rest() (*remote.Client, error) {
	token, err := readToken(c.TokenFile)
	if err != nil {
		return nil, err
	}
	client, err := c.http()
	if err != nil {
		return nil, err
	}
	return &remote.Client{Base: c.URL, Token: token, HTTP: client}, nil
}

// until returns a context that ends with the first signal.
func (w *world) until() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(w.ctx)
	go func() {
		select {
		case <-w.signals:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}
