package pgstore_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A fate is what happens to a COMMIT.
type fate int

const (
	pass        fate = iota
	dropRequest      // the server never sees it: both connections are cut
	swallow          // the server never sees it and goes on waiting for it; the client's connection is cut
	hangRequest      // the server never sees it, and the client waits
	dropReply        // the server carries it out; the client's connection is cut before the answer
	hangReply        // the server carries it out, and the client waits
	lie              // the server carries it out; the client is told that it was cancelled
	kill             // the server carries it out; the client is told that the connection was ended by an administrator
	late             // the client's connection is cut; the server gets it at a later moment
	fates
)

// A proxy stands between a store and the server, understands enough of the protocol to see a COMMIT, and decides its fate.
// https://www.postgresql.org/docs/current/protocol-message-formats.html
type proxy struct {
	t        testing.TB
	backend  func() (net.Conn, error)
	listener net.Listener
	decide   func() fate
	see      func(query string) // every simple query, before the server gets it; may be nil
	done     chan struct{}      // closed at the end
	group    sync.WaitGroup

	moment func() <-chan struct{} // of a late COMMIT: when the next client has come
	mu     sync.Mutex
	come   chan struct{}
}

func (p *proxy) nextClient() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.come
}

// startProxy returns the proxy and the URL that leads through it.
func startProxy(t testing.TB, decide func() fate) (*proxy, *url.URL) {
	t.Helper()
	p, u := newProxy(t)
	p.decide = decide
	p.serve(p.relay)
	return p, u
}

func newProxy(t testing.TB) (*proxy, *url.URL) {
	t.Helper()
	base := server(t)
	config, err := pgx.ParseConfig(base.String())
	must(t, err)
	dir, err := os.MkdirTemp("", "pgproxy") //nolint:usetesting // the names of sockets are short
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	listener, err := net.Listen("unix", filepath.Join(dir, ".s.PGSQL.5432")) //nolint:noctx // it only makes a socket
	must(t, err)
	network, address := pgconn.NetworkAddress(config.Host, config.Port)
	p := &proxy{t: t, listener: listener, done: make(chan struct{}), come: make(chan struct{})}
	p.moment = p.nextClient
	p.backend = func() (net.Conn, error) { return net.Dial(network, address) } //nolint:noctx // local
	u := with(base, "host", dir, "port", "5432")
	u.Host = ""
	return p, u
}

func (p *proxy) serve(handle func(client net.Conn)) {
	p.group.Go(func() {
		for {
			client, err := p.listener.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			close(p.come)
			p.come = make(chan struct{})
			p.mu.Unlock()
			p.group.Go(func() {
				defer func() { _ = client.Close() }()
				handle(client)
			})
		}
	})
	p.t.Cleanup(func() {
		close(p.done)
		_ = p.listener.Close()
		p.group.Wait()
	})
}

// readMessage returns a message as it was sent. The first one of a client has no type.
func readMessage(r io.Reader, first bool) (kind byte, raw []byte, err error) {
	head := make([]byte, 5)
	if first {
		head = head[1:]
	}
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, nil, err
	}
	if !first {
		kind = head[0]
	}
	raw = make([]byte, len(head)+int(binary.BigEndian.Uint32(head[len(head)-4:]))-4)
	copy(raw, head)
	_, err = io.ReadFull(r, raw[len(head):])
	return kind, raw, err
}

func isCommit(kind byte, raw []byte) bool {
	return kind == 'Q' && strings.HasPrefix(string(raw[5:]), "COMMIT")
}

// relay serves one connection of a client.
func (p *proxy) relay(client net.Conn) {
	backend, err := p.backend()
	if err != nil {
		return // as if the server had cut it
	}
	answers := &answers{to: client}
	var copying sync.WaitGroup
	copying.Go(func() {
		_, _ = io.Copy(answers, backend)
		_ = client.Close()
	})
	reader := bufio.NewReaderSize(client, 64<<10)
	what, raw := p.forward(reader, backend, answers)
	switch what {
	case swallow:
		p.keep(backend)
	case hangRequest, hangReply:
		p.keep(backend)
		_, _, _ = readMessage(reader, false) // the client gives up
	case dropReply, lie, kill:
		copying.Wait()
	case late:
		moment := p.moment()
		_ = client.Close()
		select {
		case <-moment:
		case <-p.done:
		}
		_, _ = backend.Write(raw)
		copying.Wait()
	}
	_ = client.Close()
	_ = backend.Close()
	copying.Wait()
}

// forward returns why it ended: the fate of a COMMIT and the COMMIT, or pass if one of the sides closed its connection.
func (p *proxy) forward(client io.Reader, backend io.Writer, answers *answers) (fate, []byte) {
	for first := true; ; first = false {
		kind, raw, err := readMessage(client, first)
		if err != nil {
			return pass, nil
		}
		if p.see != nil && kind == 'Q' {
			p.see(string(raw[5:]))
		}
		what := pass
		if isCommit(kind, raw) {
			what = p.decide()
		}
		switch what {
		case dropRequest, swallow, hangRequest:
			return what, nil
		case late:
			answers.instead(dropReply)
			return what, raw
		case pass:
		default:
			answers.instead(what)
		}
		if _, err := backend.Write(raw); err != nil || what != pass {
			return what, nil
		}
	}
}

// keep leaves a connection open that the client has left, as a network does that lost the news.
func (p *proxy) keep(backend net.Conn) {
	file, err := backend.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		p.t.Error(err)
		return
	}
	p.group.Go(func() {
		<-p.done
		_ = file.Close()
	})
}

// answers of the server go to the client until something else is to happen to them.
type answers struct {
	mu   sync.Mutex
	to   io.Writer
	what fate
}

func (a *answers) instead(what fate) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.what = what
}

var errCut = errors.New("cut")

func (a *answers) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch a.what {
	case dropReply:
		return 0, errCut
	case hangReply:
		return len(p), nil
	case lie:
		_, _ = a.to.Write(append(errorResponse("ERROR", "57014"), 'Z', 0, 0, 0, 5, 'I'))
		return 0, errCut
	case kill:
		_, _ = a.to.Write(errorResponse("FATAL", "57P01"))
		return 0, errCut
	}
	return a.to.Write(p)
}

func errorResponse(severity, code string) []byte {
	fields := "S" + severity + "\x00V" + severity + "\x00C" + code + "\x00Mhunter2\x00\x00"
	raw := binary.BigEndian.AppendUint32([]byte{'E'}, uint32(4+len(fields)))
	return append(raw, fields...)
}
