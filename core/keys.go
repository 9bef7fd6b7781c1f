package core

import (
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"strings"
	"sync"
	"sync/atomic"
)

// ErrKeysFull says that a name is new and the dictionary holds its maximum.
var ErrKeysFull = errors.New("core: key dictionary is full")

// KeyID is the number of an interned name; 0 is none.
type KeyID uint32

// Keys is a bounded dictionary of names: string to number and back. Numbers run
// 1, 2, 3, … in the order in which names were first seen, without gaps. Names
// are case-sensitive; the empty string is one like any other.
//
// It is safe for concurrent use. Lookups, of which an Intern of a known name is
// one, take no lock and do not allocate; an Intern of a new name takes a mutex.
// All lookups agree on one order of events: a name that Len counts is found.
//
// The zero Keys holds nothing and refuses every name; use NewKeys.
// Memory: about 80 to 120 bytes per name, beside its bytes.
type Keys struct {
	max     uint32
	seed    maphash.Seed
	table   atomic.Pointer[keyTable]
	refused atomic.Uint64
	mu      sync.Mutex // held to add names and to clear
}

// keyTable is an open-addressing table that only gains names. To grow or clear,
// a new one takes its place, so that readers never see anything move.
type keyTable struct {
	version uint64
	// count is stored last: what has a greater id is not there yet.
	count atomic.Uint32
	slots []atomic.Pointer[keyEntry] // power of two, at most half in use
	byID  []atomic.Pointer[keyEntry] // byID[id-1]
}

type keyEntry struct {
	hash uint64
	name string
	id   KeyID
}

const minKeyTable = 8

// NewKeys makes a dictionary for up to limit names (at least 1) and interns
// names in their order. It fails with ErrArgument when one of them is listed
// twice, and with ErrKeysFull when there are more than limit.
func NewKeys(limit int, names ...string) (*Keys, error) {
	if limit < 1 || uint64(limit) > math.MaxUint32 {
		return nil, fmt.Errorf("%w: %d is no limit for keys", ErrArgument, limit)
	}
	if len(names) > limit {
		return nil, fmt.Errorf("%w: %d names given, the limit is %d", ErrKeysFull, len(names), limit)
	}
	// The seed is random so that nobody can choose names that collide.
	k := &Keys{max: uint32(limit), seed: maphash.MakeSeed()}
	t := newKeyTable(len(names), 0)
	k.table.Store(t)
	for i, name := range names {
		hash := maphash.String(k.seed, name)
		if e := t.find(hash, name); e != nil {
			return nil, fmt.Errorf("%w: key name %q is listed as %d and %d", ErrArgument, name, e.id, i+1)
		}
		t.insert(&keyEntry{hash: hash, name: strings.Clone(name), id: KeyID(i + 1)})
	}
	return k, nil
}

// Intern returns the number of a name and gives it the next one if it is new.
// ErrKeysFull means that it is new and there is no room; a refusal uses up no
// number and is counted.
func (k *Keys) Intern(name string) (KeyID, error) {
	if id, ok := k.ID(name); ok {
		return id, nil
	}
	return k.internNew(name)
}

func (k *Keys) internNew(name string) (KeyID, error) {
	if k.max == 0 {
		k.refused.Add(1)
		return 0, ErrKeysFull
	}
	hash := maphash.String(k.seed, name)
	// Names never leave a table, so a full one without the name stays so:
	// a flood of unknown names is refused without queueing at the mutex.
	if t := k.table.Load(); t.count.Load() >= k.max && t.find(hash, name) == nil {
		k.refused.Add(1)
		return 0, ErrKeysFull
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	t := k.table.Load()
	if e := t.find(hash, name); e != nil {
		return e.id, nil
	}
	count := t.count.Load()
	if count >= k.max {
		k.refused.Add(1)
		return 0, ErrKeysFull
	}
	e := &keyEntry{hash: hash, name: strings.Clone(name), id: KeyID(count + 1)}
	if int(count) < len(t.byID) {
		t.insert(e)
		return e.id, nil
	}
	grown := newKeyTable(int(count)+1, t.version)
	for i := range t.byID {
		grown.insert(t.byID[i].Load())
	}
	grown.insert(e)
	k.table.Store(grown)
	return e.id, nil
}

// ID returns the number of a known name; it never interns.
func (k *Keys) ID(name string) (KeyID, bool) {
	t := k.table.Load()
	if t == nil {
		return 0, false
	}
	e := t.find(maphash.String(k.seed, name), name)
	if e == nil {
		return 0, false
	}
	return e.id, true
}

// Name returns the name that has a number.
func (k *Keys) Name(id KeyID) (string, bool) {
	t := k.table.Load()
	if t == nil || id == 0 || uint32(id) > t.count.Load() {
		return "", false
	}
	return t.byID[id-1].Load().name, true
}

// Len returns how many names there are, which is also the greatest number given.
func (k *Keys) Len() int {
	if t := k.table.Load(); t != nil {
		return int(t.count.Load())
	}
	return 0
}

// Names returns all names in the order of their numbers; the slice is the caller's.
func (k *Keys) Names() []string {
	t := k.table.Load()
	if t == nil {
		return nil
	}
	names := make([]string, t.count.Load())
	for i := range names {
		names[i] = t.byID[i].Load().name
	}
	return names
}

// Max returns how many names there may be.
func (k *Keys) Max() int { return int(k.max) }

// Refused returns how many calls of Intern failed with ErrKeysFull. Clear does
// not reset it.
func (k *Keys) Refused() uint64 { return k.refused.Load() }

// Version changes with every Clear. A number kept from before means nothing, or
// another name, after Version has changed.
func (k *Keys) Version() uint64 {
	if t := k.table.Load(); t != nil {
		return t.version
	}
	return 0
}

// Clear forgets all names: the next new one gets number 1.
func (k *Keys) Clear() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if t := k.table.Load(); t != nil {
		k.table.Store(newKeyTable(0, t.version+1))
	}
}

// newKeyTable makes an empty table with room for at least n names.
func newKeyTable(n int, version uint64) *keyTable {
	room := minKeyTable
	for room < n {
		room *= 2
	}
	return &keyTable{
		version: version,
		slots:   make([]atomic.Pointer[keyEntry], 2*room),
		byID:    make([]atomic.Pointer[keyEntry], room),
	}
}

// find returns nil for a name that is not there. It always ends: half the
// slots are empty.
func (t *keyTable) find(hash uint64, name string) *keyEntry {
	mask := uint64(len(t.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		e := t.slots[i].Load()
		if e == nil {
			return nil
		}
		if e.hash == hash && e.name == name {
			if uint32(e.id) > t.count.Load() {
				return nil
			}
			return e
		}
	}
}

// insert adds a name that is not there; the caller has the table to itself or
// holds the mutex, and there is room.
func (t *keyTable) insert(e *keyEntry) {
	mask := uint64(len(t.slots) - 1)
	i := e.hash & mask
	for t.slots[i].Load() != nil {
		i = (i + 1) & mask
	}
	t.byID[e.id-1].Store(e)
	t.slots[i].Store(e)
	t.count.Store(uint32(e.id))
}
