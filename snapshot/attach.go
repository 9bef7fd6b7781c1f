package snapshot

import (
	"bytes"
	"encoding"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/ephemera-go/ephemera/core"
)

// A Part is something beside the events that travels in the snapshots of a store, as a section of bytes. Its methods use
// standard types only, so that a package can be a Part without importing this one.
type Part interface {
	// SectionName is unique in the store and stays the same. "snapshot:numbers" is reserved.
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
	loading  map[string]bool   // names of parts that are being attached
}

type attachment[E any] struct {
	name    string
	save    func(c *cuts[E], m *Manifest) ([]byte, error)
	derived bool // it says nothing that has not come from the events: if these are the same, it is too
}

// Attach gives a part its section of the restored snapshot, if there is one, and puts one of it into every snapshot from
// now on. Attach before Run: as long as a section that was restored is not attached, nothing is saved (ErrSection), for it
// would be lost; Options.Forget names sections that may be. A part whose LoadSection fails is not attached.
func (s *Saver[E]) Attach(p Part) error {
	save := func(_ *cuts[E], m *Manifest) ([]byte, error) {
		return p.SaveSection(func(number int) (first, next uint64) {
			if x := m.partition(number); x != nil {
				return x.First, x.Next
			}
			return 0, 0
		})
	}
	return wrap("attach", "", s.parts.add(attachment[E]{name: p.SectionName(), save: save}, p.LoadSection))
}

// Section returns a section of the restored snapshot that is not attached yet, for a part that is made with it, such as a
// window (window.Options). data is the caller's.
func (s *Saver[E]) Section(name string) (data []byte, ok bool) {
	s.parts.mu.Lock()
	defer s.parts.mu.Unlock()
	data, ok = s.parts.restored[name]
	return bytes.Clone(data), ok
}

// add loads and enters an attachment. It calls the part without the lock, so that this may ask for other sections.
func (a *attachments[E]) add(x attachment[E], load func([]byte) error) error {
	data, restored, err := a.claim(x.name)
	if err != nil {
		return err
	}
	if restored {
		err = contained(func() error { return load(data) })
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.loading, x.name)
	if err != nil {
		return fmt.Errorf("%w %q: %w", ErrSection, x.name, err)
	}
	delete(a.restored, x.name)
	a.list = append(a.list, x)
	return nil
}

// claim makes sure that nobody else attaches a part of that name, and returns its section.
func (a *attachments[E]) claim(name string) (data []byte, restored bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if name == "" || name == numbersSection || a.loading[name] || slices.ContainsFunc(a.list, func(y attachment[E]) bool { return y.name == name }) {
		return nil, false, fmt.Errorf("%w %q: no name, or reserved, or attached already", ErrSection, name)
	}
	if a.loading == nil {
		a.loading = map[string]bool{}
	}
	a.loading[name] = true
	data, restored = a.restored[name]
	return data, restored, nil
}

// contained makes an error of a panic.
func contained(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("it panicked: %v", r)
		}
	}()
	return f()
}

// sections collects what the parts save.
func (a *attachments[E]) sections(c *cuts[E], m *Manifest) ([]Section, error) {
	a.mu.Lock()
	missing, parts := slices.Sorted(maps.Keys(a.restored)), slices.Clone(a.list)
	a.mu.Unlock()
	if len(missing) > 0 {
		return nil, fmt.Errorf("%w %s: restored, and not attached; see Saver.Attach and Options.Forget", ErrSection, strings.Join(missing, ", "))
	}
	var list []Section
	for _, x := range parts {
		s := Section{Name: x.name}
		err := contained(func() (err error) {
			s.Data, err = x.save(c, m)
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("%w %q: %w", ErrSection, x.name, err)
		}
		list = append(list, s)
	}
	return list, nil
}

// same compares sections of snapshots that hold the same events.
func (a *attachments[E]) same(x, y Section) bool {
	return x.Name == y.Name && (a.derived(x.Name) || bytes.Equal(x.Data, y.Data))
}

func (a *attachments[E]) derived(name string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.ContainsFunc(a.list, func(x attachment[E]) bool { return x.name == name && x.derived })
}

// AttachRollup lets what a rollup with Retain knows of events that left travel in the snapshots. The values must be of
// a type that encoding/gob writes without leaving anything out: Summary, Histogram, numbers, strings, and maps, slices and
// structs of them are; functions, interfaces, unexported fields, and fields that point at anything but a struct are not. It is
// for a rollup of the Saver's store, to be attached as Attach says.
func AttachRollup[E, A any](s *Saver[E], r *core.Rollup[E, A]) error {
	err := gobWhole(reflect.TypeFor[past[A]](), nil)
	if err == nil {
		_, err = encodePast(past[A]{})
	}
	if err != nil {
		return wrap("attach", "", fmt.Errorf("%w: rollup %q: %w", ErrSection, r.Name(), err))
	}
	none := s.store.Cut(0)
	none.Close()
	if _, _, err := r.Past(none); err != nil {
		return wrap("attach", "", fmt.Errorf("%w: %w", ErrSection, err))
	}
	save := func(c *cuts[E], m *Manifest) ([]byte, error) {
		p, err := pastOf(c, m, r, none)
		if err != nil {
			return nil, err
		}
		return encodePast(p)
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
	return wrap("attach", "", s.parts.add(attachment[E]{"rollup:" + r.Name(), save, true}, load))
}

// pastOf collects what a rollup knows of the events that had left before the cuts, of those partitions that the manifest
// has. Each answer counts what an earlier incarnation left unfolded; that of no partition counts only this.
func pastOf[E, A any](c *cuts[E], m *Manifest, r *core.Rollup[E, A], none *core.Cut[E]) (past[A], error) {
	_, inherited, err := r.Past(none)
	p := past[A]{Unfolded: inherited}
	for _, x := range c.pinned {
		list, unfolded, e := r.Past(x.cut)
		if e != nil {
			err = e
			break
		}
		p.Past = append(p.Past, list...)
		p.Unfolded += unfolded - inherited
	}
	p.Past = slices.DeleteFunc(p.Past, func(x core.Past[A]) bool { return m.partition(x.Partition) == nil })
	return p, err
}

// gobWhole returns an error if gob would leave out something of a type. above are the types that it is part of.
func gobWhole(t reflect.Type, above []reflect.Type) error {
	if gobItself(t) || slices.Contains(above, t) {
		return nil
	}
	above = append(above, t)
	switch t.Kind() {
	case reflect.Func, reflect.Chan, reflect.Interface, reflect.UnsafePointer:
		return fmt.Errorf("%w: gob cannot write %v", ErrOption, t)
	case reflect.Map:
		return errors.Join(gobWhole(t.Key(), above), gobWhole(t.Elem(), above))
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return gobWhole(t.Elem(), above)
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if !f.IsExported() {
				return fmt.Errorf("%w: gob leaves out the field %s of %v", ErrOption, f.Name, t)
			}
			if gobMakesNil(f.Type) {
				return fmt.Errorf("%w: gob makes nil of the field %s of %v where that points at zero", ErrOption, f.Name, t)
			}
			if err := gobWhole(f.Type, above); err != nil {
				return err
			}
		}
	}
	return nil
}

func gobItself(t reflect.Type) bool {
	for _, own := range []reflect.Type{reflect.TypeFor[gob.GobEncoder](), reflect.TypeFor[encoding.BinaryMarshaler]()} {
		if t.Implements(own) || reflect.PointerTo(t).Implements(own) {
			return true
		}
	}
	return false
}

// gobMakesNil reports whether gob does not write a field of the type that points at zero: it looks through pointers, and leaves
// out what is zero, but for structs and arrays.
func gobMakesNil(t reflect.Type) bool {
	pointer := t.Kind() == reflect.Pointer
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Array, reflect.Func, reflect.Chan, reflect.Interface, reflect.UnsafePointer: // the last ones are refused anyway
		return false
	}
	return pointer && !gobItself(t)
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

func decodePast[A any](data []byte, p *past[A]) error {
	r := bytes.NewReader(data)
	if err := gob.NewDecoder(r).Decode(p); err != nil {
		return corrupt("%w", err)
	}
	if _, err := r.ReadByte(); err != io.EOF {
		return corrupt("bytes left over")
	}
	return nil
}
