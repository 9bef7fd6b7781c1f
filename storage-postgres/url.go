package pgstore

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/ephemera-go/ephemera/sinks"
)

const keyPrefix = "ephemera_"

// passed are the query keys that are let through to pgx. It would send any other to the server as a setting of the session:
// a typing mistake would show late, and some settings would change what the store means.
var passed = []string{
	"host", "port", "user", "password", "dbname", "database", "passfile", "service", "servicefile",
	"connect_timeout", "target_session_attrs", "application_name", "statement_timeout", "lock_timeout",
	"sslmode", "sslcert", "sslkey", "sslpassword", "sslrootcert", "sslcertmode", "sslsni", "sslnegotiation",
	"channel_binding", "require_auth", "min_protocol_version", "max_protocol_version",
	"pool_max_conns", "pool_min_conns", "pool_min_idle_conns", "pool_max_conn_lifetime",
	"pool_max_conn_lifetime_jitter", "pool_max_conn_idle_time", "pool_health_check_period", "pool_ping_timeout",
}

// parse reads a URL; o holds the defaults. Errors of pgx repeat the URL, so none of them gets out.
func parse(u *url.URL, o Options) (*pgxpool.Config, Options, error) {
	p := sinks.NewParams(u)
	o.Schema = p.String(keyPrefix+"schema", o.Schema)
	o.ReadOnly = p.Bool(keyPrefix+"read_only", o.ReadOnly)
	o.RetryTimeout = p.Duration(keyPrefix+"retry_timeout", o.RetryTimeout, minRetryTimeout, maxRetryTimeout)
	// The other modes of pgx exchange texts, whose form depends on settings of the role.
	p.Choice("default_query_exec_mode", "", "cache_statement", "cache_describe")
	for _, key := range passed {
		p.String(key, "")
	}
	var problem error
	if u.Opaque != "" || u.Fragment != "" {
		problem = fmt.Errorf("%w: postgres://user@host/database is the form; a fragment is not allowed", sinks.ErrInvalid)
	}
	if err := errors.Join(problem, p.Err(), o.check()); err != nil {
		return nil, o, err
	}
	rest := *u
	rest.RawQuery = strings.Join(foreignPairs(u.RawQuery), "&")
	if rest.Path == "" {
		rest.Path = "/" // otherwise String might leave out the slashes
	}
	config, err := pgxpool.ParseConfig(rest.String())
	if err != nil {
		return nil, o, refused(rest.RawQuery, err)
	}
	session := config.ConnConfig.RuntimeParams
	session["client_encoding"] = "UTF8" // whatever the role's is
	if session["application_name"] == "" {
		session["application_name"] = "ephemera"
	}
	return config, o, nil
}

// foreignPairs returns the parts of a query that are not ours, as they were written: pgx reads escapes in its own way.
func foreignPairs(query string) (pairs []string) {
	for pair := range strings.SplitSeq(query, "&") {
		written, _, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(written)
		if pair != "" && err == nil && !strings.HasPrefix(key, keyPrefix) {
			pairs = append(pairs, pair)
		}
	}
	return pairs
}

// refused says what pgx may dislike without the values: each key that it refuses when it stands alone.
func refused(query string, err error) error {
	var problems []error
	for _, pair := range foreignPairs(query) {
		if _, err := pgxpool.ParseConfig("postgres:///?" + pair); err != nil {
			key, _, _ := strings.Cut(pair, "=")
			problems = append(problems, fmt.Errorf("%w: pgx refuses the value of query key %s%s", sinks.ErrInvalid, key, fileTrouble(err)))
		}
	}
	if problems == nil {
		return fmt.Errorf("%w: pgx refuses the URL, or what it found in the environment and in its files%s", sinks.ErrInvalid, fileTrouble(err))
	}
	return errors.Join(problems...)
}

func fileTrouble(err error) string {
	var file *fs.PathError
	if errors.As(err, &file) {
		return ": " + file.Op + ": " + file.Err.Error()
	}
	return ""
}
