package snapshot

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
)

// spoiled yields a blob in every way that this test knows to spoil it.
func spoiled(blob []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for _, ways := range []func([]byte) iter.Seq2[string, []byte]{flipped, cutShort, extended, blocksMoved, framesMoved} {
			for name, b := range ways(blob) {
				if !bytes.Equal(b, blob) && !yield(name, b) {
					return
				}
			}
		}
	}
}

// flipped yields the same slice again and again, each time with another bit flipped.
func flipped(blob []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		b := slices.Clone(blob)
		for i := range 8 * len(b) {
			b[i/8] ^= 1 << (i % 8)
			if !yield(fmt.Sprintf("bit %d flipped", i), b) {
				return
			}
			b[i/8] = blob[i/8]
		}
	}
}

func cutShort(blob []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for n := range blob {
			if !yield(fmt.Sprintf("cut to %d bytes", n), blob[:n]) {
				return
			}
		}
	}
}

func extended(blob []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		frames := splitFrames(blob)
		last := frames[len(frames)-1]
		for name, tail := range map[string][]byte{
			"a zero byte": {0}, "16 zero bytes": make([]byte, 16), "itself": blob, "its last frame": blob[last[0]:last[1]],
		} {
			b := slices.Concat(blob, tail)
			if !yield("followed by "+name, b) || !yield("followed by "+name+", with a head that knows", sealHead(slices.Clone(b))) {
				return
			}
		}
	}
}

// blocksMoved yields the blob with blocks of 16 bytes zeroed, doubled, or in each other's place.
func blocksMoved(blob []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		const size = 16
		r := rand.New(rand.NewPCG(1, 1))
		n := len(blob) / size
		block := func(b []byte, i int) []byte { return b[i*size : (i+1)*size] }
		for i := range n {
			zeroed := slices.Clone(blob)
			clear(block(zeroed, i))
			doubled := slices.Insert(slices.Clone(blob), i*size, block(blob, i)...)
			over := slices.Clone(blob)
			copy(block(over, (i+1)%n), block(blob, i))
			if !yield(fmt.Sprintf("block %d zeroed", i), zeroed) || !yield(fmt.Sprintf("block %d inserted again", i), doubled) ||
				!yield(fmt.Sprintf("block %d written over the next", i), over) {
				return
			}
			for _, j := range []int{(i + 1) % n, r.IntN(n)} {
				swapped := slices.Clone(blob)
				copy(block(swapped, i), block(blob, j))
				copy(block(swapped, j), block(blob, i))
				if !yield(fmt.Sprintf("blocks %d and %d swapped", i, j), swapped) {
					return
				}
			}
		}
	}
}

// framesMoved yields the blob with whole frames swapped, doubled and removed, and a head that says nothing against it.
func framesMoved(blob []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		ranges := splitFrames(blob)
		join := func(order []int) []byte {
			b := slices.Clone(blob[:headBytes])
			for _, i := range order {
				b = append(b, blob[ranges[i][0]:ranges[i][1]]...)
			}
			return sealHead(b)
		}
		all := make([]int, len(ranges))
		for i := range all {
			all[i] = i
		}
		for i := range ranges {
			for j := range i {
				order := slices.Clone(all)
				order[i], order[j] = j, i
				if !yield(fmt.Sprintf("frames %d and %d swapped", i, j), join(order)) {
					return
				}
			}
			if !yield(fmt.Sprintf("frame %d twice", i), join(slices.Insert(slices.Clone(all), i, i))) {
				return
			}
			if i < len(ranges)-1 && !yield(fmt.Sprintf("frame %d removed", i), join(slices.Delete(slices.Clone(all), i, i+1))) {
				return
			}
		}
	}
}

// A specimen is a place with one snapshot of readings in it.
type specimen struct {
	shelf    *shelf
	options  core.Options[reading]
	codec    Options[reading]
	events   []reading
	manifest string
	objects  []string
}

func newSpecimen(t testing.TB, events int, how Compression) *specimen {
	t.Helper()
	x := &specimen{
		shelf:   &shelf{map[string][]byte{}},
		options: core.Options[reading]{Capacity: 1 << 20, Partitions: 3, Key: func(e reading) string { return fmt.Sprint("key ", e.Key) }, MaxKeys: 2000},
		codec:   Options[reading]{Codec: readingColumns(), Compression: how, Manual: true, MaxConcurrent: 1, NoLease: true, NoFinal: true},
	}
	s, err := Open(context.Background(), x.shelf, x.options, x.codec)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range readings(events) {
		if _, err := s.Store().Append(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Save(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for name := range x.shelf.blobs {
		if strings.HasPrefix(name, manifestPrefix(DefaultName)) {
			x.manifest = name
		} else {
			x.objects = append(x.objects, name)
		}
	}
	slices.Sort(x.objects)
	if x.events, err = loadAll(t, x.shelf, x.options, x.codec); err != nil || len(x.events) != events {
		t.Fatalf("%d events, want %d: %v", len(x.events), events, err)
	}
	return x
}

// verdict tells what Verify and Load say. They must agree.
func (x *specimen) verdict(t testing.TB, what string) error {
	t.Helper()
	_, verified := Verify(context.Background(), x.shelf, DefaultName, nil)
	events, loaded := loadAll(t, x.shelf, x.options, x.codec)
	if (verified == nil) != (loaded == nil) {
		t.Fatalf("%s: Verify says %v, Load says %v", what, verified, loaded)
	}
	if loaded == nil && !slices.Equal(events, x.events) {
		t.Fatalf("%s: other events, and no error", what)
	}
	if loaded == nil {
		return nil
	}
	if e := (*Error)(nil); !errors.As(loaded, &e) || !errors.Is(loaded, ErrNoValid) {
		t.Fatalf("%s: Load: %v; want an *Error that is ErrNoValid", what, loaded)
	}
	if !errors.Is(verified, ErrCorrupt) && !errors.Is(verified, sinks.ErrNotFound) {
		t.Fatalf("%s: Verify: %v", what, verified)
	}
	return loaded
}

// with puts another blob in the place of one while f runs.
func (x *specimen) with(name string, b []byte, f func()) {
	was := x.shelf.blobs[name]
	x.shelf.blobs[name] = b
	f()
	x.shelf.blobs[name] = was
}

// readObject reads an object as a restore does, but for the events.
func readObject(b *blobReader, m *Manifest, blob []byte) error {
	o := m.Objects[0]
	head := objectHead(o.Name, o.Epoch, m.Codec, m.Schema)
	return eachFrame(context.Background(), b, bytes.NewReader(blob), int64(len(blob)), head, func(frame) error { return nil })
}

// atLeast is the size of the objects that are damaged bit by bit.
const atLeast = 16 << 10

func TestEveryDamageOfAnObjectIsFound(t *testing.T) {
	for how, events := range map[Compression]int{S2: 1920, Zstd: 2100, NoCompression: 1640} {
		t.Run(how.String(), func(t *testing.T) {
			x := newSpecimen(t, events, how)
			m, err := readManifest(context.Background(), x.shelf, DefaultName, 1)
			if err != nil || len(m.Objects) != 1 {
				t.Fatal(m, err)
			}
			blob := x.shelf.blobs[x.objects[0]]
			if len(blob) < atLeast {
				t.Fatalf("the object has %d bytes, want %d or more", len(blob), atLeast)
			}
			var b blobReader
			defer b.close()
			if err := readObject(&b, m, blob); err != nil {
				t.Fatal(err)
			}
			n := 0
			for what, bad := range spoiled(blob) {
				n++
				if err := readObject(&b, m, bad); !errors.Is(err, ErrCorrupt) {
					t.Errorf("%s: %v, want ErrCorrupt", what, err)
				}
			}
			t.Logf("%d bytes, %d kinds of damage", len(blob), n)
		})
	}
}

// The same through Verify and Load, which read the object from its place.
func TestVerifyAndLoadFindDamage(t *testing.T) {
	events := 1920
	if testing.Short() {
		events = 100
	}
	x := newSpecimen(t, events, S2)
	if n := len(x.shelf.blobs[x.objects[0]]); n < atLeast && !testing.Short() {
		t.Fatalf("the object has %d bytes, want %d or more", n, atLeast)
	}
	n := 0
	for _, name := range append([]string{x.manifest}, x.objects...) {
		for what, b := range spoiled(x.shelf.blobs[name]) {
			x.with(name, b, func() {
				if n++; x.verdict(t, name+": "+what) == nil {
					t.Errorf("%s: %s: not found", name, what)
				}
			})
		}
		x.with(name, nil, func() {
			delete(x.shelf.blobs, name)
			if name != x.manifest && x.verdict(t, name+" removed") == nil {
				t.Errorf("%s removed: not found", name)
			}
		})
	}
	t.Logf("%d kinds of damage", n)
	if err := x.verdict(t, "undamaged"); err != nil {
		t.Error(err)
	}
}

// Blobs that are whole, and in the wrong place.
func TestMisplacedBlobsAreFound(t *testing.T) {
	ctx := context.Background()
	x, other := newSpecimen(t, 3000, NoCompression), newSpecimen(t, 3000, NoCompression)
	manifest, object := x.shelf.blobs[x.manifest], x.shelf.blobs[x.objects[0]]
	check := func(what, name string, b []byte) {
		t.Helper()
		x.with(name, b, func() {
			if x.verdict(t, what) == nil {
				t.Errorf("%s: not found", what)
			}
		})
	}
	check("an object of another store of that name", x.objects[0], other.shelf.blobs[other.objects[0]])
	check("a manifest of another store of that name", x.manifest, other.shelf.blobs[other.manifest])
	check("a manifest in the place of an object", x.objects[0], manifest)
	check("an object in the place of a manifest", x.manifest, object)
	m, err := readManifest(ctx, x.shelf, DefaultName, 1)
	if err != nil {
		t.Fatal(err)
	}
	// Objects that say other things of themselves, with every checksum right.
	raw := func() (frames [][]byte) {
		var b blobReader
		if err := b.open(bytes.NewReader(object), int64(len(object)), kindObject); err != nil {
			t.Fatal(err)
		}
		for {
			f, _, err := b.next()
			if err != nil {
				return frames
			}
			frames = append(frames, slices.Clone(f))
		}
	}()
	again := func(name string, epoch core.Epoch, codec string, schema uint32) []byte {
		return forgeBlob(kindObject, append([][]byte{objectHead(name, epoch, codec, schema)}, raw[1:]...)...)
	}
	if !bytes.Equal(again(m.Objects[0].Name, m.Epoch, m.Codec, m.Schema), object) {
		t.Fatal("the object is not what the test believes")
	}
	check("renamed", x.objects[0], again("store/objects/0000000000000001-0123456789abcdef-0001", m.Epoch, m.Codec, m.Schema))
	check("other epoch", x.objects[0], again(m.Objects[0].Name, core.Epoch{1}, m.Codec, m.Schema))
	check("other codec", x.objects[0], again(m.Objects[0].Name, m.Epoch, "json", m.Schema))
	check("other schema", x.objects[0], again(m.Objects[0].Name, m.Epoch, m.Codec, 1))

	// A manifest under another ordinal, and under another name of a store.
	x.shelf.blobs[manifestName(DefaultName, 2)] = manifest
	v, err := Verify(ctx, x.shelf, DefaultName, nil)
	if !errors.Is(err, ErrCorrupt) || len(v.Snapshots) != 2 || v.Snapshots[0].Err != nil || !errors.Is(v.Snapshots[1].Err, ErrCorrupt) {
		t.Errorf("a manifest under two ordinals: %+v, %v", v, err)
	}
	if events, err := loadAll(t, x.shelf, x.options, x.codec); err != nil || !slices.Equal(events, x.events) {
		t.Errorf("%d events, %v; the snapshot before is whole", len(events), err)
	}
	delete(x.shelf.blobs, manifestName(DefaultName, 2))
	x.shelf.blobs[manifestName("elsewhere", 1)] = manifest
	o := x.codec
	o.Name = "elsewhere"
	if _, err := loadAll(t, x.shelf, x.options, o); !errors.Is(err, ErrCorrupt) {
		t.Errorf("the manifest of another store: %v, want ErrCorrupt", err)
	}
	if _, err := Verify(ctx, x.shelf, "elsewhere", nil); !errors.Is(err, ErrCorrupt) {
		t.Errorf("the manifest of another store: %v, want ErrCorrupt", err)
	}
}

// A format of the future is told from damage.
func TestNewerFormat(t *testing.T) {
	x := newSpecimen(t, 100, S2)
	for _, name := range []string{x.manifest, x.objects[0]} {
		b := slices.Clone(x.shelf.blobs[name])
		binary.LittleEndian.PutUint16(b[4:], formatVersion+1)
		x.with(name, sealHead(b), func() {
			if _, err := Verify(context.Background(), x.shelf, DefaultName, nil); !errors.Is(err, ErrTooNew) {
				t.Errorf("Verify: %v, want ErrTooNew", err)
			}
			if _, err := loadAll(t, x.shelf, x.options, x.codec); !errors.Is(err, ErrTooNew) || errors.Is(err, ErrNoValid) {
				t.Errorf("Load: %v, want ErrTooNew", err)
			}
		})
		binary.LittleEndian.PutUint16(b[4:], 0)
		x.with(name, sealHead(b), func() {
			if x.verdict(t, "format 0") == nil {
				t.Error("format 0 is read")
			}
		})
	}
}

// The store's own failures are not damage.
func TestFailuresOfTheStoreAreNotDamage(t *testing.T) {
	x := newSpecimen(t, 500, S2)
	m, err := readManifest(context.Background(), x.shelf, DefaultName, 1)
	if err != nil {
		t.Fatal(err)
	}
	blob, lost := x.shelf.blobs[x.objects[0]], errors.New("connection lost")
	head := objectHead(m.Objects[0].Name, m.Epoch, m.Codec, m.Schema)
	for n := range len(blob) + 1 {
		var b blobReader
		r := &failing{bytes.NewReader(blob[:n]), lost}
		err := eachFrame(context.Background(), &b, r, int64(len(blob)), head, func(frame) error { return nil })
		if !errors.Is(err, lost) || errors.Is(err, ErrCorrupt) {
			t.Fatalf("lost behind byte %d: %v", n, err)
		}
		if _, err = decodeManifest(&failing{bytes.NewReader(nil), lost}, int64(len(blob)), DefaultName, 1); !errors.Is(err, lost) {
			t.Fatal(err)
		}
	}
}

// failing is a reader that fails where it would end.
type failing struct {
	*bytes.Reader
	err error
}

func (f *failing) Read(b []byte) (int, error) {
	if f.Len() == 0 {
		return 0, f.err
	}
	return f.Reader.Read(b)
}

// Every manifest that is read is written the same again.
func TestManifestComesBack(t *testing.T) {
	x := newSpecimen(t, 3000, S2)
	m, err := readManifest(context.Background(), x.shelf, DefaultName, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, how := range []Compression{S2, Zstd, NoCompression} {
		blob, err := m.encode(DefaultName, how)
		if err != nil {
			t.Fatal(err)
		}
		back, err := decodeManifest(bytes.NewReader(blob), int64(len(blob)), DefaultName, 1)
		if diff := cmp.Diff(m, back); err != nil || diff != "" {
			t.Errorf("%v: %v %s", how, err, diff)
		}
	}
}

// unreadable is a shelf with a blob that fails halfway.
type unreadable struct {
	*shelf
	name string
	err  error
}

func (u *unreadable) Open(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	b := u.blobs[name]
	if name != u.name {
		return u.shelf.Open(ctx, name)
	}
	return io.NopCloser(&failing{bytes.NewReader(b[:len(b)/2]), u.err}), int64(len(b)), nil
}
