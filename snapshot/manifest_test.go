package snapshot

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/ephemera-go/ephemera/core"
)

// TestManifestAtItsLimits: whatever a store has, its manifest can be read again, also where frames that are packed densely reach
// just below what a reader believes at any rate, and the next one lies beyond.
func TestManifestAtItsLimits(t *testing.T) {
	random := make([]byte, 5000)
	_, _ = rand.NewChaCha8([32]byte{}).Read(random)
	for _, method := range []Compression{S2, Zstd} {
		for partitions := 15_000; partitions <= 17_000; partitions += 250 {
			readAgain(t, manifestOf(partitions), method)
		}
		for zeros := 2<<20 - 8000; zeros <= 2<<20+2000; zeros += 2000 {
			m := manifestOf(64)
			m.Sections = []Section{{"a", make([]byte, zeros)}, {"b", random}}
			readAgain(t, m, method)
		}
	}
}

func readAgain(t *testing.T, m *Manifest, method Compression) {
	t.Helper()
	blob, err := m.encode(DefaultName, method)
	must(t, err)
	got, err := decodeManifest(bytes.NewReader(blob), int64(len(blob)), DefaultName, m.Ordinal)
	if err != nil {
		t.Errorf("%v, %d partitions, %d sections: %v", method, len(m.Partitions), len(m.Sections), err)
		return
	}
	again, err := got.encode(DefaultName, method)
	must(t, err)
	if !bytes.Equal(again, blob) {
		t.Errorf("%v, %d partitions: what was read is written otherwise", method, len(m.Partitions))
	}
}

// manifestOf has 64 partitions with an object each, and empty ones.
func manifestOf(partitions int) *Manifest {
	m := &Manifest{Ordinal: 1, Epoch: core.Epoch{1}, Codec: "json", Writer: "0123456789abcdef", Layout: core.Layout{Fixed: 1}}
	for i := range partitions {
		p := Partition{Number: i, Capacity: 1000}
		if i < 64 {
			m.Objects = append(m.Objects, Object{objectName(DefaultName, 1, m.Writer, i), 1000, m.Epoch})
			p.Next, p.Blocks = 10, []Block{{Object: i, Count: 10, Sum: uint32(i) * 2_654_435_761}}
		}
		m.Partitions = append(m.Partitions, p)
	}
	return m
}
