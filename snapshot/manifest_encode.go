package snapshot

import (
	"encoding/binary"

	"github.com/ephemera-go/ephemera/core"
)

// A manifest is a blob of frames: the first holds what is fixed, then come partitions, places of names, objects and
// ancestors, then one frame for each section.

// encode returns the blob of a manifest of the given store.
func (m *Manifest) encode(store string, method Compression) ([]byte, error) {
	name := appendText(nil, manifestName(store, m.Ordinal))
	frames := [][]byte{m.appendHead(name), m.appendPartitions(), m.appendObjects(), m.appendLineage()}
	for i := range m.Sections {
		s := &m.Sections[i]
		frames = append(frames, append(appendText(nil, s.Name), s.Data...))
	}
	blob, err := encodeFrames(frames, method)
	if err == nil && !believed(frames, len(blob)) {
		return encodeFrames(frames, NoCompression)
	}
	return blob, err
}

func encodeFrames(frames [][]byte, method Compression) ([]byte, error) {
	w := newBlobWriter(kindManifest, method)
	for _, f := range frames {
		if _, err := w.add(f); err != nil {
			return nil, err
		}
	}
	return w.finish(), nil
}

// believed reports whether a reader believes the frames in a blob of so many bytes. It may not if those that were packed
// before the last ones are dense: then they are below what is free, and all of them are beyond.
func believed(frames [][]byte, size int) bool {
	so := unpacked{kind: kindManifest}
	for _, f := range frames {
		raw := int64(len(f))
		if !so.allows(raw, raw, int64(size)) { // frame by frame the writer has seen to it
			return false
		}
		so.add(raw)
	}
	return true
}

func (m *Manifest) appendHead(b []byte) []byte {
	b = binary.AppendUvarint(b, m.Ordinal)
	b = append(b, m.Epoch[:]...)
	b = appendTime(b, m.TakenAt)
	b = appendBool(b, m.Final)
	b = appendText(b, m.Writer)
	b = appendText(b, m.Codec)
	b = binary.AppendUvarint(b, uint64(m.Schema))
	b = binary.AppendUvarint(b, uint64(m.Layout.Fixed))
	b = binary.AppendUvarint(b, uint64(m.Layout.Lanes))
	b = appendBool(b, m.Layout.Keyed)
	b = appendBool(b, m.Layout.Arrival)
	b = appendTime(b, m.PurgedBefore)
	for _, n := range ledgerFields(&m.Ledger) {
		b = binary.AppendUvarint(b, *n)
	}
	return binary.AppendUvarint(b, uint64(len(m.Sections)))
}

// ledgerFields are the counters that travel.
func ledgerFields(l *core.Ledger) []*uint64 {
	return []*uint64{
		&l.Appended, &l.Restored, &l.Visible, &l.Hidden, &l.InFlight, &l.Discarded, &l.Expired, &l.Purged, &l.Cleared,
		&l.Undelivered, &l.Unfolded,
	}
}

func (m *Manifest) appendPartitions() []byte {
	b := binary.AppendUvarint(nil, uint64(len(m.Partitions)))
	last := -1
	for i := range m.Partitions {
		p := &m.Partitions[i]
		b = binary.AppendUvarint(b, uint64(p.Number-last-1))
		last = p.Number
		b = binary.AppendUvarint(b, p.First)
		b = binary.AppendUvarint(b, p.Next-p.First)
		b = binary.AppendUvarint(b, uint64(p.Capacity))
		b = binary.AppendUvarint(b, uint64(p.MaxAge))
		b = binary.AppendUvarint(b, uint64(p.MaxBytes))
		b = appendBlocks(b, p.Blocks, p.First)
	}
	b = binary.AppendUvarint(b, uint64(m.Keys.Count))
	return appendBlocks(b, m.Keys.Blocks, 1)
}

// appendBlocks writes blocks that follow each other without gaps; the first begins at or before first.
func appendBlocks(b []byte, blocks []Block, first uint64) []byte {
	b = binary.AppendUvarint(b, uint64(len(blocks)))
	for i, x := range blocks {
		if i == 0 {
			b = binary.AppendUvarint(b, first-x.First)
		}
		b = binary.AppendUvarint(b, uint64(x.Count))
		b = binary.AppendUvarint(b, uint64(x.Object))
		b = binary.LittleEndian.AppendUint32(b, x.Sum)
	}
	return b
}

func (m *Manifest) appendObjects() []byte {
	b := binary.AppendUvarint(nil, uint64(len(m.Objects)))
	for i := range m.Objects {
		o := &m.Objects[i]
		b = appendText(b, o.Name)
		b = binary.AppendUvarint(b, uint64(o.Bytes))
		b = append(b, o.Epoch[:]...)
	}
	return b
}

func (m *Manifest) appendLineage() []byte {
	b := binary.AppendUvarint(nil, uint64(len(m.Lineage)))
	for i := range m.Lineage {
		a := &m.Lineage[i]
		b = append(b, a.Epoch[:]...)
		b = binary.AppendUvarint(b, uint64(len(a.Next)))
		last := -1
		for _, h := range a.Next {
			b = binary.AppendUvarint(b, uint64(h.Partition-last-1))
			b = binary.AppendUvarint(b, h.Next)
			last = h.Partition
		}
	}
	return b
}
