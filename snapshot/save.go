package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

// errStalled is why a final snapshot does not hold everything.
var errStalled = errors.New("a writer has stalled in the middle of an append")

// errVanished is why a snapshot that has just been taken is not whole.
var errVanished = fmt.Errorf("%w: an object that the snapshot shares with an earlier one was removed from outside", ErrCorrupt)

// save takes a snapshot, with the turn held, and reports false if there was no need for one. stop ends it before the next
// try of a blob. What has vanished from outside is written anew at once, for the store has it still.
func (s *Saver[E]) save(ctx context.Context, stop <-chan struct{}, final bool) (taken bool, err error) {
	if taken, err = s.take(ctx, stop, final); errors.Is(err, errVanished) {
		s.o.Logger.WarnContext(ctx, "snapshot: taking it again, whole", "error", err)
		taken, err = s.take(ctx, stop, final)
	}
	return taken, err
}

// take is one try of save.
func (s *Saver[E]) take(ctx context.Context, stop <-chan struct{}, final bool) (taken bool, err error) {
	var w *writer[E]
	var m *Manifest
	var bytes uint64
	ctx, end := s.o.Observer.Start(ctx, "snapshot.save")
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: a function of the options or a section panicked: %v", ErrOption, r)
		}
		if err != nil {
			s.fail(err, w)
		}
		end(err, s.attributes(m, w, bytes, err)...)
	}()
	if err := s.grip.check(ctx); err != nil {
		return false, err
	}
	cuts, complete, err := s.cut(ctx, final)
	if err != nil {
		return false, err
	}
	defer cuts.close()
	if m, w, err = s.prepare(cuts, stop, final, final && complete); err != nil {
		return false, err
	}
	if s.unchanged(m, w.plan) {
		s.figures.note(func(t *Stats) { t.Unchanged++; t.LastError = nil })
		w = nil // there is no snapshot to tell of
		return false, nil
	}
	if !final {
		planner{base: s.base}.compact(w.plan, func(object string) uint64 { return s.held[object] })
	}
	if err := w.run(ctx); err != nil {
		return false, err
	}
	w.complete(m, s.base)
	size, err := s.commit(ctx, m, w)
	if err != nil {
		return false, err
	}
	bytes = uint64(w.bytes + size)
	s.adopt(m, w)
	whole := s.prune(ctx, func() {
		s.succeed(m, w, bytes)
		s.final.Store(m.Final)
	})
	if !whole {
		return false, errVanished
	}
	return true, nil
}

// adopt makes a snapshot the base of the next one.
func (s *Saver[E]) adopt(m *Manifest, w *writer[E]) {
	s.ordinal = m.Ordinal
	s.base, s.keys = m, w.plan.version
	s.known[m.Ordinal] = m.Objects
	held := w.held()
	for _, o := range m.Objects {
		if n := s.held[o.Name]; n > 0 {
			held[o.Name] = n
		}
	}
	s.held = held
}

func (s *Saver[E]) attributes(m *Manifest, w *writer[E], bytes uint64, err error) []slog.Attr {
	list := []slog.Attr{slog.String("name", s.o.Name), slog.String("outcome", "success")}
	if err != nil {
		list[1] = slog.String("outcome", "failure")
	}
	if w != nil {
		list = append(list, slog.Uint64("ordinal", m.Ordinal), slog.Int("partitions", w.plan.fresh),
			slog.Uint64("events", w.plan.events), slog.Uint64("bytes", bytes), slog.Int("attempts", w.tries))
	}
	return list
}

// cut pins the whole store. The final one waits for writers that are in the middle of an append, but no longer than half of
// the time that there is: then it is not complete.
func (s *Saver[E]) cut(ctx context.Context, final bool) (c *cuts[E], complete bool, err error) {
	var patience time.Time
	if deadline, ok := ctx.Deadline(); ok {
		patience = time.Now().Add(time.Until(deadline) / 2)
	}
	for {
		at := s.o.Clock().UTC()
		c := openCuts(s.store)
		c.taken = at
		if !final {
			return c, false, nil
		}
		holes := c.holes()
		if s.stalled != nil {
			holes += s.stalled()
		}
		if holes == 0 || !patience.IsZero() && time.Now().After(patience) {
			return c, holes == 0, nil
		}
		c.close()
		if err := pause(ctx, nil, time.Millisecond); err != nil {
			return nil, false, fmt.Errorf("%w: %w", errStalled, err)
		}
	}
}

// prepare makes the manifest, but for the places of what is new, and who will write that.
func (s *Saver[E]) prepare(c *cuts[E], stop <-chan struct{}, last, final bool) (*Manifest, *writer[E], error) {
	p := planner{base: s.base, keys: s.keys, savedAt: s.figures.savedUnder}
	p.block = func(partition int, first, n uint64) uint64 { return s.blockEvents(c, partition, first, n) }
	if !last {
		p.limit = s.o.MaxPartitions
	}
	plan := makePlan(p, c, s.store)
	m := &Manifest{
		Ordinal: s.ordinal + 1, Epoch: s.store.Epoch(), TakenAt: c.taken, Final: final, Writer: s.writer,
		Codec: s.o.Codec.Name(), Schema: s.o.Schema, Layout: s.store.Layout(), Ledger: s.store.Ledger(),
		PurgedBefore: s.store.PurgedBefore(), Partitions: plan.partitions, Keys: plan.keys, Lineage: s.lineage,
	}
	var err error
	if m.Sections, err = s.parts.sections(c, m); err != nil {
		return m, nil, err
	}
	m.Sections = appendNumbers(m.Sections, m, s.store.NextPartition())
	w := &writer[E]{s: s, cuts: c, plan: plan, stop: stop}
	w.name = func() string { return objectName(s.o.Name, m.Ordinal, s.writer, int(s.object.Add(1))) }
	return m, w, nil
}

// unchanged reports whether the snapshot would say the same as the one before. A final one says more than any other.
func (s *Saver[E]) unchanged(m *Manifest, p *plan) bool {
	b := s.base
	if b == nil || len(p.spans) > 0 || m.Final || b.Epoch != m.Epoch || b.Keys.Count != m.Keys.Count ||
		!b.PurgedBefore.Equal(m.PurgedBefore) || b.Layout != m.Layout {
		return false
	}
	same := func(x, y Partition) bool {
		return x.Number == y.Number && x.First == y.First && x.Next == y.Next && x.Capacity == y.Capacity &&
			x.MaxAge == y.MaxAge && x.MaxBytes == y.MaxBytes
	}
	return slices.EqualFunc(b.Partitions, m.Partitions, same) && slices.EqualFunc(b.Sections, m.Sections, s.parts.same)
}

// commit puts the manifest. That is the moment from which on the snapshot exists.
func (s *Saver[E]) commit(ctx context.Context, m *Manifest, w *writer[E]) (size int64, err error) {
	alone := func() error { return s.alone(ctx) }
	if tries, err := s.putter.again(ctx, w.stop, manifestPrefix(s.o.Name), alone); err != nil {
		w.tries = max(w.tries, tries)
		return 0, err
	}
	for {
		m.Ordinal = s.ordinal + 1
		blob, err := m.encode(s.o.Name, s.o.Compression)
		if err != nil {
			return 0, err
		}
		if _, err := decodeManifest(bytes.NewReader(blob), int64(len(blob)), s.o.Name, m.Ordinal); err != nil {
			return 0, fmt.Errorf("%w: what the store says cannot be written so that it can be read again: %w", ErrOption, err)
		}
		tries, err := s.putter.put(ctx, w.stop, manifestName(s.o.Name, m.Ordinal), blob)
		w.tries = max(w.tries, tries)
		if !errors.Is(err, ErrConflict) {
			return int64(len(blob)), err
		}
		if _, e := s.putter.again(ctx, w.stop, manifestPrefix(s.o.Name), alone); e != nil || s.ordinal < m.Ordinal {
			return 0, errors.Join(e, err)
		}
	}
}

// alone makes sure that nobody else has taken a snapshot since ours. One that an earlier attempt of our own has taken,
// without getting the answer, only costs its number. Behind another writer nothing of ours can be relied on any more: it may
// have removed what it does not need.
func (s *Saver[E]) alone(ctx context.Context) error {
	if err := s.grip.check(ctx); err != nil {
		return err
	}
	newer, err := s.blobs.List(ctx, manifestPrefix(s.o.Name), manifestName(s.o.Name, s.ordinal), 0)
	if err != nil {
		return err
	}
	var foreign error
	for _, b := range newer {
		ordinal, ok := manifestOrdinal(s.o.Name, b.Name)
		if !ok {
			continue
		}
		if foreign == nil {
			m, err := readManifest(ctx, s.blobs, s.o.Name, ordinal)
			switch {
			case err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrTooNew) && !errors.Is(err, sinks.ErrNotFound):
				return err
			case err != nil || m.Writer != s.writer:
				s.base, s.held = nil, nil
				foreign = &Error{Op: "save", Object: b.Name, Err: fmt.Errorf("%w: another Saver takes snapshots under this name", ErrConflict)}
			}
		}
		s.ordinal = ordinal
	}
	return foreign
}
