package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
)

// save takes a snapshot, with the turn held.
func (s *Saver[E]) save(ctx context.Context, final bool) (err error) {
	var w *writer[E]
	var bytes uint64
	ctx, end := s.o.Observer.Start(ctx, "snapshot.save")
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: a codec or section panicked: %v", ErrOption, r)
		}
		if err != nil {
			s.fail(err, w)
		}
		end(err, s.attributes(w, bytes, err)...)
	}()
	if err := s.hold(ctx); err != nil {
		return err
	}
	cut, err := s.cut(ctx, final)
	if err != nil {
		return err
	}
	defer cut.Close()
	m, w, err := s.prepare(cut, final)
	if err != nil {
		return err
	}
	if s.unchanged(m, w.plan) {
		s.figures.note(func(t *Stats) { t.Unchanged++; t.LastError = nil })
		return nil
	}
	if err := w.run(ctx); err != nil {
		return err
	}
	cut.Close() // what follows needs no events
	w.complete(m, s.base)
	size, err := s.commit(ctx, m, w)
	if err != nil {
		return err
	}
	bytes = uint64(w.bytes + size)
	s.succeed(m, w, bytes)
	s.base, s.keys = m, w.keysVersion
	s.kept[m.Ordinal] = m.objectNames()
	s.prune(ctx)
	return nil
}

func (s *Saver[E]) attributes(w *writer[E], bytes uint64, err error) []slog.Attr {
	list := []slog.Attr{slog.String("name", s.o.Name), slog.String("outcome", "success")}
	if err != nil {
		list[1] = slog.String("outcome", "failure")
	}
	if w != nil {
		list = append(list, slog.Uint64("ordinal", s.ordinal), slog.Int("partitions", len(w.plan.ranges)),
			slog.Uint64("events", w.plan.events), slog.Uint64("bytes", bytes), slog.Int("attempts", w.tries))
	}
	return list
}

// cut opens a view of the whole store. The final one waits for writers that are in the middle of an append.
func (s *Saver[E]) cut(ctx context.Context, final bool) (*core.Cut[E], error) {
	for {
		cut := s.store.Cut()
		if !final || cut.Holes() == 0 {
			return cut, nil
		}
		cut.Close()
		if err := pause(ctx, time.Millisecond); err != nil {
			return nil, fmt.Errorf("a writer has stalled in the middle of an append: %w", err)
		}
	}
}

// prepare makes the manifest, but for the places of what is new, and who will write that.
func (s *Saver[E]) prepare(cut *core.Cut[E], final bool) (*Manifest, *writer[E], error) {
	s.probe(cut)
	version := s.store.Keys().Version()
	p := planner{base: s.base, block: s.blockEvents(), renamed: version != s.keys, savedAt: s.savedUnder()}
	if !final {
		p.limit = s.o.MaxPending
	}
	plan, err := makePlan(p, cut, s.store)
	if err != nil {
		return nil, nil, err
	}
	m := &Manifest{
		Ordinal: s.ordinal + 1, Epoch: s.store.Epoch(), TakenAt: s.o.Clock().UTC(), Final: final, Writer: s.writer,
		Codec: s.o.Codec.Name(), Schema: s.o.Schema, Layout: s.store.Layout(), Ledger: s.store.Ledger(),
		PurgedBefore: s.store.PurgedBefore(), Partitions: plan.partitions, Keys: plan.keys, Lineage: s.lineage,
	}
	if m.Sections, err = s.sections(cut, m); err != nil {
		return nil, nil, err
	}
	var done atomic.Int64
	total := int64(0)
	for _, r := range plan.ranges {
		if r.at >= 0 {
			total += int64(r.count)
		}
	}
	w := &writer[E]{
		s: s, cut: cut, plan: plan, keysVersion: version,
		name: func() string { return objectName(s.o.Name, m.Ordinal, s.writer, int(s.object.Add(1))) },
		report: func(events uint64) {
			if n := done.Add(int64(events)); s.o.Progress != nil {
				s.o.Progress(Progress{"save", n, total})
			}
		},
	}
	return m, w, nil
}

// savedUnder tells the ordinal of the snapshot that took a partition on last.
func (s *Saver[E]) savedUnder() func(int) uint64 {
	s.figures.mu.Lock()
	defer s.figures.mu.Unlock()
	under := make(map[int]uint64, len(s.figures.partitions))
	for number, p := range s.figures.partitions {
		under[number] = p.SavedUnder
	}
	return func(number int) uint64 { return under[number] }
}

// unchanged reports whether the snapshot would say the same as the one before.
func (s *Saver[E]) unchanged(m *Manifest, p *plan) bool {
	b := s.base
	if b == nil || len(p.ranges) > 0 || b.Final != m.Final || b.Epoch != m.Epoch || b.Keys.Count != m.Keys.Count ||
		!b.PurgedBefore.Equal(m.PurgedBefore) || b.Layout != m.Layout {
		return false
	}
	same := func(x, y Partition) bool {
		return x.Number == y.Number && x.First == y.First && x.Next == y.Next && x.Capacity == y.Capacity &&
			x.MaxAge == y.MaxAge && x.MaxBytes == y.MaxBytes
	}
	return slices.EqualFunc(b.Partitions, m.Partitions, same) &&
		slices.EqualFunc(b.Sections, m.Sections, func(x, y Section) bool { return x.Name == y.Name && bytes.Equal(x.Data, y.Data) })
}

// commit puts the manifest. That is the moment from which on the snapshot exists.
func (s *Saver[E]) commit(ctx context.Context, m *Manifest, w *writer[E]) (size int64, err error) {
	blob, err := m.encode(s.o.Compression)
	if err != nil {
		return 0, err
	}
	if err := s.hold(ctx); err != nil {
		return 0, err
	}
	name := manifestName(s.o.Name, m.Ordinal)
	tries, err := s.put(ctx, name, blob)
	w.tries = max(w.tries, tries)
	if errors.Is(err, sinks.ErrExists) || err == nil && tries > 1 {
		// Written by an earlier try, or by somebody else who must not be here.
		err = s.compare(ctx, name, blob)
	}
	if err != nil {
		return 0, err
	}
	s.ordinal = m.Ordinal
	return int64(len(blob)), nil
}

// compare wants a blob to be what we wrote.
func (s *Saver[E]) compare(ctx context.Context, name string, want []byte) error {
	r, size, err := s.blobs.Open(ctx, name)
	if err != nil {
		return wrap("save", name, err)
	}
	defer func() { _ = r.Close() }()
	got := make([]byte, len(want))
	if size == int64(len(want)) {
		if _, err := io.ReadFull(r, got); err != nil {
			return wrap("save", name, err)
		}
		if bytes.Equal(got, want) {
			return nil
		}
	}
	if ordinal, ok := ordinalOf(name[len(manifestPrefix(s.o.Name)):]); ok {
		s.ordinal = max(s.ordinal, ordinal) // the next try leaves it alone
	}
	return wrap("save", name, fmt.Errorf("%w: another Saver writes here", ErrConflict))
}

func (m *Manifest) objectNames() []string {
	names := make([]string, len(m.Objects))
	for i := range m.Objects {
		names[i] = m.Objects[i].Name
	}
	return names
}
