package memstore

import (
	"bytes"
	"context"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/ephemera-go/ephemera/sinks"
)

type blobSpace struct {
	mu    sync.Mutex
	blobs map[string][]byte
	names []string // of blobs, sorted
	lease lease
}

type blobStore struct {
	leased
	space *blobSpace
}

func (s *blobStore) Put(_ context.Context, name string, _ int64, r io.Reader) error {
	if err := s.mayPut(name); err != nil {
		return err
	}
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.space.mu.Lock()
	defer s.space.mu.Unlock()
	if err := s.allow(); err != nil {
		return err
	}
	i, taken := slices.BinarySearch(s.space.names, name)
	if taken {
		return sinks.ErrExists
	}
	if s.space.blobs == nil {
		s.space.blobs = make(map[string][]byte)
	}
	s.space.blobs[name] = content
	s.space.names = slices.Insert(s.space.names, i, name)
	return nil
}

// mayPut refuses early what is refused in the end, before the content is read.
func (s *blobStore) mayPut(name string) error {
	s.space.mu.Lock()
	defer s.space.mu.Unlock()
	if err := s.allow(); err != nil {
		return err
	}
	if _, taken := s.space.blobs[name]; taken {
		return sinks.ErrExists
	}
	return nil
}

func (s *blobStore) Open(_ context.Context, name string) (io.ReadCloser, int64, error) {
	s.space.mu.Lock()
	defer s.space.mu.Unlock()
	content, ok := s.space.blobs[name]
	if !ok {
		return nil, 0, sinks.ErrNotFound
	}
	return io.NopCloser(bytes.NewReader(content)), int64(len(content)), nil
}

func (s *blobStore) List(_ context.Context, prefix, after string, limit int) ([]sinks.Blob, error) {
	s.space.mu.Lock()
	defer s.space.mu.Unlock()
	names := s.space.names
	begin, _ := slices.BinarySearch(names, max(prefix, after))
	var blobs []sinks.Blob
	for _, name := range names[begin:] {
		if !strings.HasPrefix(name, prefix) || limit > 0 && len(blobs) == limit {
			break
		}
		if name > after {
			blobs = append(blobs, sinks.Blob{Name: name, Size: int64(len(s.space.blobs[name]))})
		}
	}
	return blobs, nil
}

func (s *blobStore) Delete(_ context.Context, name string) error {
	s.space.mu.Lock()
	defer s.space.mu.Unlock()
	if err := s.allow(); err != nil {
		return err
	}
	if i, found := slices.BinarySearch(s.space.names, name); found {
		s.space.names = slices.Delete(s.space.names, i, i+1)
		delete(s.space.blobs, name)
	}
	return nil
}
