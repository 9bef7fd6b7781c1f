package verify

import (
	"context"
	"crypto/rand"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/ephemera-go/ephemera/sinks"
	_ "github.com/ephemera-go/ephemera/storage-postgres"
	_ "github.com/ephemera-go/ephemera/storage-s3"
)

func serverPlaces() []place { return []place{{"s3", s3Place}, {"postgres", postgresPlace}} }

// serverURL is that of a server for tests.
func serverURL(t testing.TB, variable string) *url.URL {
	t.Helper()
	address := os.Getenv(variable)
	if address == "" && os.Getenv("EPHEMERA_CI") == "" {
		t.Skip(variable + " is not set; run the tests with: go run ./tools/cmd/testenv -- go test ./verify/...")
	}
	u, err := url.Parse(address)
	if err != nil || address == "" {
		t.Fatal(variable + " is not set, or no URL")
	}
	return u
}

// s3Place names a prefix of its own, whose blobs go when the test ends.
func s3Place(t testing.TB) string {
	t.Helper()
	u := serverURL(t, "EPHEMERA_TEST_S3").JoinPath("verify-" + rand.Text()).String()
	t.Cleanup(func() {
		ctx := context.Background()
		b, err := sinks.OpenBlobs(ctx, u)
		must(t, err)
		defer func() { _ = b.Close() }()
		list, err := b.List(ctx, "", "", 0)
		must(t, err)
		for _, blob := range list {
			must(t, b.Delete(ctx, blob.Name))
		}
	})
	return u
}

// postgresPlace names a schema of its own, which goes when the test ends.
func postgresPlace(t testing.TB) string {
	t.Helper()
	u := serverURL(t, "EPHEMERA_TEST_POSTGRES")
	plain := u.String()
	schema := "verify_" + strings.ToLower(rand.Text())
	query := u.Query()
	query.Set("ephemera_schema", schema)
	u.RawQuery = query.Encode()
	t.Cleanup(func() {
		ctx := context.Background()
		c, err := pgx.Connect(ctx, plain)
		must(t, err)
		defer func() { _ = c.Close(ctx) }()
		_, err = c.Exec(ctx, "DROP SCHEMA IF EXISTS "+schema+" CASCADE")
		must(t, err)
	})
	return u.String()
}
