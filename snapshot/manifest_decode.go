package snapshot

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
)

// decodeManifest reads the blob of size bytes that stands for a snapshot of the given store, and checks that it is that
// one's manifest and consistent in itself.
func decodeManifest(r io.Reader, size int64, store string, ordinal uint64) (*Manifest, error) {
	b := new(blobReader)
	defer b.close()
	if err := b.open(r, size, kindManifest); err != nil {
		return nil, err
	}
	d := manifestDecoder{name: manifestName(store, ordinal)}
	for i := 0; ; i++ {
		raw, _, err := b.next()
		if errors.Is(err, io.EOF) && i == fixedFrames+d.sections {
			break
		}
		if err == nil {
			err = d.frame(i, &reader{rest: raw})
		}
		if err != nil {
			return nil, framed(i, err)
		}
	}
	if d.m.Ordinal != ordinal {
		return nil, corrupt("it says that it is snapshot %d", d.m.Ordinal)
	}
	if err := d.m.check(objectPrefix(store)); err != nil {
		return nil, err
	}
	return &d.m, nil
}

// fixedFrames are those in front of the sections.
const fixedFrames = 4

type manifestDecoder struct {
	m        Manifest
	name     string
	sections int
	seen     map[string]bool
}

func (d *manifestDecoder) frame(i int, r *reader) error {
	switch i {
	case 0:
		if name := r.text(); r.err == nil && name != d.name {
			r.fail("it is the manifest %q", name)
		}
		d.sections = d.m.readHead(r)
	case 1:
		d.m.readPartitions(r)
	case 2:
		d.m.readObjects(r)
	case 3:
		d.m.readLineage(r)
	default:
		d.section(i-fixedFrames, r)
	}
	return r.end()
}

func (d *manifestDecoder) section(i int, r *reader) {
	s := Section{Name: r.text()}
	switch {
	case i >= d.sections:
		r.fail("a frame too many")
	case s.Name == "" || d.seen[s.Name]:
		r.fail("section %q twice, or without a name", s.Name)
	}
	if r.err != nil {
		return
	}
	if d.seen == nil {
		d.seen = map[string]bool{}
	}
	d.seen[s.Name] = true
	s.Data = append([]byte(nil), r.bytes(len(r.rest))...)
	d.m.Sections = append(d.m.Sections, s)
}

func framed(i int, err error) error {
	if errors.Is(err, io.EOF) {
		return corrupt("frame %d is missing", i)
	}
	return fmt.Errorf("frame %d: %w", i, err)
}

// readHead returns how many sections follow.
func (m *Manifest) readHead(r *reader) int {
	m.Ordinal = r.uvarint()
	copy(m.Epoch[:], r.bytes(len(m.Epoch)))
	m.TakenAt = r.time()
	m.Final = r.bool()
	m.Writer, m.Codec = r.text(), r.text()
	m.Schema = uint32(r.below(1 << 32))
	m.Layout.Fixed = r.number(maxPartitions)
	m.Layout.Lanes = r.number(maxPartitions)
	m.Layout.Keyed, m.Layout.Arrival = r.bool(), r.bool()
	m.PurgedBefore = r.time()
	for _, n := range ledgerFields(&m.Ledger) {
		*n = r.uvarint()
	}
	return r.number(1 << 16)
}

func (m *Manifest) readPartitions(r *reader) {
	n, last := r.count(7), -1
	if r.err == nil && n > 0 {
		m.Partitions = make([]Partition, 0, n)
	}
	for range n {
		p := Partition{Number: last + 1 + r.number(maxPartitions), First: r.uvarint()}
		p.Next = p.First + r.uvarint()
		capacity := r.below(core.MaxCapacity + 1)
		p.Capacity = int(capacity)
		p.MaxAge = time.Duration(r.uvarint())
		p.MaxBytes = int64(r.uvarint())
		p.Blocks = readBlocks(r, p.First)
		switch {
		case r.err != nil:
			return
		case p.Number >= maxPartitions || capacity < 1 || capacity > math.MaxInt || p.MaxAge < 0 || p.MaxBytes < 0 || p.Events() > 1<<62:
			r.fail("partition %d out of range", p.Number)
			return
		}
		m.Partitions = append(m.Partitions, p)
		last = p.Number
	}
	m.Keys.Count = r.number(math.MaxInt32)
	m.Keys.Blocks = readBlocks(r, 1)
}

func readBlocks(r *reader, first uint64) []Block {
	n := r.count(6)
	if n == 0 {
		return nil
	}
	blocks := make([]Block, n)
	at := first - r.uvarint()
	for i := range blocks {
		b := Block{First: at, Count: r.number(maxBlock + 1), Object: r.number(math.MaxInt32), Sum: r.u32()}
		if b.Count == 0 {
			r.fail("an empty block")
		}
		if r.err != nil {
			return nil
		}
		blocks[i] = b
		at += uint64(b.Count)
	}
	return blocks
}

func (m *Manifest) readObjects(r *reader) {
	n := r.count(18)
	if n > 0 {
		m.Objects = make([]Object, 0, n)
	}
	for range n {
		o := Object{Name: r.text(), Bytes: int64(r.uvarint())}
		copy(o.Epoch[:], r.bytes(len(o.Epoch)))
		if k := len(m.Objects); r.err == nil && (o.Bytes < headBytes || k > 0 && m.Objects[k-1].Name >= o.Name) {
			r.fail("object %q out of order or range", o.Name)
		}
		if r.err != nil {
			return
		}
		m.Objects = append(m.Objects, o)
	}
}

func (m *Manifest) readLineage(r *reader) {
	n := r.count(17)
	if n > maxLineage {
		r.fail("%d ancestors; at most %d", n, maxLineage)
	}
	for i := 0; i < n && r.err == nil; i++ {
		var a Ancestor
		copy(a.Epoch[:], r.bytes(len(a.Epoch)))
		horizons := r.count(2)
		if horizons > 0 {
			a.Next = make([]AncestorHorizon, 0, horizons)
		}
		last := -1
		for range horizons {
			h := AncestorHorizon{Partition: last + 1 + r.number(maxPartitions), Next: r.uvarint()}
			if r.err == nil && h.Partition >= maxPartitions {
				r.fail("partition %d out of range", h.Partition)
			}
			if r.err != nil {
				return
			}
			a.Next = append(a.Next, h)
			last = h.Partition
		}
		m.Lineage = append(m.Lineage, a)
	}
}

// check holds the parts of a manifest against each other.
func (m *Manifest) check(prefix string) error {
	l := m.Layout
	switch {
	case m.Ordinal == 0 || m.Epoch.IsZero():
		return corrupt("no ordinal or epoch")
	case l.Fixed == 0 || l.Lanes > 0 && l.Fixed != l.Lanes+1:
		return corrupt("%d lanes of %d partitions", l.Lanes, l.Fixed)
	case len(m.Partitions) < l.Fixed || m.Partitions[l.Fixed-1].Number != l.Fixed-1:
		return corrupt("not all of the %d partitions", l.Fixed)
	case len(m.Keys.Blocks) > 0 && m.Keys.Blocks[0].First != 1:
		return corrupt("names from %d on", m.Keys.Blocks[0].First)
	}
	used := make([]bool, len(m.Objects))
	for i := range m.Partitions {
		p := &m.Partitions[i]
		if err := checkBlocks(p.Blocks, p.First, p.Next, used); err != nil {
			return fmt.Errorf("partition %d: %w", p.Number, err)
		}
	}
	if err := checkBlocks(m.Keys.Blocks, 1, 1+uint64(m.Keys.Count), used); err != nil {
		return fmt.Errorf("names: %w", err)
	}
	for i, u := range used {
		name := m.Objects[i].Name
		rest, ok := strings.CutPrefix(name, prefix)
		if ok {
			_, ok = ordinalOf(rest)
		}
		switch {
		case !ok || sinks.CheckBlobName(name) != nil:
			return corrupt("%q is no object of this store", name)
		case !u:
			return corrupt("object %q has no block", name)
		}
	}
	return nil
}

// checkBlocks wants blocks that cover [first, next), marks the objects in use, and allows the first block to begin
// before.
func checkBlocks(blocks []Block, first, next uint64, used []bool) error {
	at := first
	for i, b := range blocks {
		if b.Object >= len(used) {
			return corrupt("object %d of %d", b.Object, len(used))
		}
		used[b.Object] = true
		if i == 0 && first-b.First >= uint64(b.Count) {
			return corrupt("a block that ends before the first event")
		}
		at = b.First + uint64(b.Count)
	}
	if at != next {
		return corrupt("blocks reach to %d instead of %d", at, next)
	}
	return nil
}
