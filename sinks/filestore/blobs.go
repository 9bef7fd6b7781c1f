package filestore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"

	"github.com/ephemera-go/ephemera/sinks"
)

const (
	tmpDir   = ".tmp"       // contents that are being put
	tmpLock  = ".tmp/.lock" // held shared by every handle; who gets it alone may clear the rest
	copySize = 128 << 10
)

type blobStore struct {
	door
	log     *slog.Logger
	using   io.Closer // the shared lock on tmpLock
	folders folders
	pages   pages
}

func newBlobs(ctx context.Context, files fsys, o Options) (*blobStore, error) {
	s := &blobStore{
		door: newDoor(files, o.ReadOnly), log: o.Logger,
		folders: folders{fs: files, durable: make(map[string]bool)}, pages: pages{fs: files},
	}
	if o.ReadOnly {
		return s, nil
	}
	if err := files.Mkdir(tmpDir); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, denied(err)
	}
	if err := s.sweep(); err != nil {
		return nil, denied(fmt.Errorf("clearing what a crash left: %w", err))
	}
	using, err := files.Lock(ctx, tmpLock, lockMode{})
	if err != nil {
		return nil, denied(err)
	}
	s.using = using
	return s, nil
}

// sweep removes contents that were being put when their process ended, unless somebody else is using the store.
func (s *blobStore) sweep() error {
	if !locksCross {
		return nil // there is no telling whether another process is putting them right now
	}
	lock, err := s.fs.Lock(context.Background(), tmpLock, lockMode{exclusive: true, try: true})
	if errors.Is(err, errBusy) {
		return nil
	}
	if err != nil {
		return err
	}
	entries, err := s.fs.ReadDir(tmpDir, 0)
	for _, e := range entries {
		if name := tmpDir + "/" + e.Name(); name != tmpLock && e.Type().IsRegular() {
			err = errors.Join(err, removeIfThere(s.fs, name))
		}
	}
	return errors.Join(err, lock.Close())
}

// Put implements sinks.BlobStore. The content is written and synced under another name, outside of the store's lock;
// linking it to its own name publishes it, whole, unless the name is taken.
func (s *blobStore) Put(ctx context.Context, name string, _ int64, r io.Reader) error {
	path := blobPath(name)
	// Refuse early what would be refused in the end.
	err := s.write(ctx, func() error { return s.free(path) })
	if err != nil {
		return err
	}
	tmp := tmpDir + "/" + rand.Text()
	if err := s.stage(tmp, r); err != nil {
		return denied(errors.Join(err, removeIfThere(s.fs, tmp)))
	}
	err = s.write(ctx, func() error { return s.publish(tmp, path) })
	if left := removeIfThere(s.fs, tmp); left != nil {
		// That does not change what became of the Put. Opening the store sweeps it up.
		s.log.Warn("filestore: a staged content stays behind", "file", tmp, "error", left)
	}
	return err
}

// free returns ErrExists if a name is taken. Whoever took it may have been stopped before that was durable; the caller
// may take ErrExists for success of an earlier attempt, so it is made durable first.
func (s *blobStore) free(path string) error {
	s.folders.look()
	info, err := s.fs.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return fmt.Errorf("%w: no regular file", sinks.ErrForeign)
	}
	if err := s.folders.settle(parent(path)); err != nil {
		return err
	}
	return sinks.ErrExists
}

// stage writes a content that is durable but not visible.
func (s *blobStore) stage(tmp string, r io.Reader) error {
	f, err := s.fs.Create(tmp)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(onlyWriter{io.NewOffsetWriter(f, 0)}, r, make([]byte, copySize))
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// publish gives a staged content its name.
func (s *blobStore) publish(tmp, path string) error {
	if err := s.free(path); err != nil {
		return err
	}
	dir := parent(path)
	if err := s.folders.mkdirs(dir); err != nil {
		return err
	}
	if err := s.fs.Link(tmp, path); err != nil {
		clear(s.folders.durable) // somebody else may have removed a directory
		if taken := s.free(path); taken != nil {
			return taken // by somebody else, and not under the lock
		}
		return noLinks(err)
	}
	if err := s.fs.SyncDir(dir); err != nil {
		// Visible, maybe not durable: take it back, so that repeating the Put does not find a name that is taken.
		if undo := s.fs.Remove(path); undo != nil {
			return fmt.Errorf("%w: %w; undoing it: %w", sinks.ErrUnknownOutcome, err, undo)
		}
		return fmt.Errorf("%w: %w", sinks.ErrUnknownOutcome, err)
	}
	return nil
}

// noLinks tells a file system that has no hard links from one that may not be written.
func noLinks(err error) error {
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: the file system refuses hard links: %v", errors.ErrUnsupported, err) //nolint:errorlint // it is not read-only
	}
	return err
}

// Open implements sinks.BlobStore.
func (s *blobStore) Open(_ context.Context, name string) (io.ReadCloser, int64, error) {
	path := blobPath(name)
	info, err := s.fs.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, sinks.ErrNotFound
	}
	if err != nil {
		return nil, 0, denied(err)
	}
	if !info.Mode().IsRegular() {
		return nil, 0, fmt.Errorf("%w: no regular file", sinks.ErrForeign)
	}
	f, err := s.fs.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, sinks.ErrNotFound
	}
	if err != nil {
		return nil, 0, denied(err)
	}
	size, err := f.Size()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return &blobContent{io.NewSectionReader(f, 0, size), f}, size, nil
}

type blobContent struct {
	io.Reader
	file io.Closer
}

func (b *blobContent) Close() error { return b.file.Close() }

// Delete implements sinks.BlobStore. Directories that are empty then go too.
func (s *blobStore) Delete(ctx context.Context, name string) error {
	path := blobPath(name)
	return s.write(ctx, func() error {
		info, err := s.fs.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return err
		case !info.Mode().IsRegular():
			return fmt.Errorf("%w: no regular file", sinks.ErrForeign)
		default:
			if err := removeIfThere(s.fs, path); err != nil {
				return err
			}
		}
		// Of an absent blob too: whoever removed it may have been stopped before that was durable.
		if err := s.fs.SyncDir(s.folders.removeEmpty(parent(path))); err != nil {
			return fmt.Errorf("%w: %w", sinks.ErrUnknownOutcome, err)
		}
		return nil
	})
}

// Close gives up a lease by unlocking it; that is all others look at.
func (s *blobStore) Close() error {
	<-s.turn
	defer func() { s.turn <- struct{}{} }()
	err := s.grip.drop()
	if s.using != nil {
		err = errors.Join(err, s.using.Close())
	}
	return errors.Join(err, s.fs.Close())
}

// onlyWriter hides ReadFrom, so that contents are copied through a buffer of our size.
type onlyWriter struct{ io.Writer }
