package pgstore_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/ephemera-go/ephemera/sinks"
	pgstore "github.com/ephemera-go/ephemera/storage-postgres"
)

// newRole makes a role that may make schemas, with settings of its own.
func newRole(t *testing.T, settings ...string) string {
	t.Helper()
	name := "test_" + strings.ToLower(rand.Text())
	conn := superuser(t)
	execute(t, conn, "CREATE ROLE "+name+" LOGIN", "GRANT CREATE ON DATABASE "+database(t, conn)+" TO "+name)
	for _, s := range settings {
		execute(t, conn, "ALTER ROLE "+name+" SET "+s)
	}
	t.Cleanup(func() {
		conn := superuser(t)
		// What a test has left open must not keep the role.
		execute(t, conn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '"+name+"'",
			"DROP OWNED BY "+name+" CASCADE", "DROP ROLE "+name)
	})
	return name
}

func database(t *testing.T, conn *pgx.Conn) string {
	return pgx.Identifier{value[string](t, conn, "SELECT current_database()")}.Sanitize()
}

// as is a URL for another role.
func as(t *testing.T, address, role string, pairs ...string) string {
	t.Helper()
	u, err := url.Parse(address)
	must(t, err)
	u = with(u, pairs...)
	u.User = url.User(role)
	return u.String()
}

// TestRights: a role may do what it was granted, and learns what it lacks.
func TestRights(t *testing.T) {
	place := place(t)
	schema := schemaOf(t, place)
	writer := openSignals(t, place, nil)
	must(t, writer.Append(t.Context(), series(1, 5)))
	blobs := openBlobs(t, place, nil)
	must(t, blobs.Put(t.Context(), "x", 1, strings.NewReader("x")))
	role := newRole(t)
	conn := superuser(t)
	denied := func(what string, err error) {
		t.Helper()
		var server *pgconn.PgError
		if !errors.Is(err, sinks.ErrDenied) || !errors.As(err, &server) || server.Code != "42501" || errors.Is(err, sinks.ErrUnknownOutcome) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := pgstore.OpenSignals(t.Context(), as(t, place, role), nil)
	denied("without any right", err)
	execute(t, conn, "GRANT USAGE ON SCHEMA "+schema+" TO "+role, "GRANT SELECT ON ALL TABLES IN SCHEMA "+schema+" TO "+role)
	reader := openSignals(t, as(t, place, role, "ephemera_read_only", "true"), nil)
	wantLog(t, reader, series(1, 5))
	must(t, sinks.Verify(t.Context(), reader))
	readBlobs := openBlobs(t, as(t, place, role, "ephemera_read_only", "true"), nil)
	must(t, sinks.Verify(t.Context(), readBlobs))
	bold := openSignals(t, as(t, place, role), nil)
	denied("append with the right to read", bold.Append(t.Context(), series(6, 7)))
	denied("trim with the right to read", bold.Trim(t.Context(), 2))
	// What the README names for a role that writes.
	execute(t, conn, "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "+schema+" TO "+role)
	must(t, bold.Append(t.Context(), series(6, 7)))
	must(t, bold.Trim(t.Context(), 2))
	_, err = sinks.Acquire(t.Context(), bold, sinks.Claim{Owner: "bold"})
	must(t, err)
	boldBlobs := openBlobs(t, as(t, place, role), nil)
	must(t, boldBlobs.Put(t.Context(), "y", 1, strings.NewReader("y")))
	must(t, boldBlobs.Delete(t.Context(), "x"))
	wantLog(t, writer, series(3, 7))

	execute(t, conn, "REVOKE CREATE ON DATABASE "+database(t, conn)+" FROM "+role)
	_, err = pgstore.OpenSignals(t.Context(), as(t, place, role, "ephemera_schema", schema+"_2"), nil)
	denied("making a schema", err)
}

// TestReadOnlySession: what the server refuses to write is read-only, whoever decided it.
func TestReadOnlySession(t *testing.T) {
	place := place(t)
	openSignals(t, place, nil)
	role := newRole(t, "default_transaction_read_only = on")
	execute(t, superuser(t), "GRANT "+value[string](t, raw(t, place), "SELECT current_user")+" TO "+role)
	s := openSignals(t, as(t, place, role), nil)
	if err := s.Append(t.Context(), series(1, 1)); !errors.Is(err, sinks.ErrReadOnly) {
		t.Error(err)
	}
	wantLog(t, s, nil)
}

// TestOddSession runs the contract of signals for a role whose settings change how values look and what a commit is.
func TestOddSession(t *testing.T) {
	server(t)
	t.Parallel()
	role := newRole(t, "TimeZone = 'America/St_Johns'", "DateStyle = 'German'", "IntervalStyle = 'sql_standard'", "bytea_output = 'escape'",
		"default_transaction_isolation = 'serializable'", "synchronous_commit = off", "search_path = 'pg_temp'", "client_encoding = 'LATIN1'")
	u := *server(t)
	u.User = url.User(role)
	t.Run("signals", func(t *testing.T) {
		t.Parallel()
		signalSuite(t, &u)
	})
	t.Run("blobs", func(t *testing.T) {
		t.Parallel()
		blobSuite(t, &u)
	})
	t.Run("text", func(t *testing.T) {
		place := place(t)
		s := openSignals(t, as(t, place, role), nil)
		must(t, s.Append(t.Context(), []sinks.Signal{{Sequence: 1, Time: time.Unix(0, 0), Name: "é😀"}}))
		if name := value[string](t, superuser(t), "SELECT name FROM "+schemaOf(t, place)+".signals"); name != "é😀" {
			t.Errorf("others see %q", name)
		}
	})
	t.Run("durable", func(t *testing.T) {
		place := as(t, place(t), role)
		s := openSignals(t, place, nil)
		conn := raw(t, place)
		execute(t, conn, "SET synchronous_commit TO DEFAULT", "CREATE TABLE seen (setting text)",
			"CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO "+schemaOf(t, place)+".seen VALUES (current_setting('synchronous_commit')); RETURN NEW; END $$",
			"CREATE TRIGGER looking BEFORE INSERT ON signals FOR EACH ROW EXECUTE FUNCTION look()")
		if off := value[string](t, conn, "SELECT current_setting('synchronous_commit')"); off != "off" {
			t.Fatalf("the role has synchronous_commit=%s", off)
		}
		must(t, s.Append(t.Context(), series(1, 1)))
		if on := value[string](t, conn, "SELECT setting FROM seen"); on != "on" {
			t.Errorf("the append was made with synchronous_commit=%s", on)
		}
	})
}

// TestUnfitDatabase is refused: not every text has a place there.
func TestUnfitDatabase(t *testing.T) {
	conn := superuser(t)
	name := "test_" + strings.ToLower(rand.Text())
	execute(t, conn, "CREATE DATABASE "+name+" ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
	t.Cleanup(func() { execute(t, superuser(t), "DROP DATABASE "+name+" WITH (FORCE)") })
	u := *server(t)
	u.Path, u.User = "/"+name, url.User("postgres")
	if _, err := pgstore.OpenBlobs(t.Context(), u.String(), nil); !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), "UTF8") {
		t.Error(err)
	}
}

func TestMissing(t *testing.T) {
	u := *server(t)
	u.Path = "/no_such_database"
	_, err := pgstore.OpenSignals(t.Context(), u.String(), nil)
	if !errors.Is(err, sinks.ErrNotFound) || !strings.Contains(err.Error(), "CREATE DATABASE") {
		t.Errorf("no database: %v", err)
	}
	u = *server(t)
	u.User = url.User("no_such_role")
	_, err = pgstore.OpenSignals(t.Context(), u.String(), nil)
	if !errors.Is(err, sinks.ErrDenied) {
		t.Errorf("no role: %v", err)
	}
	dir := t.TempDir()
	for what, u := range map[string]*url.URL{
		"no socket": with(server(t), "host", dir, "ephemera_retry_timeout", "100ms"),
		"no port":   with(server(t), "host", "127.0.0.1", "port", closedPort(t), "ephemera_retry_timeout", "100ms"),
	} {
		_, err := pgstore.OpenSignals(t.Context(), u.String(), nil)
		var known *sinks.Error
		if !errors.Is(err, pgstore.ErrUnavailable) || !errors.As(err, &known) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func closedPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it is closed at once
	must(t, err)
	defer func() { _ = listener.Close() }()
	_, port, err := net.SplitHostPort(listener.Addr().String())
	must(t, err)
	return port
}

// askPassword is a server that wants a password, refuses it, and repeats it.
func (p *proxy) askPassword(client net.Conn) {
	if _, _, err := readMessage(client, true); err != nil {
		return
	}
	_, _ = client.Write([]byte{'R', 0, 0, 0, 8, 0, 0, 0, 3})
	if _, _, err := readMessage(client, false); err != nil {
		return
	}
	_, _ = client.Write(errorResponse("FATAL", "28P01"))
}

// TestWrongPassword: the secret shows nowhere, although the server repeats it.
func TestWrongPassword(t *testing.T) {
	const secret = "hunter2"
	t.Setenv("PGPASSWORD", secret)
	p, u := newProxy(t)
	p.serve(p.askPassword)
	withPassword := *u
	withPassword.User = url.UserPassword("app", secret)
	var log strings.Builder
	o := &pgstore.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}
	for what, address := range map[string]string{
		"in the URL": withPassword.String(), "as a key": with(u, "password", secret).String(), "in the environment": u.String(),
	} {
		_, err := pgstore.OpenSignals(t.Context(), address, o)
		var server *pgconn.PgError
		if !errors.Is(err, sinks.ErrDenied) || !errors.As(err, &server) || server.Code != "28P01" {
			t.Errorf("%s: %v", what, err)
		}
		if text := fmt.Sprintf("%v %+v %s", err, err, log.String()); strings.Contains(text, secret) {
			t.Errorf("%s: the secret shows in %q", what, text)
		}
	}
}

// TestPasswordFile is found as pgx finds it.
func TestPasswordFile(t *testing.T) {
	var got []string
	var mu sync.Mutex
	p, u := newProxy(t)
	p.serve(func(client net.Conn) {
		if _, _, err := readMessage(client, true); err != nil {
			return
		}
		_, _ = client.Write([]byte{'R', 0, 0, 0, 8, 0, 0, 0, 3})
		_, raw, err := readMessage(client, false)
		if err != nil {
			return
		}
		mu.Lock()
		got = append(got, strings.TrimSuffix(string(raw[5:]), "\x00"))
		mu.Unlock()
		_, _ = client.Write(errorResponse("FATAL", "28P01"))
	})
	file := t.TempDir() + "/passwords"
	must(t, writeFile(file, "*:*:*:*:from the file\n"))
	_, err := pgstore.OpenSignals(context.Background(), with(u, "passfile", file).String(), nil)
	if !errors.Is(err, sinks.ErrDenied) {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(got) == 0 || got[0] != "from the file" {
		t.Errorf("the server got %q", got)
	}
}
