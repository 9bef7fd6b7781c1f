package snapshot

import (
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

// decodeManifest reads the blob of a manifest of size bytes and checks that it is consistent in itself.
func decodeManifest(r io.Reader, size int64) (*Manifest, error) {
	b := new(blobReader)
	defer b.close()
	if err := b.open(r, size, kindManifest); err != nil {
		return nil, err
	}
	m, sections := new(Manifest), 0
	for i, read := range []func(*reader){
		func(r *reader) { sections = m.readHead(r) }, m.readPartitions, m.readObjects, m.readLineage,
	} {
		raw, _, err := b.next()
		if err != nil {
			return nil, framed(i, err)
		}
		x := &reader{rest: raw}
		if read(x); x.end() != nil {
			return nil, framed(i, x.err)
		}
	}
	for i := range sections {
		raw, _, err := b.next()
		if err != nil {
			return nil, framed(4+i, err)
		}
		x := &reader{rest: raw}
		s := Section{Name: x.text()}
		s.Data = append([]byte(nil), x.rest...)
		if _, twice := m.section(s.Name); twice && x.err == nil {
			x.fail("section %q twice", s.Name)
		}
		if x.err != nil {
			return nil, framed(4+i, x.err)
		}
		m.Sections = append(m.Sections, s)
	}
	if _, _, err := b.next(); !errors.Is(err, io.EOF) {
		if err == nil {
			err = corrupt("a frame too many")
		}
		return nil, err
	}
	return m, m.check()
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
	m.Schema = uint32(r.number(math.MaxUint32))
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
		p.Capacity = r.number(core.MaxCapacity + 1)
		p.MaxAge = time.Duration(r.uvarint())
		p.MaxBytes = int64(r.uvarint())
		p.Blocks = readBlocks(r, p.First)
		switch {
		case r.err != nil:
			return
		case p.Number >= maxPartitions || p.Capacity < 1 || p.MaxAge < 0 || p.MaxBytes < 0 || p.Events() > 1<<62:
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
	for range r.count(17) {
		var a Ancestor
		copy(a.Epoch[:], r.bytes(len(a.Epoch)))
		last := -1
		for range r.count(2) {
			h := AncestorHorizon{Partition: last + 1 + r.number(maxPartitions), Next: r.uvarint()}
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
func (m *Manifest) check() error {
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
		if !u {
			return corrupt("object %q has no block", m.Objects[i].Name)
		}
	}
	if m.Ordinal == 0 || m.Epoch.IsZero() {
		return corrupt("no ordinal or epoch")
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
