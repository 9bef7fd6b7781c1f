package s3store_test

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/ephemera-go/ephemera/sinks"
	s3store "github.com/ephemera-go/ephemera/storage-s3"
)

const large = 20 << 20

// stream delivers n bytes of its own without keeping them.
func stream(n int64) io.Reader {
	return io.LimitReader(rand.NewChaCha8([32]byte{1}), n)
}

// TestLargeBlob goes through a temporary file of which nothing stays, and takes no memory by its size.
func TestLargeBlob(t *testing.T) {
	u := root(t)
	ctx := t.Context()
	t.Setenv("TMPDIR", t.TempDir())
	s := openBlobs(t, u.String())
	must(t, s.Put(ctx, "large", large, stream(large)))
	r, size, err := s.Open(ctx, "large")
	must(t, err)
	if size != large {
		t.Errorf("size %d", size)
	}
	if err := sameContent(r, stream(large)); err != nil {
		t.Error(err)
	}
	must(t, r.Close())
	refused := iotest.ErrReader(errors.New("read in spite of everything"))
	wantErr(t, "put of a taken name", s.Put(ctx, "large", large, refused), sinks.ErrExists)
	must(t, sinks.Verify(ctx, s))
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func sameContent(a, b io.Reader) error {
	x, y := make([]byte, 64<<10), make([]byte, 64<<10)
	for {
		n, errA := io.ReadFull(a, x)
		m, errB := io.ReadFull(b, y)
		if string(x[:n]) != string(y[:m]) || errA != errB {
			return errors.Join(errors.New("contents differ"), errA, errB)
		}
		if errA != nil {
			return nil
		}
	}
}

// TestLargeBlobMemory: what a Put takes does not grow with the blob.
func TestLargeBlobMemory(t *testing.T) {
	discard := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("ETag", `"1"`)
	})
	fake, _ := fakePlace(t)
	p := newProxy(t, fake)
	s := openBlobs(t, placeOn(p.URL))
	p.arm(&rule{method: "PUT", begin: "/blobs/", do: func(w http.ResponseWriter, r *http.Request, _ http.Handler) { discard(w, r) }})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	must(t, s.Put(t.Context(), "large", 64<<20, stream(64<<20)))
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 4<<20 {
		t.Errorf("a blob of 64 MiB allocated %d bytes", grown)
	}
}

// TestTooLarge: nothing of what S3 cannot take in one upload is read.
func TestTooLarge(t *testing.T) {
	_, place := fakePlace(t)
	s := openBlobs(t, place)
	const limit = 5 << 30
	err := s.Put(t.Context(), "a", limit+1, iotest.ErrReader(errors.New("read in spite of everything")))
	wantErr(t, "put", err, s3store.ErrTooLarge)
	wantErr(t, "put", err, sinks.ErrInvalid)
}

// TestNoTemporaryFolder: a large blob that cannot wait anywhere is not stored.
func TestNoTemporaryFolder(t *testing.T) {
	_, place := fakePlace(t)
	s := openBlobs(t, place)
	t.Setenv("TMPDIR", t.TempDir()+"/none")
	wantErr(t, "put", s.Put(t.Context(), "a", large, stream(large)), os.ErrNotExist)
	_, err := get(t.Context(), s, "a")
	wantErr(t, "open", err, sinks.ErrNotFound)
	must(t, put(t.Context(), s, "a", []byte("small ones need none")))
}

// TestBadReaders: a large body that is not what was announced never leaves.
func TestBadReaders(t *testing.T) {
	fake, place := fakePlace(t)
	s := openBlobs(t, place)
	fake.counted()
	broken := errors.New("broken")
	for what, c := range map[string]struct {
		r    io.Reader
		want error
	}{
		"short":  {stream(large - 1), sinks.ErrInvalid},
		"long":   {stream(large + 1), sinks.ErrInvalid},
		"broken": {io.MultiReader(stream(large-1), iotest.ErrReader(broken)), broken},
	} {
		wantErr(t, what, s.Put(t.Context(), "a", large, c.r), c.want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	endless := io.MultiReader(stream(large/2), readerFunc(func(p []byte) (int, error) {
		cancel()
		p[0] = 1
		return 1, nil
	}))
	wantErr(t, "canceled", s.Put(ctx, "a", large, endless), context.Canceled)
	if n := fake.counted()[http.MethodPut]; n != 0 {
		t.Errorf("%d uploads", n)
	}
	if keys := strings.Join(fake.keys(), " "); strings.Contains(keys, "/blobs/") {
		t.Error(keys)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
