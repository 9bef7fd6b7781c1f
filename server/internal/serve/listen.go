package serve

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// loopbackOnly reports whether an address to listen on can be reached from this machine only.
func loopbackOnly(ctx context.Context, address string) (bool, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false, fmt.Errorf("%w: address %q; host:port is wanted, such as 127.0.0.1:7070", ErrOption, address)
	}
	if host == "" {
		return false, nil
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return a.IsLoopback(), nil
	}
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return false, fmt.Errorf("%w: %s: %w", ErrListen, address, err)
	}
	for _, a := range found {
		if !a.IsLoopback() {
			return false, nil
		}
	}
	return true, nil
}

func listen(ctx context.Context, address string) (net.Listener, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%w: %s is in use; stop what uses it, or choose another address with --listen", ErrListen, address)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrListen, err)
	}
	return l, nil
}

// loadTLS reads the certificate and its key; nil without them.
func loadTLS(certificate, key string) (*tls.Config, error) {
	if certificate == "" && key == "" {
		return nil, nil
	}
	if certificate == "" || key == "" {
		return nil, fmt.Errorf("%w: --tls-cert and --tls-key belong together", ErrOption)
	}
	for _, name := range []string{certificate, key} {
		if _, err := os.ReadFile(name); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrTLS, err)
		}
	}
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("%w: %s and %s: %w", ErrTLS, certificate, key, err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}

// A limited listener refuses connections beyond a number at once, instead of letting them wait where nobody sees them.
type limited struct {
	net.Listener
	slots   chan struct{}
	plain   bool // not TLS: the refusal can be read
	refused func()
}

const refusal = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

// Accept returns the next connection for which there is room.
func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		select {
		case l.slots <- struct{}{}:
			return &counted{Conn: c, slots: l.slots}, nil
		default:
			l.refused()
			if l.plain {
				_ = c.SetDeadline(time.Now().Add(time.Second))
				_, _ = c.Write([]byte(refusal)) // fits any buffer, so it does not wait
			}
			_ = c.Close()
		}
	}
}

type counted struct {
	net.Conn
	slots chan struct{}
	once  sync.Once
}

// Close makes room for another one.
func (c *counted) Close() error {
	c.once.Do(func() { <-c.slots })
	return c.Conn.Close()
}
