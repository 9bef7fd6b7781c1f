package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/ephemera-go/ephemera/benchmarks"
	"github.com/ephemera-go/ephemera/streams"
)

// connectWire sends the same bytes over and over on connections of its own, as wrk does: a generator that does as little as can
// be leaves the processors to the server.
func connectWire(ctx context.Context, url string, connections int) (*session, error) {
	c, err := streams.NewClient(url, streams.ClientOptions{Token: token})
	if err != nil {
		return nil, err
	}
	address := strings.TrimPrefix(url, "http://")
	body := benchmarks.OrderLine(nil, 417, 0)
	request := fmt.Appendf(nil, "POST /streams/%s HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", streamName, address, token, len(body), body)
	s := &session{stored: storedBy(c)}
	var wires []*wire
	s.close = func() {
		for _, w := range wires {
			w.close()
		}
		_ = c.Close()
	}
	for range connections {
		w, err := dialWire(ctx, address, request)
		if err != nil {
			s.close()
			return nil, err
		}
		wires, s.appenders = append(wires, w), append(s.appenders, w.append)
	}
	return s, nil
}

// A wire is a connection of HTTP/1.1 and the one request that goes out on it.
type wire struct {
	conn    net.Conn
	in      *bufio.Reader
	request []byte
	forget  func() bool // the context
}

// dialWire connects. The end of the context ends what waits for a reply.
func dialWire(ctx context.Context, address string, request []byte) (*wire, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	forget := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return &wire{conn, bufio.NewReader(conn), request, forget}, nil
}

func (w *wire) close() {
	w.forget()
	_ = w.conn.Close()
}

func (w *wire) append(context.Context) error {
	if _, err := w.conn.Write(w.request); err != nil {
		return err
	}
	return w.reply()
}

var errReply = errors.New("no reply of HTTP/1.1 with a Content-Length")

// reply reads one, which must say 201.
func (w *wire) reply() error {
	status, length := "", -1
	for {
		line, err := w.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		name, value, _ := bytes.Cut(line, []byte(": "))
		switch {
		case status == "":
			if status = string(line); !strings.HasPrefix(status, "HTTP/1.1 ") {
				return fmt.Errorf("%w: %.200q", errReply, line)
			}
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return fmt.Errorf("%w: %.200q", errReply, line)
			}
		case len(line) == 0:
			return w.body(status, length)
		}
	}
}

func (w *wire) body(status string, length int) error {
	switch {
	case length < 0:
		return fmt.Errorf("%w: %.200q", errReply, status)
	case !strings.HasPrefix(status, "HTTP/1.1 201 "):
		text, _ := w.in.Peek(min(length, 200))
		return fmt.Errorf("%s: %s", status, text)
	}
	_, err := w.in.Discard(length)
	return err
}
