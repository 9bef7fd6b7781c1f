package snapshot

import (
	"bytes"
	"testing"

	"github.com/ephemera-go/ephemera/core"
)

func putManifest(t *testing.T, p *place, m *Manifest) {
	t.Helper()
	blob, err := m.encode(DefaultName, S2)
	must(t, err)
	blobs := p.handle(t)
	must(t, blobs.Put(t.Context(), manifestName(DefaultName, m.Ordinal), int64(len(blob)), bytes.NewReader(blob)))
}

// TestForgedArrival: blocks have times of arrival if and only if the layout says so; Load and Verify agree.
func TestForgedArrival(t *testing.T) {
	for _, arrival := range []bool{false, true} {
		var p place
		store := core.Options[trade]{Arrival: arrival}
		s := open(t, p.handle(t), store, manual())
		fill(t, s.Store(), 0, 3)
		save(t, s)
		m := p.newest(t)
		m.Ordinal, m.Layout.Arrival = 2, !arrival
		crash(t, s)
		putManifest(t, &p, m)
		_, r, err := Load(t.Context(), p.handle(t), store, manual())
		must(t, err)
		if r.Ordinal != 1 || len(r.Skipped) != 1 || !damaged(r.Skipped[0].Err) {
			t.Errorf("arrival %v: %v", arrival, r)
		}
		v, err := Verify(t.Context(), p.handle(t), DefaultName, nil)
		fails(t, err, ErrCorrupt)
		if v.Snapshots[0].Err != nil || v.Snapshots[1].Err == nil {
			t.Errorf("arrival %v: %v", arrival, err)
		}
	}
}

// TestForgedBlocks: a manifest that says of its blocks what the objects do not, under right checksums of its own, is found by
// Load and by Verify.
func TestForgedBlocks(t *testing.T) {
	for what, forge := range map[string]func(m *Manifest){
		"checksum of events": func(m *Manifest) { m.Partitions[0].Blocks[0].Sum++ },
		"checksum of names":  func(m *Manifest) { m.Keys.Blocks[0].Sum++ },
		"count": func(m *Manifest) {
			m.Partitions[0].Blocks[0].Count--
			m.Partitions[0].Next--
		},
		"sequence": func(m *Manifest) {
			m.Partitions[0].Blocks[0].First++
			m.Partitions[0].First++
			m.Partitions[0].Next++
		},
		"partition": func(m *Manifest) {
			a, b := &m.Partitions[0], &m.Partitions[1]
			a.First, a.Next, a.Blocks, b.First, b.Next, b.Blocks = b.First, b.Next, b.Blocks, a.First, a.Next, a.Blocks
		},
		"epoch":  func(m *Manifest) { m.Objects[0].Epoch[3]++ },
		"length": func(m *Manifest) { m.Objects[0].Bytes++ },
	} {
		var p place
		store := keyed(2)
		s := open(t, p.handle(t), store, manual())
		fill(t, s.Store(), 0, 50)
		_, err := s.Store().Keys().Intern("name")
		must(t, err)
		save(t, s)
		m := p.newest(t)
		forge(m)
		m.Ordinal = 2
		crash(t, s)
		putManifest(t, &p, m)
		_, r, err := Load(t.Context(), p.handle(t), store, manual())
		must(t, err)
		if r.Ordinal != 1 || len(r.Skipped) != 1 || !damaged(r.Skipped[0].Err) {
			t.Errorf("%s: %v", what, r)
		}
		v, err := Verify(t.Context(), p.handle(t), DefaultName, nil)
		fails(t, err, ErrCorrupt)
		if what != "length" && what != "epoch" && v.Snapshots[0].Err != nil || v.Snapshots[1].Err == nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}
