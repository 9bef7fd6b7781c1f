package verify

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"strings"
	"sync"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/snapshot"
)

// failpoints are the places between what a Saver does to blobs where a process may be killed, and how many times it comes
// by at least. Each is an operation, the kind of blob, and when: before it, in the middle of its content, or after it but
// before the Saver knows.
func failpoints() (list []failpoint) {
	for name, times := range map[string]int{
		"acquire--before": 1, "acquire--after": 1, "release--before": 1, "release--after": 1, "encode--before": 8,
		"list-manifests-after": 3, "list-opened-before": 1, "list-objects-after": 3,
		"open-manifests-before": 1, "open-manifests-after": 1, "open-objects-before": 1, "open-objects-middle": 1,
		"put-opened-before": 1, "put-opened-middle": 1, "put-opened-after": 1,
		"put-objects-before": 4, "put-objects-middle": 4, "put-objects-after": 4,
		"put-manifests-before": 3, "put-manifests-middle": 3, "put-manifests-after": 3,
		"delete-manifests-before": 2, "delete-manifests-after": 2,
		"delete-opened-before": 1, "delete-opened-after": 1,
		"delete-objects-before": 2, "delete-objects-after": 2,
	} {
		for n := range times {
			list = append(list, failpoint{name, int64(n + 1)})
		}
	}
	rand.Shuffle(len(list), func(i, k int) { list[i], list[k] = list[k], list[i] })
	return list
}

type failpoint struct {
	name string
	time int64 // that it comes by
}

// A fuse does something to the process at a failpoint.
type fuse struct {
	sinks.BlobStore
	blow  func()
	calls sync.RWMutex // held for reading by every call of the driver

	mu    sync.Mutex
	point failpoint
	times int64 // that it came by
}

// set makes it wait for a failpoint.
func (f *fuse) set(point failpoint) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.point, f.times = point, 0
}

// reached counts.
func (f *fuse) reached(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if name != f.point.name {
		return false
	}
	f.times++
	return f.times == f.point.time
}

func (f *fuse) pass(op, blob, when string) {
	kind := ""
	if parts := strings.Split(blob, "/"); len(parts) > 1 {
		kind = parts[1]
	}
	if f.reached(op + "-" + kind + "-" + when) {
		f.blow()
	}
}

func (f *fuse) Put(ctx context.Context, name string, size int64, r io.Reader) error {
	f.pass("put", name, "before")
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	half := bytes.NewReader(content[:len(content)/2])
	middle := readerFunc(func([]byte) (int, error) { f.pass("put", name, "middle"); return 0, io.EOF })
	f.calls.RLock()
	err = f.BlobStore.Put(ctx, name, size, io.MultiReader(half, middle, bytes.NewReader(content[len(content)/2:])))
	f.calls.RUnlock()
	f.pass("put", name, "after")
	return err
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func (f *fuse) Open(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	f.pass("open", name, "before")
	f.calls.RLock()
	r, size, err := f.BlobStore.Open(ctx, name)
	f.calls.RUnlock()
	f.pass("open", name, "after")
	if err != nil {
		return nil, 0, err
	}
	middle := readerFunc(func([]byte) (int, error) { f.pass("open", name, "middle"); return 0, io.EOF })
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(io.LimitReader(r, size/2), middle, r), r}, size, nil
}

func (f *fuse) List(ctx context.Context, prefix, after string, limit int) ([]sinks.Blob, error) {
	f.pass("list", prefix, "before")
	f.calls.RLock()
	list, err := f.BlobStore.List(ctx, prefix, after, limit)
	f.calls.RUnlock()
	f.pass("list", prefix, "after")
	return list, err
}

func (f *fuse) Delete(ctx context.Context, name string) error {
	f.pass("delete", name, "before")
	f.calls.RLock()
	err := f.BlobStore.Delete(ctx, name)
	f.calls.RUnlock()
	f.pass("delete", name, "after")
	return err
}

func (f *fuse) Acquire(ctx context.Context, c sinks.Claim) (uint64, error) {
	f.pass("acquire", "", "before")
	f.calls.RLock()
	generation, err := sinks.Acquire(ctx, f.BlobStore, c)
	f.calls.RUnlock()
	f.pass("acquire", "", "after")
	return generation, err
}

func (f *fuse) Renew(ctx context.Context) error {
	f.calls.RLock()
	defer f.calls.RUnlock()
	return sinks.Renew(ctx, f.BlobStore)
}

func (f *fuse) Release(ctx context.Context) error {
	f.pass("release", "", "before")
	f.calls.RLock()
	err := sinks.Release(ctx, f.BlobStore)
	f.calls.RUnlock()
	f.pass("release", "", "after")
	return err
}

// A fusedCodec is the part of a fuse between blobs.
type fusedCodec struct {
	snapshot.Codec[event]
	fuse *fuse
}

func (c fusedCodec) Append(dst []byte, events []event) ([]byte, error) {
	c.fuse.pass("encode", "", "before")
	return c.Codec.Append(dst, events)
}
