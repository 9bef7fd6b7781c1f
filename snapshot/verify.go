package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ephemera-go/ephemera/sinks"
)

// Verified says what Verify found.
type Verified struct {
	Snapshots []Info   // oldest first
	Objects   int      // read
	Bytes     int64    // read
	Unused    []string // objects that no snapshot names, such as those of one that did not come to its end
	Foreign   []string // blobs under the name that this package did not write
}

// Info is what List or Verify found about one snapshot.
type Info struct {
	Ordinal  uint64
	Manifest *Manifest // nil if it cannot be read
	Err      error     // nil: whole, as far as it was looked at: the manifest by List, everything by Verify
}

// Verify reads everything that the snapshots of a name ("" is DefaultName) consist of, without restoring it: every byte is
// compared with its checksum and every block with what the manifests say. It needs no codec. If anything is damaged it returns ErrCorrupt
// beside the whole list. It takes no lease; a snapshot that is pruned meanwhile counts as absent, which is no error.
func Verify(ctx context.Context, blobs sinks.BlobStore, name string, progress func(Progress)) (*Verified, error) {
	name, err := nameOr(name)
	if err != nil {
		return nil, wrap("verify", "", err)
	}
	v := verifier{blobs: blobs, name: name, progress: progress, objects: map[string]*objectState{}}
	if err := v.run(ctx); err != nil {
		return nil, wrap("verify", "", err)
	}
	var damaged []error
	for _, s := range v.found.Snapshots {
		if s.Err != nil {
			damaged = append(damaged, fmt.Errorf("snapshot %d: %w", s.Ordinal, s.Err))
		}
	}
	return &v.found, wrap("verify", "", errors.Join(damaged...))
}

type verifier struct {
	blobs    sinks.BlobStore
	name     string
	progress func(Progress)
	objects  map[string]*objectState
	done     int64
	total    int64
	found    Verified
}

// objectState is what an object was found to hold.
type objectState struct {
	Object
	codec  string
	schema uint32
	blocks map[blockKey]blockState
	err    error
}

type blockState struct {
	kind  byte
	count int
	sum   uint32
}

func (v *verifier) run(ctx context.Context) error {
	ordinals, foreign, err := listOrdinals(ctx, v.blobs, manifestPrefix(v.name))
	if err != nil {
		return err
	}
	v.found.Foreign = foreign
	for _, ordinal := range ordinals {
		m, err := readManifest(ctx, v.blobs, v.name, ordinal)
		switch {
		case errors.Is(err, sinks.ErrNotFound):
			continue
		case err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrTooNew):
			return err
		case err == nil:
			for i := range m.Objects {
				o := &m.Objects[i]
				if v.objects[o.Name] == nil {
					v.objects[o.Name] = &objectState{Object: *o, codec: m.Codec, schema: m.Schema}
					v.total += o.Bytes
				}
			}
		}
		v.found.Snapshots = append(v.found.Snapshots, Info{ordinal, m, err})
	}
	if err := v.readAll(ctx); err != nil {
		return err
	}
	for i := range v.found.Snapshots {
		if s := &v.found.Snapshots[i]; s.Manifest != nil {
			s.Err = v.compare(s.Manifest)
		}
	}
	if err := v.forgetPruned(ctx); err != nil {
		return err
	}
	return v.others(ctx)
}

// forgetPruned drops snapshots that lack an object because they were removed while they were read.
func (v *verifier) forgetPruned(ctx context.Context) (err error) {
	v.found.Snapshots = slices.DeleteFunc(v.found.Snapshots, func(s Info) bool {
		if err != nil || !errors.Is(s.Err, sinks.ErrNotFound) {
			return false
		}
		var gone bool
		gone, err = absent(ctx, v.blobs, manifestName(v.name, s.Ordinal))
		return gone
	})
	return err
}

// absent reports whether there is no blob of that name.
func absent(ctx context.Context, blobs sinks.BlobStore, name string) (bool, error) {
	content, _, err := blobs.Open(ctx, name)
	if errors.Is(err, sinks.ErrNotFound) {
		return true, nil
	}
	if err == nil {
		_ = content.Close()
	}
	return false, err
}

func (v *verifier) readAll(ctx context.Context) error {
	names := make([]string, 0, len(v.objects))
	for name := range v.objects {
		names = append(names, name)
	}
	slices.Sort(names)
	var b blobReader
	defer b.close()
	for _, name := range names {
		o := v.objects[name]
		o.err = o.read(ctx, v.blobs, &b)
		if o.err != nil && !errors.Is(o.err, ErrCorrupt) && !errors.Is(o.err, sinks.ErrNotFound) && !errors.Is(o.err, ErrTooNew) {
			return o.err
		}
		v.found.Objects++
		v.found.Bytes += o.Bytes
		if v.done += o.Bytes; v.progress != nil {
			v.progress(Progress{"verify", v.done, v.total})
		}
	}
	return nil
}

func (o *objectState) read(ctx context.Context, blobs sinks.BlobStore, b *blobReader) error {
	content, size, err := blobs.Open(ctx, o.Name)
	if err != nil {
		return wrap("verify", o.Name, err)
	}
	defer func() { _ = content.Close() }()
	if size != o.Bytes {
		return wrap("verify", o.Name, corrupt("%d bytes instead of %d", size, o.Bytes))
	}
	return wrap("verify", o.Name, o.check(ctx, b, content, size))
}

// check reads the whole of an object.
func (o *objectState) check(ctx context.Context, b *blobReader, content io.Reader, size int64) error {
	o.blocks = map[blockKey]blockState{}
	head := objectHead(o.Name, o.Epoch, o.codec, o.schema)
	return eachFrame(ctx, b, content, size, head, func(f frame) error {
		o.blocks[f.key()] = blockState{f.kind, f.count, f.sum}
		return nil
	})
}

// compare holds a manifest against what its objects hold.
func (v *verifier) compare(m *Manifest) error {
	for _, o := range m.Objects {
		x := v.objects[o.Name]
		if x.err != nil {
			return x.err
		}
		if x.Object != o || x.codec != m.Codec || x.schema != m.Schema {
			return wrap("verify", o.Name, corrupt("snapshots differ about its size, epoch, codec or schema"))
		}
	}
	check := func(kind byte, partition int, blocks []Block) error {
		for _, b := range blocks {
			o := v.objects[m.Objects[b.Object].Name]
			if o.blocks[blockKey{kind == blockNames, partition, b.First}] != (blockState{kind, b.Count, b.Sum}) {
				return wrap("verify", o.Name, corrupt("it does not hold the block of partition %d at %d", partition, b.First))
			}
		}
		return nil
	}
	kind := byte(blockPlain)
	if m.Layout.Arrival {
		kind = blockArrived
	}
	for i := range m.Partitions {
		if err := check(kind, m.Partitions[i].Number, m.Partitions[i].Blocks); err != nil {
			return err
		}
	}
	return check(blockNames, 0, m.Keys.Blocks)
}

// others lists what belongs to no snapshot.
func (v *verifier) others(ctx context.Context) error {
	list, err := v.blobs.List(ctx, v.name+"/", "", 0)
	if err != nil {
		return err
	}
	for _, b := range list {
		rest, isObject := strings.CutPrefix(b.Name, objectPrefix(v.name))
		_, ours := ordinalOf(rest)
		switch {
		case isObject && !ours:
			v.found.Foreign = append(v.found.Foreign, b.Name)
		case isObject && v.objects[b.Name] == nil:
			v.found.Unused = append(v.found.Unused, b.Name)
		case !isObject && !strings.HasPrefix(b.Name, manifestPrefix(v.name)) && !strings.HasPrefix(b.Name, openedPrefix(v.name)):
			v.found.Foreign = append(v.found.Foreign, b.Name)
		}
	}
	slices.Sort(v.found.Foreign)
	return nil
}

// Names returns the names under which there are snapshots in a place, or were begun, ascending.
func Names(ctx context.Context, blobs sinks.BlobStore) ([]string, error) {
	var names []string
	for after := ""; ; {
		list, err := blobs.List(ctx, "", after, 1)
		if err != nil {
			return nil, wrap("list", "", err)
		}
		if len(list) == 0 {
			slices.Sort(names) // "a-b/" comes before "a/"
			return names, nil
		}
		name, rest, _ := strings.Cut(list[0].Name, "/")
		if strings.HasPrefix(rest, "manifests/") || strings.HasPrefix(rest, "objects/") || strings.HasPrefix(rest, "opened/") {
			names, after = append(names, name), name+"0" // which is behind all that begins with name and a slash
			continue
		}
		after = list[0].Name
	}
}

// List returns the manifests of a name ("" is DefaultName), oldest first. Those that are damaged or too new come with their error.
func List(ctx context.Context, blobs sinks.BlobStore, name string) ([]Info, error) {
	name, err := nameOr(name)
	if err != nil {
		return nil, wrap("list", "", err)
	}
	ordinals, _, err := listOrdinals(ctx, blobs, manifestPrefix(name))
	if err != nil {
		return nil, wrap("list", "", err)
	}
	var list []Info
	for _, ordinal := range ordinals {
		m, err := readManifest(ctx, blobs, name, ordinal)
		switch {
		case errors.Is(err, sinks.ErrNotFound):
			continue // pruned since it was listed
		case err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrTooNew):
			return nil, wrap("list", "", err)
		}
		list = append(list, Info{ordinal, m, err})
	}
	return list, nil
}
