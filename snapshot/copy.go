package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/ephemera-go/ephemera/sinks"
)

// CopyOptions say what Copy copies.
type CopyOptions struct {
	Name     string // of the snapshots in both places; empty means DefaultName
	Newest   bool   // the newest snapshot only
	Progress func(Progress)
}

// Copied says what Copy did.
type Copied struct {
	Snapshots int   // copied
	Objects   int   // copied
	Present   int   // blobs that were there already, the same
	Bytes     int64 // copied

	Skipped []Skipped // snapshots that are damaged at the source, oldest first
}

// Copy copies snapshots from one place to another, of any two drivers, byte by byte, oldest first, and each manifest behind
// the objects that it names: at every moment the target holds whole snapshots only. Every byte is compared with its
// checksum on the way. It can be repeated after an interruption: what is there already is read and compared, not written
// again. The target may hold snapshots that the source has not, if their ordinals differ; one that is different under the
// same ordinal is ErrConflict. It takes the lease of the target, if there are leases, and none of the source: what is pruned
// there meanwhile is left out. A damaged snapshot is left out too, and Copy returns ErrCorrupt when it has copied the others.
//
// A final snapshot that was opened at the source counts as opened at the target; one that was not should be opened in one
// place only, for its epoch goes on in each.
func Copy(ctx context.Context, from, to sinks.BlobStore, o CopyOptions) (Copied, error) {
	var err error
	if o.Name, err = nameOr(o.Name); err != nil {
		return Copied{}, wrap("copy", "", err)
	}
	grip, err := acquire(ctx, to, "copy")
	if err != nil {
		return Copied{}, wrap("copy", "", err)
	}
	c := copier{from: from, to: to, o: o, seen: map[string]bool{}}
	err = also(c.run(ctx), grip.close())
	return c.done, wrap("copy", "", err)
}

type copier struct {
	from, to    sinks.BlobStore
	o           CopyOptions
	seen        map[string]bool // objects that are at the target
	done        Copied
	read, total int64
	reader      blobReader
}

func (c *copier) run(ctx context.Context) error {
	defer c.reader.close()
	list, err := List(ctx, c.from, c.o.Name)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return ErrNoSnapshot
	}
	if c.o.Newest {
		list = list[len(list)-1:]
	}
	counted := map[string]bool{}
	for _, s := range list {
		if s.Err != nil {
			continue
		}
		for _, o := range s.Manifest.Objects {
			if !counted[o.Name] {
				counted[o.Name] = true
				c.total += o.Bytes
			}
		}
	}
	opened, _, err := listOrdinals(ctx, c.from, openedPrefix(c.o.Name))
	if err != nil {
		return err
	}
	for _, s := range list {
		if s.Err == nil {
			s.Err = c.snapshot(ctx, s.Ordinal, s.Manifest, slices.Contains(opened, s.Ordinal))
		}
		if err := c.skip(ctx, s); err != nil {
			return err
		}
	}
	var damaged []error
	for _, s := range c.done.Skipped {
		damaged = append(damaged, fmt.Errorf("snapshot %d: %w", s.Ordinal, s.Err))
	}
	return errors.Join(damaged...)
}

// skip returns an error that ends the copy, and notes one that says that the source is damaged, unless it is pruned by now.
func (c *copier) skip(ctx context.Context, s Info) error {
	if s.Manifest != nil && !(errors.Is(s.Err, errSource) && damaged(s.Err)) {
		return s.Err
	}
	if errors.Is(s.Err, sinks.ErrNotFound) {
		if gone, err := absent(ctx, c.from, manifestName(c.o.Name, s.Ordinal)); gone || err != nil {
			return err
		}
	}
	c.done.Skipped = append(c.done.Skipped, Skipped{s.Ordinal, s.Err})
	return nil
}

// errSource marks what is wrong with the source of a copy.
var errSource = errors.New("at the source")

// snapshot copies one. The mark that somebody has opened it comes before the manifest, so that at no moment the epoch of a
// final one could go on in both places.
func (c *copier) snapshot(ctx context.Context, ordinal uint64, m *Manifest, opened bool) error {
	for i := range m.Objects {
		if err := c.object(ctx, m, &m.Objects[i]); err != nil {
			return err
		}
	}
	if opened {
		_, err := c.blob(ctx, openedName(c.o.Name, ordinal), func(io.Reader, int64) error { return nil })
		if err != nil && !errors.Is(err, ErrConflict) { // opened there as well, by somebody else
			return err
		}
	}
	present, err := c.blob(ctx, manifestName(c.o.Name, ordinal), func(r io.Reader, size int64) error {
		_, err := decodeManifest(r, size, c.o.Name, ordinal)
		return err
	})
	if err == nil && !present {
		c.done.Snapshots++
	}
	return err
}

func (c *copier) object(ctx context.Context, m *Manifest, o *Object) error {
	if c.seen[o.Name] {
		return nil
	}
	state := objectState{Object: *o, codec: m.Codec, schema: m.Schema}
	present, err := c.blob(ctx, o.Name, func(r io.Reader, size int64) error {
		return state.check(ctx, &c.reader, r, size)
	})
	if err != nil {
		return err
	}
	c.seen[o.Name] = true
	if !present {
		c.done.Objects++
	}
	return nil
}

// blob copies one, after check has read the whole of it without finding fault. Blobs are a few megabytes.
func (c *copier) blob(ctx context.Context, name string, check func(io.Reader, int64) error) (present bool, err error) {
	data, err := c.fetch(ctx, c.from, name)
	if err == nil {
		err = check(bytes.NewReader(data), int64(len(data)))
	}
	if err != nil {
		return false, wrap("copy", name, fmt.Errorf("%w: %w", errSource, err))
	}
	err = c.to.Put(ctx, name, int64(len(data)), bytes.NewReader(data))
	switch {
	case err == nil:
		c.done.Bytes += int64(len(data))
	case errors.Is(err, sinks.ErrExists):
		there, err := c.fetch(ctx, c.to, name)
		if err != nil {
			return false, wrap("copy", name, err)
		}
		if !bytes.Equal(there, data) {
			return false, wrap("copy", name, fmt.Errorf("%w: the target holds another one of this name", ErrConflict))
		}
		present = true
		c.done.Present++
	default:
		return false, wrap("copy", name, err)
	}
	if c.read += int64(len(data)); c.o.Progress != nil {
		c.o.Progress(Progress{"copy", c.read, max(c.total, c.read)})
	}
	return present, nil
}

func (c *copier) fetch(ctx context.Context, blobs sinks.BlobStore, name string) ([]byte, error) {
	r, size, err := blobs.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	if size < 0 || size > maxInt {
		return nil, corrupt("%d bytes", size)
	}
	return readGrowing(r, nil, int(size))
}
