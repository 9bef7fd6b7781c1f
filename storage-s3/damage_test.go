package s3store_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ephemera-go/ephemera/sinks"
)

// TestInconsistentServer: a server that contradicts itself is not asked for ever, and nothing is damaged.
func TestInconsistentServer(t *testing.T) {
	otherETag := reply(func(h http.Header, b []byte) []byte { h.Set("ETag", `W/"other"`); return b })
	noKeys := reply(func(h http.Header, _ []byte) []byte {
		b := []byte("<ListBucketResult></ListBucketResult>")
		h.Set("Content-Length", itoa(len(b)))
		return b
	})
	for _, c := range []struct {
		what string
		rule rule
		call func(ctx context.Context, b sinks.BlobStore, s sinks.SignalStore) error
	}{
		{"acquire", rule{method: "GET", end: "blobs.state", do: otherETag}, func(ctx context.Context, b sinks.BlobStore, _ sinks.SignalStore) error {
			_, err := sinks.Acquire(ctx, b, sinks.Claim{})
			return err
		}},
		{"trim", rule{method: "GET", end: "signals.state", do: otherETag}, func(ctx context.Context, _ sinks.BlobStore, s sinks.SignalStore) error {
			return s.Trim(ctx, 2)
		}},
		{"append", rule{method: "LIST", do: noKeys}, func(ctx context.Context, _ sinks.BlobStore, s sinks.SignalStore) error {
			return s.Append(ctx, series(4, 5))
		}},
		{"read", rule{method: "GET", begin: "/signals/", do: answer(404, "NoSuchKey")}, func(ctx context.Context, _ sinks.BlobStore, s sinks.SignalStore) error {
			_, err := s.Read(ctx, 0, 10)
			return err
		}},
	} {
		fake, place := fakePlace(t)
		p := newProxy(t, fake)
		ctx := t.Context()
		b, s := openBlobs(t, placeOn(p.URL)), openSignals(t, placeOn(p.URL))
		must(t, openSignals(t, place).Append(ctx, series(1, 3)))
		p.arm(&c.rule)
		if err := c.call(ctx, b, s); err == nil {
			t.Errorf("%s: no error", c.what)
		}
		p.arm(nil)
		must(t, errors.Join(c.call(ctx, b, s), sinks.Verify(ctx, s)))
	}
	// What a server shows late is waited for.
	fake, place := fakePlace(t)
	p := newProxy(t, fake)
	s := openSignals(t, placeOn(p.URL))
	must(t, openSignals(t, place).Append(t.Context(), series(1, 3)))
	p.arm(&rule{method: "LIST", times: 2, do: noKeys})
	must(t, s.Append(t.Context(), series(4, 5)))
	wantLog(t, s, series(1, 5))
}

// TestExchangedObject: an object that is sound in itself, but belongs to another log, is not taken for one of this log.
func TestExchangedObject(t *testing.T) {
	fake, place := fakePlace(t)
	ctx := t.Context()
	s, other := openSignals(t, place), openSignals(t, strings.Replace(place, "/place", "/other", 1))
	for n := uint64(1); n <= 9; n += 3 {
		must(t, errors.Join(s.Append(ctx, series(n, n+2)), other.Append(ctx, series(2*n, 2*n+1))))
	}
	must(t, sinks.Verify(ctx, s))
	const second = "/signals/fffffffffffffffd"
	fake.objects["place"+second] = fake.objects["other"+second]
	cold := openSignals(t, place)
	_, read := cold.Read(ctx, 0, 100)
	_, newest := cold.ReadNewest(ctx, 0, 100)
	for what, err := range map[string]error{"read": read, "read newest": newest, "verify": sinks.Verify(ctx, cold)} {
		wantErr(t, what, err, sinks.ErrCorrupt)
	}
}

// TestDamagedLog: whatever happens to an object of a log, no wrong signal is ever returned, and Verify notices.
func TestDamagedLog(t *testing.T) {
	damages := map[string]func([]byte) []byte{
		"removed":   func([]byte) []byte { return nil },
		"emptied":   func([]byte) []byte { return []byte{} },
		"cut":       func(b []byte) []byte { return b[:len(b)-1] },
		"longer":    func(b []byte) []byte { return append(b, 0) },
		"flipped":   flip,
		"replaced":  func([]byte) []byte { return []byte("something else") },
		"magic":     func(b []byte) []byte { b[0] ^= 1; return b },
		"zeroed":    func(b []byte) []byte { return make([]byte, len(b)) },
		"last byte": func(b []byte) []byte { b[len(b)-1] ^= 0x80; return b },
	}
	for name, damage := range damages {
		for object := range 4 { // the state, then the objects, the newest first
			fake, place := fakePlace(t)
			ctx := t.Context()
			s := openSignals(t, place)
			for n := uint64(1); n <= 9; n += 3 {
				must(t, s.Append(ctx, series(n, n+2)))
			}
			must(t, s.Close())
			key := fake.keys()[object]
			newestIsGone := name == "removed" && object == 1 // nobody can know
			fake.edit(key, damage)
			err := func() error {
				s, err := sinks.OpenSignals(ctx, place)
				if err != nil {
					return err
				}
				defer func() { must(t, s.Close()) }()
				got, errRead := s.Read(ctx, 0, 100)
				errVerify := sinks.Verify(ctx, s)
				if errRead == nil && len(got) != 9 && !newestIsGone {
					t.Errorf("%s, object %d: %d signals without an error", name, object, len(got))
				}
				if (errRead == nil) != (errVerify == nil) {
					t.Errorf("%s, object %d: reading: %v; verifying: %v", name, object, errRead, errVerify)
				}
				return errors.Join(errRead, errVerify)
			}()
			if newestIsGone {
				must(t, err)
			} else if !errors.Is(err, sinks.ErrCorrupt) && !errors.Is(err, sinks.ErrForeign) {
				t.Errorf("%s, object %d: %v", name, object, err)
			}
		}
	}
}

// TestDamagedBlob: a damaged blob ends with an error before its last byte, however it is read.
func TestDamagedBlob(t *testing.T) {
	fake, place := fakePlace(t)
	ctx := t.Context()
	s := openBlobs(t, place)
	b := content("blob", 100_000)
	must(t, put(ctx, s, "a", b))
	must(t, sinks.Verify(ctx, s))
	for _, at := range []int{0, 50_000, len(b) - 1} {
		damaged := bytes.Clone(b)
		damaged[at] ^= 4
		fake.edit("place/blobs/a!", func([]byte) []byte { return damaged })
		r, size, err := s.Open(ctx, "a")
		must(t, err)
		exactly := make([]byte, size)
		n, err := readFull(r, exactly)
		must(t, r.Close())
		wantErr(t, "read of exactly the size", err, sinks.ErrCorrupt)
		if n == len(b) {
			t.Error("all bytes of a damaged blob were given away")
		}
		_, err = get(ctx, s, "a")
		wantErr(t, "read to the end", err, sinks.ErrCorrupt)
		wantErr(t, "verify", sinks.Verify(ctx, s), sinks.ErrCorrupt)
	}
	var known *sinks.Error
	if _, err := get(context.WithoutCancel(ctx), s, "a"); !errors.As(err, &known) || known.Op != "read" || known.Object != "a" {
		t.Errorf("%v does not say what failed", err)
	}
}

// TestStateRemoved: without its state object a store does not go on as if nothing had happened.
func TestStateRemoved(t *testing.T) {
	fake, place := fakePlace(t)
	ctx := t.Context()
	b, s := openBlobs(t, place), openSignals(t, place)
	must(t, s.Append(ctx, series(1, 3)))
	for _, key := range []string{"place/blobs.state", "place/signals.state"} {
		fake.edit(key, func([]byte) []byte { return nil })
	}
	_, stat := s.Stat(ctx)
	for what, err := range map[string]error{
		"put": put(ctx, b, "a", nil), "stat": stat, "trim": s.Trim(ctx, 2), "append": s.Append(ctx, series(4, 5)),
	} {
		wantErr(t, what, err, sinks.ErrCorrupt)
	}
	_, err := sinks.OpenSignals(ctx, place)
	wantErr(t, "open", err, sinks.ErrCorrupt)
	must(t, put(ctx, openBlobs(t, place), "a", nil)) // blobs need it for the lease only
}

// TestForeignObjects: what others keep below the prefix is neither shown nor touched.
func TestForeignObjects(t *testing.T) {
	fake, place := fakePlace(t)
	ctx := t.Context()
	strange := []string{"place/blobs/UPPER!", "place/blobs/a", "place/blobs/a/", "place/signals/0000", "place/signals/zzz", "elsewhere"}
	for _, key := range strange {
		fake.objects[key] = fakeObject{content: []byte("strange"), etag: `"0"`, changed: time.Now()}
	}
	b, s := openBlobs(t, place), openSignals(t, place)
	must(t, errors.Join(put(ctx, b, "a", []byte("1")), s.Append(ctx, series(1, 3)), s.Append(ctx, series(4, 6)), s.Trim(ctx, 6)))
	list, err := b.List(ctx, "", "", 0)
	must(t, err)
	if diff := cmp.Diff([]sinks.Blob{{Name: "a", Size: 1}}, list); diff != "" {
		t.Errorf("listing (-want +got):\n%s", diff)
	}
	must(t, errors.Join(b.Delete(ctx, "a"), sinks.Verify(ctx, b), sinks.Verify(ctx, s)))
	keys := strings.Join(fake.keys(), " ")
	for _, key := range strange {
		if !strings.Contains(keys, key) {
			t.Errorf("%s is gone", key)
		}
	}
	fake.objects["place/blobs/theirs!"] = fakeObject{content: []byte("strange"), etag: `"0"`, changed: time.Now()}
	_, err = get(ctx, b, "theirs")
	wantErr(t, "open of a blob that somebody else made", err, sinks.ErrForeign)
	wantErr(t, "put of that name", put(ctx, b, "theirs", nil), sinks.ErrExists)
}
