package s3store_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/ephemera-go/ephemera/sinks"
)

// serverVariable names the URL of a prefix on a real server; the environment holds its credentials.
const serverVariable = "EPHEMERA_TEST_S3"

// server returns the URL of the real server.
func server(t testing.TB) *url.URL {
	t.Helper()
	raw := os.Getenv(serverVariable)
	if raw == "" {
		if os.Getenv("EPHEMERA_CI") != "" {
			t.Fatal(serverVariable + " is not set")
		}
		t.Skip(serverVariable + " is not set")
	}
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(serverVariable + " is no URL")
	}
	return u
}

// root returns the URL of a prefix on the real server that belongs to this test and is emptied after it.
func root(t testing.TB) *url.URL {
	t.Helper()
	u := server(t).JoinPath("run-" + rand.Text())
	t.Cleanup(func() { empty(t, u) })
	return u
}

// sdk returns a plain client for the server of a URL.
func sdk(t testing.TB, u *url.URL) *minio.Client {
	t.Helper()
	endpoint, err := url.Parse(u.Query().Get("endpoint"))
	must(t, err)
	c, err := minio.New(endpoint.Host, &minio.Options{
		Creds: credentials.NewEnvAWS(), Secure: endpoint.Scheme == "https", Region: u.Query().Get("region"),
	})
	must(t, err)
	return c
}

// stored lists the keys below the prefix of a URL, from the prefix on.
func stored(t testing.TB, u *url.URL) (keys []string) {
	t.Helper()
	prefix := strings.TrimPrefix(u.Path, "/") + "/"
	options := minio.ListObjectsOptions{Prefix: prefix, Recursive: true}
	for o := range sdk(t, u).ListObjectsIter(context.WithoutCancel(t.Context()), u.Host, options) {
		must(t, o.Err)
		keys = append(keys, strings.TrimPrefix(o.Key, prefix))
	}
	return keys
}

// empty removes everything below the prefix of a URL. No upload may have been left half done there.
func empty(t testing.TB, u *url.URL) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	c, prefix := sdk(t, u), strings.TrimPrefix(u.Path, "/")+"/"
	for upload := range c.ListIncompleteUploads(ctx, u.Host, prefix, true) {
		t.Errorf("an upload in parts was left: %s, %v", upload.Key, upload.Err)
	}
	for _, key := range stored(t, u) {
		must(t, c.RemoveObject(ctx, u.Host, prefix+key, minio.RemoveObjectOptions{}))
	}
}

// at returns the URL of a place of its own below u.
func at(u *url.URL, place string) string {
	sum := sha256.Sum256([]byte(place))
	return u.JoinPath(hex.EncodeToString(sum[:8])).String()
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func openBlobs(t testing.TB, rawURL string) sinks.BlobStore {
	t.Helper()
	s, err := sinks.OpenBlobs(context.WithoutCancel(t.Context()), rawURL)
	must(t, err)
	t.Cleanup(func() { _ = s.Close() }) // a test that cares closes it itself
	return s
}

func openSignals(t testing.TB, rawURL string) sinks.SignalStore {
	t.Helper()
	s, err := sinks.OpenSignals(context.WithoutCancel(t.Context()), rawURL)
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
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

// setCredentials are those for servers in memory, which do not look at them.
func setCredentials(t testing.TB) {
	t.Setenv("AWS_ACCESS_KEY_ID", "key of the test")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret of the test")
}

// fakePlace returns a server in memory and the URL of a prefix on it.
func fakePlace(t testing.TB) (*fakeServer, string) {
	t.Helper()
	setCredentials(t)
	s := newFake()
	return s, placeOn(httptestServer(t, s))
}

func httptestServer(t testing.TB, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func placeOn(endpoint string) string {
	return "s3://" + fakeBucket + "/place?endpoint=" + url.QueryEscape(endpoint) + "&attempts=3"
}

func put(ctx context.Context, s sinks.BlobStore, name string, b []byte) error {
	return s.Put(ctx, name, int64(len(b)), bytes.NewReader(b))
}

func get(ctx context.Context, s sinks.BlobStore, name string) ([]byte, error) {
	r, _, err := s.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(r)
	return b, errors.Join(err, r.Close())
}

func wantLog(t testing.TB, s sinks.SignalStore, want []sinks.Signal) {
	t.Helper()
	got, err := s.Read(t.Context(), 0, 1<<20)
	must(t, err)
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("log differs (-want +got):\n%s", diff)
	}
}

func wantErr(t testing.TB, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v; want %v", what, err, want)
	}
}

// readFull is io.ReadFull.
func readFull(r io.Reader, b []byte) (int, error) { return io.ReadFull(r, b) }
