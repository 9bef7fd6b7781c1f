package pgstore_test

import (
	"context"
	"errors"
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

func writeFile(path, text string) error { return os.WriteFile(path, []byte(text), 0o600) }

// TestRefusedURLs: what is wrong is named, all of it, without a value. No server is needed.
func TestRefusedURLs(t *testing.T) {
	for _, c := range []struct {
		url    string
		wrongs []string
	}{
		{"postgres:db", []string{"postgres://user@host/database"}},
		{"postgres://u:hunter2@h/db#hunter2", []string{"fragment"}},
		{"postgres://u:hunter2@h:port/db", []string{"malformed"}},
		{"mysql://u:hunter2@h/db", []string{"postgres://user@host/database"}},
		{
			"postgres://u@h/db?ephemera_schema=A&ephemera_read_only=maybe&ephemera_retry_timeout=hunter2",
			[]string{"Schema", "ephemera_read_only", "ephemera_retry_timeout"},
		},
		{
			"postgres://u@h/db?ephemera_shema=x&sslmod=require&search_path=x&options=-chunter2&synchronous_commit=off",
			[]string{"ephemera_shema", "sslmod", "search_path", "options", "synchronous_commit"},
		},
		{"postgres://u@h/db?ephemera%5Fschema=1x", []string{"Schema"}},
		{"postgres://u@h/db?ephemera_schema=pg_x", []string{"Schema"}},
		{"postgres://u@h/db?ephemera_schema=" + strings.Repeat("x", 64), []string{"Schema"}},
		{"postgres://u@h/db?ephemera_schema=x%22%3BDROP%20TABLE", []string{"Schema"}},
		{"postgres://u@h/db?ephemera_schema=x&ephemera_schema=y", []string{"ephemera_schema"}},
		{
			"postgres://u@h/db?sslmode=hunter2&pool_max_conns=hunter2&connect_timeout=hunter2&target_session_attrs=hunter2",
			[]string{"sslmode", "pool_max_conns", "connect_timeout", "target_session_attrs"},
		},
		{"postgres://u@h/db?pool_max_conns=0", []string{"pool_max_conns"}},
		{"postgres://u@h/db?application_name=a=hunter2", []string{"application_name"}},
		{"postgres://u:hunter2@h/db?sslmode=verify-full&sslrootcert=/hunter2", []string{"sslrootcert", "no such file"}},
		{"postgres://u@h/db?default_query_exec_mode=hunter2", []string{"default_query_exec_mode"}},
		{"postgres://u:hunter2@h1,h2/db?port=1,2,3", []string{"refuses"}},
	} {
		for what, open := range map[string]func() error{
			"signals": func() error { _, err := pgstore.OpenSignals(t.Context(), c.url, nil); return err },
			"blobs":   func() error { _, err := pgstore.OpenBlobs(t.Context(), c.url, nil); return err },
			"mux":     func() error { _, err := sinks.OpenSignals(t.Context(), c.url); return err },
		} {
			err := open()
			if what == "mux" && !strings.HasPrefix(c.url, "postgres") {
				continue
			}
			if !errors.Is(err, sinks.ErrInvalid) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s, %s: %v", what, c.url, err)
				continue
			}
			for _, wrong := range c.wrongs {
				if !strings.Contains(err.Error(), wrong) {
					t.Errorf("%s, %s: %v does not name %s", what, c.url, err, wrong)
				}
			}
		}
	}
}

func TestBadOptions(t *testing.T) {
	o := pgstore.Options{Schema: "Ü", RetryTimeout: -1}
	_, err := pgstore.OpenSignals(t.Context(), "postgres://u@h/db", &o)
	_, through := pgstore.Opener{Options: o}.OpenBlobs(t.Context(), &url.URL{Scheme: "postgres", Host: "h", Path: "/db"})
	for _, err := range []error{err, through} {
		for _, name := range []string{"Schema", "RetryTimeout"} {
			if !errors.Is(err, sinks.ErrInvalid) || !strings.Contains(err.Error(), name) {
				t.Errorf("%v does not name %s", err, name)
			}
		}
	}
}

// TestSettingOfTheServer: a value that only the server can judge is a wrong URL too.
func TestSettingOfTheServer(t *testing.T) {
	_, err := pgstore.OpenSignals(t.Context(), place(t, "statement_timeout", "soon"), nil)
	if !errors.Is(err, sinks.ErrInvalid) {
		t.Error(err)
	}
}

func TestURLsThatWork(t *testing.T) {
	base := server(t)
	// Everything may stand in the query or in the environment.
	config, err := pgx.ParseConfig(base.String())
	must(t, err)
	schema := schemaOf(t, place(t))
	host, port := base.Query().Get("host"), base.Query().Get("port")
	t.Setenv("PGHOST", host)
	t.Setenv("PGPORT", port)
	for _, address := range []string{
		with(base, "host", "/nobody/is/here,"+host, "port", port+","+port).String(),
		"postgres://" + config.User + "@/" + config.Database,
		"postgresql://?user=" + config.User + "&dbname=" + config.Database,
		"postgres:///" + config.Database + "?user=" + config.User + "&application_name=a%20b%2Bc&statement_timeout=1min&connect_timeout=5" +
			"&pool_max_conn_lifetime=1h&target_session_attrs=read-write&sslmode=disable",
	} {
		glue := "?"
		if strings.Contains(address, "?") {
			glue = "&"
		}
		s, err := sinks.OpenSignals(t.Context(), address+glue+"ephemera_schema="+schema)
		if err != nil {
			t.Errorf("%s: %v", address, err)
			continue
		}
		closeAll(t, s)
	}
}

// contents reads all that a schema holds, to see whether anything was touched.
func contents(t *testing.T, place string) []string {
	t.Helper()
	conn := raw(t, place)
	var all []string
	must(t, conn.QueryRow(t.Context(), `SELECT array_agg(relname || ' ' || relkind::text || ' ' || coalesce(
		(xpath('/row/c/text()', query_to_xml('SELECT count(*) AS c FROM ' || quote_ident(nspname) || '.' || quote_ident(relname), false, true, '')))[1]::text, '')
		ORDER BY relname) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = $1 AND relkind = 'r'`, schemaOf(t, place)).Scan(&all))
	return all
}

// TestRefusedAndLeftAlone opens what is not ours, or not for us, for writing and for reading.
func TestRefusedAndLeftAlone(t *testing.T) {
	ours := func(t *testing.T, place string) *pgx.Conn {
		closeAll(t, openSignals(t, place, nil))
		return raw(t, place)
	}
	schema := func(t *testing.T, place string) *pgx.Conn {
		conn := raw(t, place)
		execute(t, conn, "CREATE SCHEMA "+schemaOf(t, place))
		return conn
	}
	for _, c := range []struct {
		name string
		make func(t *testing.T, place string)
		want error
	}{
		{"foreign", func(t *testing.T, place string) {
			execute(t, schema(t, place), "CREATE TABLE accounts (id int)", "INSERT INTO accounts VALUES (1)")
		}, sinks.ErrForeign},
		{"another table of the same name", func(t *testing.T, place string) {
			execute(t, schema(t, place), "CREATE TABLE signals (id int)", "INSERT INTO signals VALUES (1)")
		}, sinks.ErrForeign},
		{"versions of somebody else", func(t *testing.T, place string) {
			execute(t, schema(t, place), "CREATE TABLE schema_versions (version text, script text)")
		}, sinks.ErrForeign},
		{"newer", func(t *testing.T, place string) {
			execute(t, ours(t, place), "INSERT INTO schema_versions (version, description) VALUES (99, 'from the future')")
		}, sinks.ErrTooNew},
		{"without its version", func(t *testing.T, place string) {
			execute(t, ours(t, place), "DELETE FROM schema_versions")
		}, sinks.ErrCorrupt},
	} {
		t.Run(c.name, func(t *testing.T) {
			place := place(t)
			c.make(t, place)
			before := contents(t, place)
			for _, readOnly := range []bool{false, true} {
				_, err := pgstore.OpenSignals(t.Context(), place, &pgstore.Options{ReadOnly: readOnly})
				var known *sinks.Error
				if !errors.Is(err, c.want) || !errors.As(err, &known) || known.Driver != "postgres" {
					t.Errorf("read-only %v: %v, want %v", readOnly, err, c.want)
				}
			}
			if diff := cmp.Diff(before, contents(t, place)); diff != "" {
				t.Errorf("something was touched:\n%s", diff)
			}
		})
	}
}

// TestOwnThings: an empty schema is taken, and what people add to one of ours does not disturb.
func TestOwnThings(t *testing.T) {
	place := place(t)
	conn := raw(t, place)
	execute(t, conn, "CREATE SCHEMA "+schemaOf(t, place))
	s := openSignals(t, place, nil)
	must(t, s.Append(t.Context(), series(1, 5)))
	execute(t, conn, "CREATE VIEW errors AS SELECT * FROM signals WHERE name LIKE 'error%'", "CREATE INDEX ON signals (time)")
	wantLog(t, openSignals(t, place, nil), series(1, 5))
}

// TestDamagedSchema: a table of ours that is gone is damage.
func TestDamagedSchema(t *testing.T) {
	place := place(t)
	s := openSignals(t, place, nil)
	execute(t, raw(t, place), "DROP TABLE signals CASCADE")
	if err := s.Append(t.Context(), series(1, 1)); !errors.Is(err, sinks.ErrCorrupt) {
		t.Error(err)
	}
	if _, err := s.Read(t.Context(), 0, 1); !errors.Is(err, sinks.ErrCorrupt) {
		t.Error(err)
	}
	execute(t, raw(t, place), "DELETE FROM signal_log", "DELETE FROM leases")
	if err := s.Append(t.Context(), series(1, 1)); !errors.Is(err, sinks.ErrCorrupt) {
		t.Error(err)
	}
}

// TestOpenTogether makes one schema from many sides at once.
func TestOpenTogether(t *testing.T) {
	place := place(t)
	var group sync.WaitGroup
	for i := range 6 {
		group.Go(func() {
			var err error
			if i%2 == 0 {
				s, e := pgstore.OpenSignals(t.Context(), place, nil)
				if err = e; err == nil {
					err = errors.Join(s.Append(t.Context(), series(1, 3)), s.Close())
				}
			} else {
				b, e := pgstore.OpenBlobs(t.Context(), place, nil)
				if err = e; err == nil {
					err = b.Close()
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	wantLog(t, openSignals(t, place, nil), series(1, 3))
}

func TestReadOnly(t *testing.T) {
	place := place(t)
	o := &pgstore.Options{ReadOnly: true}
	if _, err := pgstore.OpenSignals(t.Context(), place, o); !errors.Is(err, sinks.ErrNotFound) {
		t.Errorf("an absent schema: %v", err)
	}
	execute(t, raw(t, place), "CREATE SCHEMA "+schemaOf(t, place))
	if _, err := pgstore.OpenBlobs(t.Context(), place, o); !errors.Is(err, sinks.ErrNotFound) {
		t.Errorf("an empty schema: %v", err)
	}
	writer := openSignals(t, place, nil)
	must(t, writer.Append(t.Context(), series(1, 10)))
	s, b := openSignals(t, place, o), openBlobs(t, place, o)
	must(t, writer.Append(t.Context(), series(11, 20)))
	wantLog(t, s, series(1, 20))
	must(t, sinks.Verify(t.Context(), s))
	_, pruning := sinks.Prune(t.Context(), s, time.Time{}, 1, 1)
	_, leasing := sinks.Acquire(t.Context(), s, sinks.Claim{Owner: "reader"})
	for what, err := range map[string]error{
		"append": s.Append(t.Context(), series(21, 22)), "trim": s.Trim(t.Context(), 5), "prune": pruning, "acquire": leasing,
		"put": b.Put(t.Context(), "x", 1, strings.NewReader("x")), "delete": b.Delete(t.Context(), "x"),
	} {
		if !errors.Is(err, sinks.ErrReadOnly) {
			t.Errorf("%s: %v", what, err)
		}
	}
	closeAll(t, s, b)
	wantLog(t, writer, series(1, 20))
}

func TestOpenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := pgstore.OpenSignals(ctx, place(t), nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
