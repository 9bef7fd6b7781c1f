package pgstore_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/ephemera-go/ephemera/sinks"
	pgstore "github.com/ephemera-go/ephemera/storage-postgres"
)

const (
	serverVariable  = "EPHEMERA_TEST_POSTGRES"
	restartVariable = "EPHEMERA_TEST_POSTGRES_RESTART"
	ciVariable      = "EPHEMERA_CI"
)

// TestMain leaves examples out where there is no server; tests say themselves that they are skipped.
func TestMain(m *testing.M) {
	job, address, isChild := strings.Cut(os.Getenv(childVariable), "|")
	if isChild {
		os.Exit(runChild(job, address))
	}
	flag.Parse()
	if os.Getenv(serverVariable) == "" {
		skip := flag.Lookup("test.skip")
		pattern := "^Example"
		if given := skip.Value.String(); given != "" {
			pattern += "|" + given
		}
		if err := skip.Value.Set(pattern); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// server returns the URL of the database for tests.
func server(t testing.TB) *url.URL {
	t.Helper()
	address := os.Getenv(serverVariable)
	if address == "" {
		if os.Getenv(ciVariable) != "" {
			t.Fatal(serverVariable + " is not set")
		}
		t.Skip(serverVariable + " is not set; run the tests with: go run ./tools/cmd/testenv -- go test ./storage-postgres/...")
	}
	u, err := url.Parse(address)
	must(t, err)
	return u
}

// with returns u with query keys set or, where the value is empty, removed.
func with(u *url.URL, pairs ...string) *url.URL {
	changed := *u
	query := u.Query()
	for i := 0; i < len(pairs); i += 2 {
		query.Del(pairs[i])
		if pairs[i+1] != "" {
			query.Set(pairs[i], pairs[i+1])
		}
	}
	changed.RawQuery = query.Encode()
	return &changed
}

// place returns a URL with a schema that nobody else uses, and drops the schema at the end.
func place(t testing.TB, pairs ...string) string {
	t.Helper()
	u := with(server(t), append([]string{"ephemera_schema", "test_" + strings.ToLower(rand.Text())}, pairs...)...)
	dropAtEnd(t, u.Query().Get("ephemera_schema"))
	return u.String()
}

func dropAtEnd(t testing.TB, schema string) {
	t.Cleanup(func() {
		conn := superuser(t)
		execute(t, conn, "DROP SCHEMA IF EXISTS "+schema+" CASCADE")
	})
}

// schemas gives every place of the suite a schema.
type schemas struct {
	t    *testing.T
	mu   sync.Mutex
	used map[string]bool
}

func newSchemas(t *testing.T) *schemas {
	server(t)
	s := &schemas{t: t, used: map[string]bool{}}
	t.Cleanup(func() {
		conn := superuser(t)
		for schema := range s.used {
			execute(t, conn, "DROP SCHEMA IF EXISTS "+schema+" CASCADE")
		}
	})
	return s
}

func (s *schemas) url(place string, base *url.URL, pairs ...string) *url.URL {
	sum := sha256.Sum256([]byte(place))
	schema := "suite_" + hex.EncodeToString(sum[:12])
	s.mu.Lock()
	s.used[schema] = true
	s.mu.Unlock()
	return with(with(base, pairs...), "ephemera_schema", schema)
}

// connect opens a connection like that of any other program.
func connect(t testing.TB, u *url.URL) *pgx.Conn {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, with(u, "ephemera_schema", "", "ephemera_retry_timeout", "", "ephemera_read_only", "", "pool_max_conns", "").String())
	must(t, err)
	t.Cleanup(func() { _ = conn.Close(ctx) })
	return conn
}

// raw is connect for somebody who works in the schema of a place.
func raw(t testing.TB, place string) *pgx.Conn {
	t.Helper()
	u, err := url.Parse(place)
	must(t, err)
	conn := connect(t, u)
	execute(t, conn, "SET search_path TO "+schemaOf(t, place))
	return conn
}

func schemaOf(t testing.TB, place string) string {
	t.Helper()
	u, err := url.Parse(place)
	must(t, err)
	return u.Query().Get("ephemera_schema")
}

// superuser may do everything.
func superuser(t testing.TB) *pgx.Conn {
	t.Helper()
	u := *server(t)
	u.User = url.User("postgres")
	return connect(t, &u)
}

func execute(t testing.TB, conn *pgx.Conn, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := conn.Exec(context.WithoutCancel(t.Context()), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func value[T any](t testing.TB, conn *pgx.Conn, query string, args ...any) (v T) {
	t.Helper()
	if err := conn.QueryRow(context.WithoutCancel(t.Context()), query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

func openSignals(t testing.TB, place string, o *pgstore.Options) *pgstore.Signals {
	t.Helper()
	s, err := pgstore.OpenSignals(t.Context(), place, o)
	must(t, err)
	t.Cleanup(func() { _ = s.Close() }) // a test that cares closes it itself
	return s
}

func openBlobs(t testing.TB, place string, o *pgstore.Options) sinks.BlobStore {
	t.Helper()
	s, err := pgstore.OpenBlobs(t.Context(), place, o)
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func closeAll(t testing.TB, closers ...interface{ Close() error }) {
	t.Helper()
	for _, c := range closers {
		must(t, c.Close())
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits until a condition holds.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("did not come to pass: " + what)
		}
	}
}

// signalAt is the signal that all tests store under a sequence.
func signalAt(n uint64) sinks.Signal {
	s := sinks.Signal{
		Sequence: n, Time: time.Unix(1_700_000_000+int64(n), int64(n*7919%1_000_000_000)).UTC(),
		Name: fmt.Sprintf("name.%d", n%17), Operation: n * 0x9e3779b97f4a7c15,
	}
	if n%3 != 0 {
		s.Key = fmt.Sprintf("key-%d", n%101)
	}
	if n%5 == 0 {
		s.Path = []string{"parent", fmt.Sprintf("<%d>", n)}
	}
	if n%7 == 0 {
		s.Data = []byte{0, byte(n), 0xff}
	}
	return s
}

func series(first, last uint64) (batch []sinks.Signal) {
	for n := first; n <= last; n++ {
		batch = append(batch, signalAt(n))
	}
	return batch
}

func wantLog(t testing.TB, s sinks.SignalStore, want []sinks.Signal) {
	t.Helper()
	got, err := s.Read(t.Context(), 0, 1<<20)
	must(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("log differs (-want +got):\n%s", diff)
	}
}
