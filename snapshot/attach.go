package snapshot

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/ephemera-go/ephemera/core"
)

// A Part is something beside the events that travels in the snapshots of a store, as a section of bytes. Its methods use
// standard types only, so that a package can be a Part without importing this one.
type Part interface {
	// SectionName is unique in the store and stays the same.
	SectionName() string

	// SaveSection returns the section for a snapshot that holds, of each partition, the sequences [first, next). It is
	// called after the events were cut, so that it knows of everything that they are; of what came later, at next or
	// behind, it must say nothing. It must not block appends for long. The result is not changed afterwards.
	SaveSection(saved func(partition int) (first, next uint64)) ([]byte, error)

	// LoadSection is called once, by Attach, if the restored snapshot has the section. data is the part's to keep.
	LoadSection(data []byte) error
}

// attachments are the parts of a Saver.
type attachments[E any] struct {
	mu       sync.Mutex
	list     []attachment[E]
	restored map[string][]byte // sections that wait for their part
}

type attachment[E any] struct {
	name string
	save func(cut *core.Cut[E], m *Manifest) ([]byte, error)
}

// Attach gives a part its section of the restored snapshot, if there is one, and puts one of it into every snapshot from
// now on. Attach before Run: as long as a section that was restored is not attached, nothing is saved (ErrSection), for it
// would be lost; Options.Forget names sections that may be.
func (s *Saver[E]) Attach(p Part) error {
	save := func(_ *core.Cut[E], m *Manifest) ([]byte, error) {
		return p.SaveSection(func(number int) (first, next uint64) {
			if x := m.partition(number); x != nil {
				return x.First, x.Next
			}
			return 0, 0
		})
	}
	return wrap("open", "", s.parts.add(attachment[E]{p.SectionName(), save}, p.LoadSection))
}

func (a *attachments[E]) add(x attachment[E], load func([]byte) error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if x.name == "" || slices.ContainsFunc(a.list, func(y attachment[E]) bool { return y.name == x.name }) {
		return fmt.Errorf("%w %q: no name, or attached already", ErrSection, x.name)
	}
	if data, ok := a.restored[x.name]; ok {
		if err := load(data); err != nil {
			return fmt.Errorf("%w %q: %w", ErrSection, x.name, err)
		}
		delete(a.restored, x.name)
	}
	a.list = append(a.list, x)
	return nil
}

// sections collects what the parts save.
func (s *Saver[E]) sections(cut *core.Cut[E], m *Manifest) ([]Section, error) {
	a := &s.parts
	a.mu.Lock()
	defer a.mu.Unlock()
	var missing []string
	for name := range a.restored {
		missing = append(missing, name)
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return nil, fmt.Errorf("%w %s: restored, and not attached; see Saver.Attach and Options.Forget", ErrSection, strings.Join(missing, ", "))
	}
	var list []Section
	for _, x := range a.list {
		data, err := x.save(cut, m)
		if err != nil {
			return nil, fmt.Errorf("%w %q: %w", ErrSection, x.name, err)
		}
		list = append(list, Section{x.name, data})
	}
	return list, nil
}

// AttachRollup lets what a rollup with Retain knows of events that left travel in the snapshots. The values must be of
// a type that encoding/gob can write: Summary, Histogram and maps of them are. It is for a rollup of the Saver's store, to
// be attached as Attach says.
func AttachRollup[E, A any](s *Saver[E], r *core.Rollup[E, A]) error {
	if _, err := encodePast(past[A]{}); err != nil {
		return wrap("open", "", fmt.Errorf("%w: rollup %q: %w", ErrSection, r.Name(), err))
	}
	save := func(cut *core.Cut[E], _ *Manifest) ([]byte, error) {
		list, unfolded, err := r.Past(cut)
		if err != nil {
			return nil, err
		}
		return encodePast(past[A]{list, unfolded})
	}
	load := func(data []byte) error {
		var p past[A]
		if err := decodePast(data, &p); err != nil {
			return err
		}
		for i := range p.Past {
			p.Past[i].Partition = s.report.renumber(p.Past[i].Partition)
		}
		return r.Inherit(p.Past, p.Unfolded)
	}
	return wrap("open", "", s.parts.add(attachment[E]{"rollup:" + r.Name(), save}, load))
}

// past is the section of a rollup.
type past[A any] struct {
	Past     []core.Past[A]
	Unfolded uint64
}

func encodePast[A any](p past[A]) ([]byte, error) {
	var b bytes.Buffer
	err := gob.NewEncoder(&b).Encode(p)
	return b.Bytes(), err
}

// decodePast never panics, whatever the bytes are.
func decodePast[A any](data []byte, p *past[A]) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = corrupt("%v", r)
		}
	}()
	r := bytes.NewReader(data)
	if err := gob.NewDecoder(r).Decode(p); err != nil {
		return corrupt("%w", err)
	}
	if _, err := r.ReadByte(); err != io.EOF {
		return corrupt("bytes left over")
	}
	return nil
}
