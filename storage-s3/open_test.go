package s3store_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/ephemera-go/ephemera/sinks"
	s3store "github.com/ephemera-go/ephemera/storage-s3"
)

// open opens both stores of a URL, and returns what that returned.
func open(t *testing.T, rawURL string) error {
	t.Helper()
	b, errBlobs := sinks.OpenBlobs(t.Context(), rawURL)
	if errBlobs == nil {
		must(t, b.Close())
	}
	s, errSignals := sinks.OpenSignals(t.Context(), rawURL)
	if errSignals == nil {
		must(t, s.Close())
	}
	if (errBlobs == nil) != (errSignals == nil) {
		t.Errorf("blobs: %v; signals: %v", errBlobs, errSignals)
	}
	return errors.Join(errBlobs, errSignals)
}

// TestProbe: a server that ignores a condition is refused, and the probe leaves nothing behind.
func TestProbe(t *testing.T) {
	fake, place := fakePlace(t)
	must(t, open(t, place))
	if diff := cmp.Diff([]string{"place/blobs.state", "place/signals.state"}, fake.keys()); diff != "" {
		t.Errorf("after opening (-want +got):\n%s", diff)
	}
	for name, spoil := range map[string]func(*fakeServer){
		"If-None-Match": func(s *fakeServer) { s.ignoreIfNoneMatch = true },
		"If-Match":      func(s *fakeServer) { s.ignoreIfMatch = true },
	} {
		fake, place := fakePlace(t)
		spoil(fake)
		err := open(t, place)
		if !errors.Is(err, errors.ErrUnsupported) || !strings.Contains(err.Error(), name) {
			t.Errorf("a server that ignores %s: %v", name, err)
		}
		if left := fake.keys(); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
		must(t, open(t, place+"&read_only=true"))
	}
}

// TestReadOnly: nothing is written, whatever is called.
func TestReadOnly(t *testing.T) {
	fake, place := fakePlace(t)
	ctx := t.Context()
	readOnly := place + "&read_only=true"
	must(t, open(t, readOnly)) // of nothing
	must(t, put(ctx, openBlobs(t, place), "a", []byte("1")))
	must(t, openSignals(t, place).Append(ctx, series(1, 3)))
	fake.counted()
	b, s := openBlobs(t, readOnly), openSignals(t, readOnly)
	_, acquireBlobs := sinks.Acquire(ctx, b, sinks.Claim{})
	_, acquireSignals := sinks.Acquire(ctx, s, sinks.Claim{})
	_, prune := sinks.Prune(ctx, s, signalAt(9).Time, 1, 10)
	for what, err := range map[string]error{
		"put": put(ctx, b, "b", nil), "put large": b.Put(ctx, "b", 20<<20, strings.NewReader("")), "delete": b.Delete(ctx, "a"),
		"append": s.Append(ctx, series(4, 5)), "append again": s.Append(ctx, series(1, 3)), "trim": s.Trim(ctx, 2), "prune": prune,
		"acquire blobs": acquireBlobs, "acquire signals": acquireSignals,
	} {
		wantErr(t, what, err, sinks.ErrReadOnly)
	}
	must(t, errors.Join(sinks.Release(ctx, b), sinks.Release(ctx, s), sinks.Verify(ctx, b), sinks.Verify(ctx, s)))
	wantLog(t, s, series(1, 3))
	must(t, errors.Join(b.Close(), s.Close()))
	for method, n := range fake.counted() {
		if method != http.MethodGet && method != http.MethodHead && method != "LIST" {
			t.Errorf("%d requests %s", n, method)
		}
	}
}

// TestRefusedPlaces: what cannot work is refused when it is opened, with what to do about it.
func TestRefusedPlaces(t *testing.T) {
	_, place := fakePlace(t)
	err := open(t, strings.Replace(place, "//bucket", "//other", 1))
	wantErr(t, "a bucket that does not exist", err, sinks.ErrNotFound)
	if err == nil || !strings.Contains(err.Error(), "make the bucket") {
		t.Errorf("%v does not say what to do", err)
	}
	err = open(t, "s3://bucket/place?endpoint=http://127.0.0.1:1&attempts=1")
	if err == nil || !strings.Contains(err.Error(), "refused") {
		t.Errorf("a server that is not there: %v", err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s3store.OpenBlobs(over, "bucket", "", &s3store.Options{Endpoint: "http://127.0.0.1:1"})
	wantErr(t, "a context that is over", err, context.Canceled)
}

// TestNoCredentials: who is refused for want of credentials learns that there are none.
func TestNoCredentials(t *testing.T) {
	refuse := httptestServer(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fail(w, 403, "AccessDenied") }))
	for name, c := range map[string]*credentials.Credentials{
		"none":  credentials.NewStatic("", "", "", credentials.SignatureAnonymous),
		"wrong": credentials.NewStaticV4("key", "secret", ""),
	} {
		_, err := s3store.OpenBlobs(t.Context(), fakeBucket, "", &s3store.Options{Endpoint: refuse, Credentials: c})
		wantErr(t, name, err, sinks.ErrDenied)
		if err == nil || strings.Contains(err.Error(), "no credentials were found") != (name == "none") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestConnections: a store that is closed keeps none.
func TestConnections(t *testing.T) {
	setCredentials(t)
	changed := make(chan int, 1000)
	open := 0
	var mu sync.Mutex
	server := httptest.NewUnstartedServer(newFake())
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		mu.Lock()
		defer mu.Unlock()
		switch state {
		case http.StateNew:
			open++
		case http.StateClosed:
			open--
		default:
			return
		}
		changed <- open
	}
	server.Start()
	t.Cleanup(server.Close)
	b, s := openBlobs(t, placeOn(server.URL)), openSignals(t, placeOn(server.URL))
	must(t, errors.Join(put(t.Context(), b, "a", nil), s.Append(t.Context(), series(1, 3)), b.Close(), s.Close()))
	patience := time.After(30 * time.Second)
	for {
		select {
		case n := <-changed:
			if n == 0 && len(changed) == 0 {
				return
			}
		case <-patience:
			t.Fatal("connections are still open")
		}
	}
}

// TestRefusedByServer: wrong credentials and a wrong region are told apart from everything else.
func TestRefusedByServer(t *testing.T) {
	u := root(t)
	must(t, open(t, u.String()))
	region := u.Query()
	region.Set("region", "nowhere-1")
	wrong := *u
	wrong.RawQuery = region.Encode()
	if err := open(t, wrong.String()); !errors.Is(err, sinks.ErrInvalid) && err != nil { // MinIO is everywhere
		t.Errorf("wrong region: %v", err)
	}
	missing := *u
	missing.Host = "there-is-no-such-bucket"
	wantErr(t, "no such bucket", open(t, missing.String()), sinks.ErrNotFound)
	for name, c := range map[string]*credentials.Credentials{
		"wrong key":    credentials.NewStaticV4("nobody", "secret secret", ""),
		"wrong secret": credentials.NewStaticV4(credentialsOf(t).AccessKeyID, "secret secret", ""),
		"none":         credentials.NewStatic("", "", "", credentials.SignatureAnonymous),
	} {
		opener := s3store.Opener{Options: s3store.Options{Credentials: c}}
		_, err := opener.OpenSignals(t.Context(), u)
		wantErr(t, name, err, sinks.ErrDenied)
		var reply minio.ErrorResponse
		if !errors.As(err, &reply) || reply.Code == "" {
			t.Errorf("%s: the server's answer is not in %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "no credentials were found") != (name == "none") {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), "secret secret") {
			t.Errorf("%v holds a secret", err)
		}
	}
}

func credentialsOf(t *testing.T) credentials.Value {
	t.Helper()
	v, err := credentials.NewEnvAWS().GetWithContext(nil)
	must(t, err)
	return v
}

var badURLs = []string{
	"s3:", "s3:bucket", "s3://", "s3:///prefix", "s3://b", "s3://UPPER/x", "s3://bucket:9000/x", "s3://bucket/a//b", "s3://bucket/../x",
	"s3://bucket/a%20b", "s3://bucket/" + strings.Repeat("x", 257), "s3://bucket/x#f", "s3://bucket/x?other=1", "s3://bucket/x?region=a&region=b",
	"s3://bucket/x?attempts=0", "s3://bucket/x?attempts=21", "s3://bucket/x?path_style=maybe", "s3://bucket/x?read_only=1",
	"s3://bucket/x?endpoint=localhost", "s3://bucket/x?endpoint=ftp://h", "s3://bucket/x?endpoint=http://h/path",
	"s3://bucket/x?endpoint=http://h?q=1", "s3://bucket/x?endpoint=file:///etc/passwd", "s3://bucket/x?region=eu_west",
	"s3://key:very-secret@bucket/x", "s3://bucket/x?endpoint=http://key:very-secret@host", "s3://bucket/x?secret_access_key=very-secret",
}

func TestBadURLs(t *testing.T) {
	for _, raw := range badURLs {
		err := open(t, raw)
		wantErr(t, raw, err, sinks.ErrInvalid)
		if err != nil && strings.Contains(err.Error(), "very-secret") {
			t.Errorf("%v repeats a secret", err)
		}
	}
	err := open(t, "s3://key:very-secret@B/x?attempts=99&endpoint=ftp://h&what=1&read_only=maybe")
	for _, want := range []string{"credentials", "attempts", "what", "read_only"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not speak of %s", err, want)
		}
	}
}

func TestBadOptions(t *testing.T) {
	_, err := s3store.OpenBlobs(t.Context(), "bucket", "", &s3store.Options{
		Endpoint: "nowhere", Region: "a b", Addressing: 7, Attempts: -1,
	})
	wantErr(t, "bad options", err, sinks.ErrInvalid)
	for _, want := range []string{"Endpoint", "Region", "Addressing(7)", "Attempts -1"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not speak of %s", err, want)
		}
	}
	_, err = s3store.OpenSignals(t.Context(), "bucket", "a b", nil)
	wantErr(t, "bad prefix", err, sinks.ErrInvalid)
}

// witness remembers where requests went, and refuses them.
type witness struct{ urls, regions []string }

func (w *witness) RoundTrip(r *http.Request) (*http.Response, error) {
	w.urls = append(w.urls, r.URL.Scheme+"://"+r.URL.Host+r.URL.Path)
	parts := strings.Split(r.Header.Get("Authorization"), "/")
	if len(parts) > 2 {
		w.regions = append(w.regions, parts[2])
	}
	return nil, http.ErrHandlerTimeout
}

// TestAddresses: a URL leads where it says.
func TestAddresses(t *testing.T) {
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "")
	for _, c := range []struct{ raw, env, want, region string }{
		{"s3://bucket/x?region=eu-west-1", "", "https://bucket.s3.dualstack.eu-west-1.amazonaws.com/", "eu-west-1"},
		{"s3://bucket/x?region=eu-west-1&path_style=true", "", "https://s3.dualstack.eu-west-1.amazonaws.com/bucket/", "eu-west-1"},
		{"s3://bucket/x", "ap-south-1", "https://bucket.s3.dualstack.ap-south-1.amazonaws.com/", "ap-south-1"},
		{"s3://bucket/x", "", "https://bucket.s3.amazonaws.com/", "us-east-1"}, // asks for the region first
		{"s3://bucket/x?endpoint=http://127.0.0.1:9000", "", "http://127.0.0.1:9000/bucket/", "us-east-1"},
		{"s3://bucket/x?endpoint=http://127.0.0.1:9000/&region=r-1", "ap-south-1", "http://127.0.0.1:9000/bucket/", "r-1"},
		{"s3://bucket/x?endpoint=https://h.example&path_style=false", "", "https://bucket.h.example/", "us-east-1"},
	} {
		u, err := url.Parse(c.raw)
		must(t, err)
		t.Setenv("AWS_REGION", c.env)
		w := &witness{}
		opener := s3store.Opener{Options: s3store.Options{
			Transport: w, Attempts: 1, Credentials: credentials.NewStaticV4("key", "secret", ""),
		}}
		_, err = opener.OpenBlobs(t.Context(), u)
		wantErr(t, c.raw, err, http.ErrHandlerTimeout)
		if !slices.Equal(w.urls, []string{c.want}) || !slices.Equal(w.regions, []string{c.region}) {
			t.Errorf("%s led to %q in %q, want %s in %s", c.raw, w.urls, w.regions, c.want, c.region)
		}
	}
}

// TestCredentialsOfTheEnvironment: what signs a request, by what is there.
func TestCredentialsOfTheEnvironment(t *testing.T) {
	none := map[string]string{
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_ACCESS_KEY": "", "AWS_SECRET_KEY": "", "AWS_SESSION_TOKEN": "",
		"MINIO_ROOT_USER": "", "MINIO_ROOT_PASSWORD": "", "MINIO_ACCESS_KEY": "", "MINIO_SECRET_KEY": "",
		"AWS_SHARED_CREDENTIALS_FILE": t.TempDir() + "/none", "AWS_EC2_METADATA_DISABLED": "true",
	}
	for _, c := range []struct {
		env        map[string]string
		key, token string
	}{
		{map[string]string{"AWS_ACCESS_KEY_ID": "k1", "AWS_SECRET_ACCESS_KEY": "s1", "AWS_SESSION_TOKEN": "t1"}, "k1", "t1"},
		{map[string]string{"MINIO_ROOT_USER": "k2", "MINIO_ROOT_PASSWORD": "s2"}, "k2", ""},
		{map[string]string{"AWS_SHARED_CREDENTIALS_FILE": "testdata/credentials", "AWS_PROFILE": "other"}, "k3", ""},
		{nil, "", ""},
	} {
		for name, value := range none {
			t.Setenv(name, value)
		}
		for name, value := range c.env {
			t.Setenv(name, value)
		}
		var key, token string
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			_, rest, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
			key, _, _ = strings.Cut(rest, "/")
			token = r.Header.Get("X-Amz-Security-Token")
			return nil, http.ErrHandlerTimeout
		})
		_, err := s3store.OpenBlobs(t.Context(), "bucket", "", &s3store.Options{Endpoint: "http://127.0.0.1:1", Transport: transport, Attempts: 1})
		wantErr(t, "open", err, http.ErrHandlerTimeout)
		if key != c.key || token != c.token {
			t.Errorf("with %v the request has key %q and token %q", c.env, key, token)
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
