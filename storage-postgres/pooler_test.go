package pgstore_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/ephemera-go/ephemera/sinks"
	pgstore "github.com/ephemera-go/ephemera/storage-postgres"
)

// startPooler stands for a pooler of transactions, strictly: every transaction of a client goes to the other one of two
// connections, and afterwards that one forgets all that a session can remember.
func startPooler(t testing.TB) *url.URL {
	t.Helper()
	p, u := newProxy(t)
	p.serve(p.pool)
	return u
}

// side is one of the connections to the server.
type side struct {
	net.Conn
	reader *bufio.Reader
}

func (p *proxy) pool(client net.Conn) {
	reader := bufio.NewReaderSize(client, 64<<10)
	_, startup, err := readMessage(reader, true)
	if err != nil {
		return
	}
	var sides [2]side
	for i := range sides {
		backend, err := p.backend()
		if err != nil {
			return
		}
		defer func() { _ = backend.Close() }()
		sides[i] = side{backend, bufio.NewReaderSize(backend, 64<<10)}
		greetings := io.Discard
		if i == 0 {
			greetings = client
		}
		if _, err := backend.Write(startup); err != nil {
			return
		}
		if _, err := sides[i].answer(greetings); err != nil {
			return
		}
	}
	for turn := 0; ; {
		kind, raw, err := readMessage(reader, false)
		if err != nil {
			return
		}
		current := sides[turn]
		if _, err := current.Write(raw); err != nil {
			return
		}
		if !strings.ContainsRune("QScf", rune(kind)) {
			continue // the server answers later
		}
		idle, err := current.answer(client)
		if err == nil && idle {
			_, err = current.Write([]byte("Q\x00\x00\x00\x10DISCARD ALL\x00"))
			if err == nil {
				_, err = current.answer(io.Discard)
			}
			turn = 1 - turn
		}
		if err != nil {
			return
		}
	}
}

// answer passes on what the server says until it waits for the client, and reports whether no transaction stands open.
func (s side) answer(to io.Writer) (idle bool, err error) {
	for {
		kind, raw, err := readMessage(s.reader, false)
		if err != nil {
			return false, err
		}
		if _, err := to.Write(raw); err != nil {
			return false, err
		}
		switch kind {
		case 'Z':
			return raw[5] == 'I', nil
		case 'G': // COPY: the rows come next
			return false, nil
		}
	}
}

// TestPooler runs the contracts through a pooler of transactions, with one connection to it.
func TestPooler(t *testing.T) {
	server(t)
	t.Parallel()
	pairs := []string{"default_query_exec_mode", "cache_describe", "pool_max_conns", "1"}
	t.Run("signals", func(t *testing.T) {
		t.Parallel()
		signalSuite(t, startPooler(t), pairs...)
	})
	t.Run("blobs", func(t *testing.T) {
		t.Parallel()
		blobSuite(t, startPooler(t), pairs...)
	})
}

// TestPoolerNeedsAMode: what pgx does by default cannot work there, and the error says what to do.
func TestPoolerNeedsAMode(t *testing.T) {
	schema := schemaOf(t, place(t))
	s, err := pgstore.OpenSignals(t.Context(), with(startPooler(t), "ephemera_schema", schema).String(), nil)
	for n := uint64(1); err == nil && n < 5; n++ {
		defer func() { _ = s.Close() }()
		err = s.Append(t.Context(), series(n, n))
	}
	if !errors.Is(err, sinks.ErrInvalid) || !strings.Contains(err.Error(), "default_query_exec_mode=cache_describe") {
		t.Error(err)
	}
}
