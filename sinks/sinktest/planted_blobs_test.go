package sinktest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

func (p *plot) blobs() sinks.BlobStore { return p.space.OpenBlobs() }

func checkedBlobs(s sinks.BlobStore) sinks.BlobStore { return sinks.CheckedBlobs("planted", s) }

// torn publishes what it got when the reader failed.
type torn struct{ sinks.BlobStore }

func (s torn) Put(ctx context.Context, name string, _ int64, r io.Reader) error {
	b, err := io.ReadAll(r)
	return errors.Join(err, s.BlobStore.Put(context.WithoutCancel(ctx), name, int64(len(b)), bytes.NewReader(b)))
}

// swallowPut stores nothing when the reader failed, and does not say so.
type swallowPut struct{ sinks.BlobStore }

func (s swallowPut) Put(ctx context.Context, name string, size int64, r io.Reader) error {
	err := s.BlobStore.Put(ctx, name, size, r)
	if errors.Is(err, errReader) {
		return nil
	}
	return err
}

// overwrite replaces.
type overwrite struct{ sinks.BlobStore }

func (s overwrite) Put(ctx context.Context, name string, size int64, r io.Reader) error {
	return errors.Join(s.BlobStore.Delete(ctx, name), s.BlobStore.Put(ctx, name, size, r))
}

// anySize stores what comes.
type anySize struct{ sinks.BlobStore }

func (s anySize) Put(ctx context.Context, name string, size int64, r io.Reader) error {
	if size < 0 {
		return s.BlobStore.Put(ctx, name, size, r)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return s.BlobStore.Put(ctx, name, size, io.MultiReader(bytes.NewReader(b), failingReader{}))
	}
	return s.BlobStore.Put(ctx, name, int64(len(b)), bytes.NewReader(b))
}

// byPath sorts as file systems do.
type byPath struct{ sinks.BlobStore }

func (s byPath) List(ctx context.Context, prefix, after string, limit int) ([]sinks.Blob, error) {
	blobs, err := s.BlobStore.List(ctx, prefix, after, 0)
	slices.SortFunc(blobs, func(a, b sinks.Blob) int {
		return cmp.Compare(strings.ReplaceAll(a.Name, "/", "\x00"), strings.ReplaceAll(b.Name, "/", "\x00"))
	})
	if limit > 0 {
		blobs = blobs[:min(limit, len(blobs))]
	}
	return blobs, err
}

type noBlobLimit struct{ sinks.BlobStore }

func (s noBlobLimit) List(ctx context.Context, prefix, after string, _ int) ([]sinks.Blob, error) {
	return s.BlobStore.List(ctx, prefix, after, 0)
}

// bySegment takes the prefix for a directory.
type bySegment struct{ sinks.BlobStore }

func (s bySegment) List(ctx context.Context, prefix, after string, limit int) ([]sinks.Blob, error) {
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	return s.BlobStore.List(ctx, prefix, after, limit)
}

type strictDelete struct{ sinks.BlobStore }

func (s strictDelete) Delete(ctx context.Context, name string) error {
	r, _, err := s.Open(ctx, name)
	if err != nil {
		return err
	}
	return errors.Join(r.Close(), s.BlobStore.Delete(ctx, name))
}

type noDelete struct{ sinks.BlobStore }

func (noDelete) Delete(context.Context, string) error { return nil }

// plainErrors loses which driver and operation failed.
type plainErrors struct{ sinks.BlobStore }

func (s plainErrors) Open(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	r, size, err := s.BlobStore.Open(ctx, name)
	if errors.Is(err, sinks.ErrNotFound) {
		return nil, 0, sinks.ErrNotFound
	}
	return r, size, err
}

// tailLost stores the first 64 KiB.
type tailLost struct{ sinks.BlobStore }

func (s tailLost) Put(ctx context.Context, name string, size int64, r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return s.BlobStore.Put(ctx, name, size, failingReader{})
	}
	b = b[:min(len(b), 1<<16)]
	return s.BlobStore.Put(ctx, name, int64(len(b)), bytes.NewReader(b))
}

// lastPartLost forgets what lies behind the last whole 4 MiB.
type lastPartLost struct{ sinks.BlobStore }

func (s lastPartLost) Put(ctx context.Context, name string, size int64, r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return s.BlobStore.Put(ctx, name, size, failingReader{})
	}
	if whole := len(b) &^ (4<<20 - 1); whole > 0 {
		b = b[:whole]
	}
	return s.BlobStore.Put(ctx, name, int64(len(b)), bytes.NewReader(b))
}

// index keeps its names in one object, which it reads, changes and writes back.
type index struct {
	sinks.BlobStore
	shared *sharedIndex
}

type sharedIndex struct {
	mu    sync.Mutex
	names map[string]bool
	meet  chan struct{}
}

func newSharedIndex() *sharedIndex {
	return &sharedIndex{names: map[string]bool{}, meet: make(chan struct{})}
}

func (s index) Put(ctx context.Context, name string, size int64, r io.Reader) error {
	if err := s.BlobStore.Put(ctx, name, size, r); err != nil {
		return err
	}
	s.shared.mu.Lock()
	names := maps.Clone(s.shared.names)
	s.shared.mu.Unlock()
	// Wait for somebody else who is here too, if there is one.
	select {
	case s.shared.meet <- struct{}{}:
	case <-s.shared.meet:
	case <-time.After(100 * time.Millisecond):
	}
	names[name] = true
	s.shared.mu.Lock()
	defer s.shared.mu.Unlock()
	s.shared.names = names
	return nil
}

func (s index) List(ctx context.Context, prefix, after string, limit int) ([]sinks.Blob, error) {
	blobs, err := s.BlobStore.List(ctx, prefix, after, 0)
	s.shared.mu.Lock()
	defer s.shared.mu.Unlock()
	blobs = slices.DeleteFunc(blobs, func(b sinks.Blob) bool { return !s.shared.names[b.Name] })
	if limit > 0 {
		blobs = blobs[:min(limit, len(blobs))]
	}
	return blobs, err
}

// oneContent has one content open at a time.
type oneContent struct {
	sinks.BlobStore
	mu   *sync.Mutex
	last **cutContent
}

type cutContent struct {
	io.ReadCloser
	mu  *sync.Mutex
	cut bool
}

func (c *cutContent) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cut {
		return 0, io.EOF
	}
	return c.ReadCloser.Read(p)
}

func (s oneContent) Open(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	r, size, err := s.BlobStore.Open(ctx, name)
	if err != nil {
		return nil, 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if *s.last != nil {
		(*s.last).cut = true
	}
	*s.last = &cutContent{ReadCloser: r, mu: s.mu}
	return *s.last, size, nil
}

// byName fetches pieces of whatever stands under the name then.
type byName struct{ sinks.BlobStore }

type pieces struct {
	s    sinks.BlobStore
	ctx  context.Context
	name string
	at   int64
}

func (p *pieces) Read(b []byte) (int, error) {
	r, size, err := p.s.Open(p.ctx, p.name)
	if err != nil {
		return 0, err
	}
	_, err = io.CopyN(io.Discard, r, p.at)
	if err != nil {
		return 0, err
	}
	n, err := io.ReadFull(r, b[:min(int64(len(b)), 1<<17, size-p.at)])
	if p.at += int64(n); err == nil && n == 0 {
		err = io.EOF
	}
	return n, errors.Join(err, r.Close())
}

func (p *pieces) Close() error { return nil }

func (s byName) Open(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	r, size, err := s.BlobStore.Open(ctx, name)
	if err != nil {
		return nil, 0, err
	}
	return &pieces{s: s.BlobStore, ctx: ctx, name: name}, size, r.Close()
}

// contextFree passes no context on.
type contextFree struct{ sinks.BlobStore }

func (s contextFree) Open(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	return s.BlobStore.Open(context.WithoutCancel(ctx), name)
}

func (s contextFree) Delete(ctx context.Context, name string) error {
	return s.BlobStore.Delete(context.WithoutCancel(ctx), name)
}

// onePage takes the first page of a server for all.
type onePage struct{ sinks.BlobStore }

func (s onePage) List(ctx context.Context, prefix, after string, limit int) ([]sinks.Blob, error) {
	if limit == 0 {
		limit = 1000
	}
	return s.BlobStore.List(ctx, prefix, after, min(limit, 1000))
}

// byOffset finds the next page by the number of names on those before.
type byOffset struct {
	sinks.BlobStore
	mu   *sync.Mutex
	seen map[string]int
}

func (s byOffset) List(ctx context.Context, prefix, after string, limit int) ([]sinks.Blob, error) {
	blobs, err := s.BlobStore.List(ctx, prefix, "", 0)
	s.mu.Lock()
	defer s.mu.Unlock()
	begin, known := s.seen[after]
	if !known {
		begin = len(blobs)
		for i := range slices.Backward(blobs) {
			if blobs[i].Name > after {
				begin = i
			}
		}
	}
	blobs = blobs[min(begin, len(blobs)):]
	if limit > 0 && limit < len(blobs) {
		blobs = blobs[:limit]
	}
	if len(blobs) > 0 {
		s.seen[blobs[len(blobs)-1].Name] = begin + len(blobs)
	}
	return blobs, err
}

// oldListing asks once what is there.
type oldListing struct {
	sinks.BlobStore
	asked bool
	blobs []sinks.Blob
}

func (s *oldListing) List(ctx context.Context, prefix, after string, limit int) ([]sinks.Blob, error) {
	if s.asked {
		return s.blobs, nil
	}
	blobs, err := s.BlobStore.List(ctx, prefix, after, limit)
	s.asked, s.blobs = true, blobs
	return blobs, err
}

func (s *oldListing) Put(ctx context.Context, name string, size int64, r io.Reader) error {
	s.asked = false
	return s.BlobStore.Put(ctx, name, size, r)
}

func (s *oldListing) Delete(ctx context.Context, name string) error {
	s.asked = false
	return s.BlobStore.Delete(ctx, name)
}

// looks first whether a name is free, and lets one call of a handle in at a time; other handles come in between.
type looks struct {
	sinks.BlobStore
	mu   *sync.Mutex
	meet chan struct{} // shared by all handles
}

func (s looks) Put(ctx context.Context, name string, size int64, r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return s.BlobStore.Put(ctx, name, size, failingReader{})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	content, _, err := s.BlobStore.Open(ctx, name)
	if err == nil {
		return errors.Join(content.Close(), s.BlobStore.Put(ctx, name, size, bytes.NewReader(b)))
	}
	select {
	case s.meet <- struct{}{}:
	case <-s.meet:
	case <-time.After(100 * time.Millisecond):
	}
	return errors.Join(s.BlobStore.Delete(ctx, name), s.BlobStore.Put(ctx, name, size, bytes.NewReader(b)))
}

// sameIsFine takes a second Put of the same bytes for done.
type sameIsFine struct{ sinks.BlobStore }

func (s sameIsFine) Put(ctx context.Context, name string, size int64, r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return s.BlobStore.Put(ctx, name, size, failingReader{})
	}
	err = s.BlobStore.Put(ctx, name, size, bytes.NewReader(b))
	if errors.Is(err, sinks.ErrExists) {
		if old, readErr := get(ctx, s.BlobStore, name); readErr == nil && bytes.Equal(old, b) {
			return nil
		}
	}
	return err
}

// latePut confirms what is stored a little later.
type latePut struct {
	sinks.BlobStore
	name string
	late []byte
}

func (s *latePut) Put(ctx context.Context, name string, size int64, r io.Reader) error {
	if !strings.HasPrefix(name, "number/") {
		return s.BlobStore.Put(ctx, name, size, r)
	}
	if s.late != nil {
		if err := put(ctx, s.BlobStore, s.name, s.late); err != nil {
			return err
		}
	}
	b, err := io.ReadAll(r)
	s.name, s.late = name, b
	return err
}

// plainBlobs is a naive driver, for flaws that no wrapper can have.
type plainBlobs struct {
	mu    sync.Mutex
	blobs map[string][]byte
}

func (s *plainBlobs) Put(_ context.Context, name string, _ int64, r io.Reader) error {
	b, err := io.ReadAll(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blobs[name] = b
	return err
}

func (s *plainBlobs) Open(_ context.Context, name string) (io.ReadCloser, int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.blobs[name]
	if !ok {
		return nil, 0, sinks.ErrNotFound
	}
	return io.NopCloser(bytes.NewReader(b)), int64(len(b)), nil
}

func (s *plainBlobs) List(_ context.Context, prefix, _ string, _ int) (blobs []sinks.Blob, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, b := range s.blobs {
		if strings.HasPrefix(name, prefix) {
			blobs = append(blobs, sinks.Blob{Name: name, Size: int64(len(b))})
		}
	}
	return blobs, nil
}

func (s *plainBlobs) Delete(context.Context, string) error { return nil }

func (s *plainBlobs) Close() error { return nil }
