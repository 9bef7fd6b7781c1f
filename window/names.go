package window

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/ephemera-go/ephemera/core"
)

func keyID(name uint32) core.KeyID { return core.KeyID(name) }

// intern returns the number of a name that was checked; refusals are counted.
func (w *Window) intern(name string) (uint32, error) {
	id, err := w.names.Intern(name)
	if err != nil {
		w.refused.names.Add(1)
		return 0, ErrNamesFull
	}
	return uint32(id), nil
}

// A spelling has the names by their numbers, for those who look up thousands.
type spelling struct {
	mu    sync.Mutex
	names atomic.Pointer[[]string] // only grows, so that older readers of the same array see no change
}

// list returns the names known now, number n at place n. What was raised before the call has its name in there.
func (s *spelling) list(keys *core.Keys) []string {
	known := keys.Len()
	if names := s.names.Load(); names != nil && len(*names) > known {
		return *names
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	names := []string{""} // numbers begin at 1
	if old := s.names.Load(); old != nil {
		names = *old
	}
	for id := len(names); id <= known; id++ {
		name, _ := keys.Name(core.KeyID(id))
		names = append(names, name)
	}
	s.names.Store(&names)
	return names
}

// A nameSet is the set of the known names that a pattern covers. It is immutable.
type nameSet struct {
	known uint32 // names up to this number were asked
	bits  []uint64
	ids   []uint32 // the members, if there are few
	count uint32
}

// fewNames is how many members a set lists: these are looked up in an index one by one.
const fewNames = 64

func (s *nameSet) has(id uint32) bool {
	return id <= s.known && s.bits[id>>6]&(1<<(id&63)) != 0
}

// all reports that every known name is a member.
func (s *nameSet) all() bool { return s.count == s.known }

// extend returns the set for the names up to known.
func (s *nameSet) extend(known uint32, covers func(id uint32) bool) *nameSet {
	n := &nameSet{known: known, bits: make([]uint64, known>>6+1), count: s.count}
	copy(n.bits, s.bits)
	n.ids = append(make([]uint32, 0, len(s.ids)+1), s.ids...)
	for id := s.known + 1; id <= known; id++ {
		if !covers(id) {
			continue
		}
		n.bits[id>>6] |= 1 << (id & 63)
		if n.count++; n.count <= fewNames {
			n.ids = append(n.ids, id)
		}
	}
	if n.count > fewNames {
		n.ids = nil
	}
	return n
}

// A selector is a compiled pattern with the set of names that it covers.
type selector struct {
	globs  []glob // none: every name
	names  *core.Keys
	number uint32 // spreads selectors over the places of an index
	mu     sync.Mutex
	set    atomic.Pointer[nameSet]
}

// current returns the set for all names known now. What was raised before the call has a name that is known now.
func (s *selector) current() *nameSet {
	known := uint32(s.names.Len())
	if set := s.set.Load(); set.known >= known {
		return set
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	set := s.set.Load()
	if set.known < known {
		set = set.extend(known, s.covers)
		s.set.Store(set)
	}
	return set
}

func (s *selector) covers(id uint32) bool {
	if s.globs == nil {
		return true
	}
	name, _ := s.names.Name(keyID(id))
	for i := range s.globs {
		if s.globs[i].match(name) {
			return true
		}
	}
	return false
}

// selectors is a bounded cache of compiled patterns.
type selectors struct {
	mu   sync.RWMutex
	list map[string]*selector
	made uint32
}

// maxSelectors bounds the cache; when it is full any pattern makes room.
const maxSelectors = 256

func (w *Window) compile(pattern string) (*selector, error) {
	c := &w.selectors
	c.mu.RLock()
	s := c.list[pattern]
	c.mu.RUnlock()
	if s != nil {
		return s, nil
	}
	globs, err := parse(pattern)
	if err != nil {
		return nil, err
	}
	s = &selector{globs: globs, names: w.names}
	s.set.Store(&nameSet{bits: make([]uint64, 1)})
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.list[pattern]; old != nil {
		return old, nil
	}
	for victim := range c.list {
		if len(c.list) < maxSelectors {
			break
		}
		delete(c.list, victim)
	}
	c.made++
	s.number, c.list[pattern] = c.made, s
	return s, nil
}

// A Name is a name that the window knows, ready to be raised at the price of an append. The zero Name raises nothing.
type Name struct {
	w  *Window
	id uint32
}

// Intern checks a name and makes the window know it. Errors: ErrInvalid, ErrNamesFull.
func (w *Window) Intern(name string) (Name, error) {
	if p := nameProblem(name); p != "" {
		w.refused.invalid.Add(1)
		return Name{}, fmt.Errorf("%w: name %s", ErrInvalid, p)
	}
	id, err := w.intern(name)
	if err != nil {
		return Name{}, err
	}
	return Name{w, id}, nil
}

// String returns the name.
func (n Name) String() string {
	if n.w == nil {
		return ""
	}
	name, _ := n.w.names.Name(keyID(n.id))
	return name
}

// refusal turns an error of the core store into one of the window.
func refusal(err error) error {
	if errors.Is(err, core.ErrClosed) {
		return ErrClosed
	}
	return err
}
