package snapshot

import (
	"time"

	"github.com/ephemera-go/ephemera/core"
)

// A Manifest says what a snapshot holds and where it lies. It is immutable, and so are the objects that it names; a
// snapshot shares those that did not change with the ones before it.
type Manifest struct {
	Ordinal uint64     `json:"ordinal"` // counts the snapshots of one name from 1 on, across restarts
	Epoch   core.Epoch `json:"epoch"`   // of the store
	TakenAt time.Time  `json:"takenAt"` // just before it, by the clock of the Saver, in UTC
	Final   bool       `json:"final"`   // taken after the store was closed: nothing came after it in this epoch
	Writer  string     `json:"writer"`  // random; tells the manifest of one Saver from that of another

	Codec        string      `json:"codec"`  // its name
	Schema       uint32      `json:"schema"` // Options.Schema
	Layout       core.Layout `json:"layout"`
	Ledger       core.Ledger `json:"ledger"` // of the store, about when the snapshot was taken
	PurgedBefore time.Time   `json:"purgedBefore"`

	Partitions []Partition `json:"partitions"` // by ascending numbers
	Keys       Keys        `json:"keys"`
	Objects    []Object    `json:"objects"` // by ascending names
	Lineage    []Ancestor  `json:"lineage"` // earlier epochs, oldest first; the last 16 at most
	Sections   []Section   `json:"sections"`
}

// A Partition is what a snapshot holds of one partition: the sequences [First, Next). Sequences are modulo 2^64, so
// First may be greater.
type Partition struct {
	Number   int           `json:"number"`
	First    uint64        `json:"first"`
	Next     uint64        `json:"next"`
	Capacity int           `json:"capacity"`
	MaxAge   time.Duration `json:"maxAge"`
	MaxBytes int64         `json:"maxBytes"`
	Blocks   []Block       `json:"blocks"` // without gaps up to Next; the first may begin before First
}

// Events returns how many events the snapshot holds of the partition.
func (p *Partition) Events() uint64 { return p.Next - p.First }

// Keys is the dictionary of interned names, in pieces of consecutive numbers.
type Keys struct {
	Count  int     `json:"count"`
	Blocks []Block `json:"blocks"` // First is the number of a name, from 1 on
}

// A Block is where a run of events or names lies: one frame of an object.
type Block struct {
	Object int    `json:"object"` // index in Manifest.Objects
	First  uint64 `json:"first"`
	Count  int    `json:"count"`
	Sum    uint32 `json:"crc32c"` // of the frame
}

// An Object is a blob with blocks.
type Object struct {
	Name  string     `json:"name"`
	Bytes int64      `json:"bytes"`
	Epoch core.Epoch `json:"epoch"` // of the store that wrote it
}

// An Ancestor is an epoch that ended without a final snapshot: events that it gave sequences behind Next are lost, and
// these sequences were given again.
type Ancestor struct {
	Epoch core.Epoch        `json:"epoch"`
	Next  []AncestorHorizon `json:"next"`
}

// An AncestorHorizon is how far a partition of an earlier epoch was kept.
type AncestorHorizon struct {
	Partition int    `json:"partition"`
	Next      uint64 `json:"next"`
}

// A Section is what another part of the program put into the snapshot; see Attach.
type Section struct {
	Name string `json:"name"`
	Data []byte `json:"data"`
}

const (
	maxLineage    = 16
	maxBlock      = 1 << 16 // events or names
	maxPartitions = core.MaxPartitionNumbers
)

// Events returns how many events the snapshot holds.
func (m *Manifest) Events() (n uint64) {
	for i := range m.Partitions {
		n += m.Partitions[i].Events()
	}
	return n
}

// partition returns what the snapshot holds of a partition, or nil.
func (m *Manifest) partition(number int) *Partition {
	low, high := 0, len(m.Partitions)
	for low < high {
		if mid := (low + high) / 2; m.Partitions[mid].Number < number {
			low = mid + 1
		} else {
			high = mid
		}
	}
	if low < len(m.Partitions) && m.Partitions[low].Number == number {
		return &m.Partitions[low]
	}
	return nil
}

// section returns the data of a section.
func (m *Manifest) section(name string) ([]byte, bool) {
	for i := range m.Sections {
		if m.Sections[i].Name == name {
			return m.Sections[i].Data, true
		}
	}
	return nil, false
}
