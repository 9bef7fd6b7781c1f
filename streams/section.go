package streams

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

const (
	sectionVersion = 1
	maxAncestors   = 8
)

// SectionName implements snapshot.Part.
func (l *Local) SectionName() string { return "streams" }

// SaveSection implements snapshot.Part: names, versions, limits and idempotency keys, as far as the snapshot holds their
// events.
func (l *Local) SaveSection(saved func(partition int) (first, next uint64)) ([]byte, error) {
	l.begin.Lock()
	defer l.begin.Unlock()
	epoch := l.Epoch()
	b := append([]byte{sectionVersion}, epoch[:]...)
	var all []*stream
	l.streams.Range(func(_, x any) bool {
		all = append(all, x.(*stream))
		return true
	})
	slices.SortFunc(all, func(a, b *stream) int { return a.partition - b.partition })
	var body []byte
	n := uint64(0)
	over, limits := maps.Clone(l.ended), maps.Clone(l.limits)
	for _, s := range all {
		s.mu.Lock()
		if _, next := saved(s.partition); next > s.base {
			body = s.save(body, next)
			n++
		} else { // it began behind the snapshot, which perhaps has its partition, empty
			if s.base > 0 {
				over[s.name] = ended{s.base, l.deleted}
			}
			if s.limits != (Limits{}) {
				limits[s.name] = s.limits
			}
		}
		s.mu.Unlock()
	}
	b = append(binary.AppendUvarint(b, n), body...)
	b = binary.AppendUvarint(b, uint64(len(over)))
	for _, name := range slices.Sorted(maps.Keys(over)) {
		b = appendText(b, name)
		b = binary.AppendUvarint(b, over[name].version)
		b = binary.AppendUvarint(b, over[name].order)
	}
	b = binary.AppendUvarint(b, uint64(len(limits)))
	for _, name := range slices.Sorted(maps.Keys(limits)) {
		b = appendLimits(appendText(b, name), limits[name])
	}
	b = binary.AppendUvarint(b, uint64(len(l.ancestors)))
	for i := range l.ancestors {
		a := &l.ancestors[i]
		b = append(b, a.epoch[:]...)
		b = binary.AppendUvarint(b, uint64(len(a.versions)))
		for _, name := range slices.Sorted(maps.Keys(a.versions)) {
			b = binary.AppendUvarint(appendText(b, name), a.versions[name])
		}
	}
	return b, nil
}

// save appends a stream whose events up to sequence next are in the snapshot.
func (s *stream) save(b []byte, next uint64) []byte {
	b = appendText(b, s.name)
	b = binary.AppendUvarint(b, uint64(s.partition))
	b = binary.AppendUvarint(b, s.base)
	b = appendLimits(b, s.limits)
	var keys []byte
	n := uint64(0)
	s.keys.each(func(e *keyEntry) {
		if e.last > next {
			return // of events that the snapshot has not
		}
		keys = appendText(keys, e.key)
		keys = append(keys, e.print[:]...)
		keys = binary.AppendUvarint(keys, e.first)
		keys = binary.AppendUvarint(keys, e.last-e.first)
		keys = appendInstant(keys, e.at)
		n++
	})
	return append(binary.AppendUvarint(b, n), keys...)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func appendLimits(b []byte, m Limits) []byte {
	for _, n := range []uint64{uint64(m.Events), uint64(m.Age), uint64(m.Bytes), uint64(m.Full)} {
		b = binary.AppendUvarint(b, n)
	}
	return b
}

func (d *decoder) limits() Limits {
	m := Limits{Events: int(d.uvarint()), Age: time.Duration(d.uvarint()), Bytes: int64(d.uvarint()), Full: FullPolicy(d.uvarint())}
	if err := m.check(); err != nil {
		d.fail(err.Error())
	}
	return m
}

// LoadSection implements snapshot.Part: it makes the log what the saved one was, over a store that was restored from the
// same snapshot. It must come before anything else.
func (l *Local) LoadSection(data []byte) error {
	l.begin.Lock()
	defer l.begin.Unlock()
	if l.count.Load() > 0 || len(l.ended)+len(l.limits)+len(l.ancestors) > 0 {
		return wrap("load", "", fmt.Errorf("%w: the log is in use already", ErrInvalid))
	}
	d := &decoder{rest: data}
	if v := d.bytes(1); len(v) == 0 || v[0] != sectionVersion {
		d.fail("version")
	}
	var epoch core.Epoch
	copy(epoch[:], d.bytes(uint64(len(epoch))))
	streams, versions := l.loadStreams(d)
	for range d.count(3) {
		name, version, order := d.text(MaxNameBytes), d.uvarint(), d.uvarint()
		l.ended[name] = ended{version, order}
		l.deleted = max(l.deleted, order)
		versions[name] = version
	}
	for range d.count(5) {
		name := d.text(MaxNameBytes)
		l.limits[name] = d.limits()
	}
	l.loadAncestors(d)
	if err := d.end(); err != nil {
		clear(l.ended)
		clear(l.limits)
		l.ancestors = nil
		return wrap("load", "", err)
	}
	if epoch != l.Epoch() {
		l.ancestors = append(l.ancestors, ancestor{epoch, versions})
		l.ancestors = l.ancestors[max(0, len(l.ancestors)-maxAncestors):]
	}
	return wrap("load", "", l.adopt(streams))
}

// adopt enters loaded streams. Partitions that belong to none hold no event that the section knew: streams that began while
// the snapshot was taken. A partition's limits are those of the snapshot: Options.Limits may be others by now, and the
// stream's own may have been changed before the section was written.
func (l *Local) adopt(streams []*stream) error {
	ours := map[int]bool{0: true}
	for _, s := range streams {
		want := l.partition(s.limits, s.base)
		if have, err := l.store.Limits(s.partition); err != nil || have != want {
			if err = errors.Join(err, l.store.SetLimits(s.partition, want)); err != nil {
				return err
			}
		}
		l.streams.Store(s.name, s)
		l.count.Add(1)
		ours[s.partition] = true
	}
	for _, number := range l.store.PartitionNumbers() {
		if !ours[number] {
			if err := l.store.RemovePartition(number); err != nil {
				return err
			}
		}
	}
	return nil
}

// loadStreams reads the streams and returns them with their versions.
func (l *Local) loadStreams(d *decoder) ([]*stream, map[string]uint64) {
	var list []*stream
	versions, seen, taken := map[string]uint64{}, map[string]bool{}, map[int]bool{}
	for range d.count(8) {
		s := &stream{name: d.text(MaxNameBytes), partition: int(d.uvarint()), base: d.uvarint(), limits: d.limits()}
		for range d.count(20) {
			e := keyEntry{key: d.text(MaxKeyBytes + 1)}
			copy(e.print[:], d.bytes(uint64(len(e.print))))
			e.first = d.uvarint()
			e.last = e.first + d.uvarint()
			e.at = d.instant()
			if d.err == nil && s.keys.find(e.key) == nil {
				s.keys.add(e, l.o.MaxKeys)
			}
		}
		next, err := l.store.Next(s.partition)
		if d.err == nil && (err != nil || s.partition < 1 || CheckName(s.name) != nil || seen[s.name] || taken[s.partition]) {
			d.fail(fmt.Sprintf("stream %q in partition %d, which the store does not have, or twice", s.name, s.partition))
		}
		if d.err != nil {
			return nil, versions
		}
		s.version, versions[s.name] = next, next
		seen[s.name], taken[s.partition] = true, true
		cut := l.store.Cut(s.partition)
		for _, r := range cut.Newest(1).All() {
			s.last = r.appended
		}
		cut.Close()
		list = append(list, s)
	}
	return list, versions
}

func (l *Local) loadAncestors(d *decoder) {
	for range d.count(17) {
		a := ancestor{versions: map[string]uint64{}}
		copy(a.epoch[:], d.bytes(uint64(len(a.epoch))))
		for range d.count(2) {
			name := d.text(MaxNameBytes)
			a.versions[name] = d.uvarint()
		}
		l.ancestors = append(l.ancestors, a)
	}
}
