package snapshot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
)

// Load restores a store without becoming its Saver: for looking at a snapshot, or for a copy of the store. It takes no
// lease and writes nothing; the store has a new epoch and belongs to the caller. Options that concern saving are checked and
// not used.
func Load[E any](ctx context.Context, blobs sinks.BlobStore, store core.Options[E], o Options[E]) (*core.Store[E], Report, error) {
	o.setDefaults()
	if err := errors.Join(o.validate(), checkStoreOptions(&store)); err != nil {
		return nil, Report{}, wrap("restore", "", err)
	}
	r := restorer[E]{blobs: blobs, o: &o, options: store}
	s, err := r.run(ctx)
	if err == nil && s == nil {
		err = ErrNoSnapshot
	}
	return s, r.report, wrap("restore", "", err)
}

// restore makes the Saver's store and notes what the places of the snapshot hold.
func (s *Saver[E]) restore(ctx context.Context, options core.Options[E]) error {
	r := restorer[E]{blobs: s.blobs, o: &s.o, options: options, writer: s.writer}
	store, err := r.run(ctx)
	if err != nil {
		return err
	}
	s.report, s.ordinal = r.report, r.newest
	if store == nil {
		if store, err = core.New(options); err != nil {
			return err
		}
	}
	s.store = store
	s.start(r.manifest)
	m := r.manifest
	if m == nil {
		return nil
	}
	s.lineage = m.Lineage
	if r.report.NewEpoch {
		s.lineage = bounded(slices.Concat(s.lineage, []Ancestor{ancestor(m)}))
	}
	// What other partitions hold is no base, nor is what lacks the times of arrival that the store has now.
	if m.Layout == store.Layout() {
		s.base, s.keys, s.held = m, store.Keys().Version(), r.held
	}
	s.parts.restored = map[string][]byte{}
	for _, x := range m.Sections {
		if x.Name != numbersSection && !slices.Contains(s.o.Forget, x.Name) {
			s.parts.restored[x.Name] = x.Data
		}
	}
	return nil
}

const maxHorizons = 1 << 17 // in a lineage, about

// bounded drops the oldest ancestors that are too many, or name too many partitions. The last one stays.
func bounded(lineage []Ancestor) []Ancestor {
	horizons := 0
	for i, a := range slices.Backward(lineage) {
		horizons += len(a.Next)
		if last := i == len(lineage)-1; !last && (horizons > maxHorizons || len(lineage)-i > maxLineage) {
			return lineage[i+1:]
		}
	}
	return lineage
}

// ancestor remembers how far an epoch was kept.
func ancestor(m *Manifest) Ancestor {
	a := Ancestor{Epoch: m.Epoch}
	for i := range m.Partitions {
		if p := &m.Partitions[i]; p.Next != 0 || p.First != 0 {
			a.Next = append(a.Next, AncestorHorizon{p.Number, p.Next})
		}
	}
	return a
}

// restorer finds a snapshot and makes a store of it.
type restorer[E any] struct {
	blobs   sinks.BlobStore
	o       *Options[E]
	options core.Options[E]
	writer  string // random word of the Saver that will append to the store; empty: nobody will

	report   Report
	manifest *Manifest
	held     map[string]uint64 // events in its objects, those that are not used included
	newest   uint64            // greatest ordinal that was ever used, as far as can be seen
}

// run returns nil without a snapshot, or if none is wanted.
func (r *restorer[E]) run(ctx context.Context) (store *core.Store[E], err error) {
	ctx, end := r.o.Observer.Start(ctx, "snapshot.restore")
	defer func() { end(err, r.report.attributes()...) }()
	begin := r.o.Clock()
	for {
		before := r.newest
		store, err = r.pass(ctx)
		// Somebody who takes snapshots meanwhile may have removed those that were listed.
		if !errors.Is(err, ErrNoValid) || !errors.Is(err, sinks.ErrNotFound) || r.newest == before {
			r.report.Took = max(0, r.o.Clock().Sub(begin))
			return store, err
		}
	}
}

// pass tries what there is now, the newest first.
func (r *restorer[E]) pass(ctx context.Context) (*core.Store[E], error) {
	ordinals, foreign, err := listOrdinals(ctx, r.blobs, manifestPrefix(r.o.Name))
	if err != nil {
		return nil, err
	}
	if len(foreign) > 0 {
		r.o.Logger.WarnContext(ctx, "snapshot: foreign names among the manifests", "names", foreign[:min(len(foreign), 10)])
	}
	if n := len(ordinals); n > 0 {
		r.newest = ordinals[n-1]
	}
	if r.o.Restore.Fresh || len(ordinals) == 0 {
		return nil, errors.Join(r.wanted(ordinals), r.orphaned(ctx, ordinals))
	}
	r.report.Skipped = nil
	for _, ordinal := range slices.Backward(ordinals) {
		if want := r.o.Restore.Ordinal; want > 0 && ordinal != want {
			continue
		}
		store, err := r.try(ctx, ordinal)
		switch {
		case err == nil && store == nil: // younger than wanted
		case err == nil:
			return store, nil
		case !damaged(err):
			return nil, err // on doubt, do not go back to older data
		default:
			r.report.Skipped = append(r.report.Skipped, Skipped{ordinal, err})
			r.o.Logger.WarnContext(ctx, "snapshot: skipped", "ordinal", ordinal, "error", err)
		}
	}
	if err := r.wanted(nil); err != nil && len(r.report.Skipped) == 0 {
		return nil, err
	}
	failures := []error{fmt.Errorf("%w: %d of them are damaged; nothing was deleted", ErrNoValid, len(r.report.Skipped))}
	for _, x := range r.report.Skipped {
		failures = append(failures, x.Err)
	}
	return nil, errors.Join(failures...)
}

// damaged tells that something is not what was written from everything else. What is whole and cannot be understood is
// ErrSchema, even if a codec calls it damaged.
func damaged(err error) bool {
	return (errors.Is(err, ErrCorrupt) || errors.Is(err, sinks.ErrNotFound)) && !errors.Is(err, ErrSchema)
}

// orphaned refuses to begin empty where there were snapshots whose manifests are gone: only the first snapshot writes
// objects before there is any manifest.
func (r *restorer[E]) orphaned(ctx context.Context, ordinals []uint64) error {
	if len(ordinals) > 0 {
		return nil
	}
	prefix := objectPrefix(r.o.Name)
	list, err := r.blobs.List(ctx, prefix, objectName(r.o.Name, 1, "z", 0), 0)
	if err != nil {
		return err
	}
	for _, b := range list {
		if ordinal, ok := ordinalOf(strings.TrimPrefix(b.Name, prefix)); ok {
			r.newest = max(r.newest, ordinal)
		}
	}
	if r.newest == 0 || r.o.Restore.Fresh {
		return nil
	}
	return fmt.Errorf("%w: there are objects up to that of snapshot %d, and no manifest; nothing was deleted", ErrNoValid, r.newest)
}

// wanted returns an error if a certain snapshot is wanted that does not exist.
func (r *restorer[E]) wanted(ordinals []uint64) error {
	o := &r.o.Restore
	switch {
	case o.Ordinal > 0 && !slices.Contains(ordinals, o.Ordinal):
		return fmt.Errorf("%w with ordinal %d", ErrNoSnapshot, o.Ordinal)
	case !o.At.IsZero():
		return fmt.Errorf("%w from %v or before", ErrNoSnapshot, o.At)
	}
	return nil
}

// try makes a store of one snapshot; nil if it is younger than wanted.
func (r *restorer[E]) try(ctx context.Context, ordinal uint64) (*core.Store[E], error) {
	m, err := readManifest(ctx, r.blobs, r.o.Name, ordinal)
	if err != nil {
		return nil, err
	}
	if at := r.o.Restore.At; !at.IsZero() && m.TakenAt.After(at) {
		return nil, nil
	}
	fail := func(err error) (*core.Store[E], error) {
		return nil, wrap("restore", manifestName(r.o.Name, ordinal), err)
	}
	if m.Codec != r.o.Codec.Name() || m.Schema != r.o.Schema {
		return fail(fmt.Errorf("%w: written with codec %q, schema %d; the options say %q, %d",
			ErrSchema, m.Codec, m.Schema, r.o.Codec.Name(), r.o.Schema))
	}
	goesOn, err := r.mayGoOn(ctx, m)
	if err != nil {
		return fail(err)
	}
	store, err := r.build(ctx, m, goesOn)
	if err != nil || !goesOn || store.Epoch() != m.Epoch {
		return store, wrap("restore", manifestName(r.o.Name, ordinal), err)
	}
	// The mark comes last, so that a restart that fails until then costs no epoch.
	if err = r.mark(ctx, m); err == nil {
		return store, nil
	}
	_ = store.Close() // always nil
	if !errors.Is(err, ErrConflict) {
		return fail(err)
	}
	store, err = r.build(ctx, m, false) // somebody else was faster
	return store, wrap("restore", manifestName(r.o.Name, ordinal), err)
}

// build makes a store of a manifest and reports what was restored. Its epoch goes on if it may.
func (r *restorer[E]) build(ctx context.Context, m *Manifest, goesOn bool) (*core.Store[E], error) {
	b := builder[E]{r: r, m: m, options: r.options, source: &source{blobs: r.blobs, m: m, progress: r.progress(m), held: map[string]uint64{}}}
	defer b.source.close()
	if goesOn {
		b.options.Epoch = m.Epoch
	}
	store, err := b.build(ctx)
	if err != nil {
		return nil, err
	}
	r.manifest, r.held = m, b.source.held
	r.report.Ordinal, r.report.TakenAt, r.report.Epoch, r.report.Final = m.Ordinal, m.TakenAt, m.Epoch, m.Final
	r.report.Age, r.report.NewEpoch = max(0, r.o.Clock().Sub(m.TakenAt)), store.Epoch() != m.Epoch
	r.report.Regrouped, r.report.fixed = b.regrouped, store.Layout().Fixed
	r.report.Events, r.report.Bytes, r.report.Partitions = m.Events(), b.source.bytes, 0
	for i := range m.Partitions {
		if m.Partitions[i].Events() > 0 {
			r.report.Partitions++
		}
	}
	return store, nil
}

func (r *restorer[E]) progress(m *Manifest) func(done int64) {
	total := int64(0)
	for i := range m.Objects {
		total += m.Objects[i].Bytes
	}
	return func(done int64) {
		if r.o.Progress != nil {
			r.o.Progress(Progress{"restore", done, total})
		}
	}
}

// readManifest returns the manifest of a snapshot.
func readManifest(ctx context.Context, blobs sinks.BlobStore, name string, ordinal uint64) (*Manifest, error) {
	blob := manifestName(name, ordinal)
	content, size, err := blobs.Open(ctx, blob)
	if err != nil {
		return nil, wrap("restore", blob, err)
	}
	defer func() { _ = content.Close() }()
	m, err := decodeManifest(content, size, name, ordinal)
	if err != nil {
		return nil, wrap("restore", blob, err)
	}
	return m, nil
}

// mayGoOn tells whether the epoch of a snapshot may go on: after a final one, for the first who opens it to append.
func (r *restorer[E]) mayGoOn(ctx context.Context, m *Manifest) (bool, error) {
	if r.writer == "" || !m.Final || m.Ordinal != r.newest {
		return false, nil
	}
	content, _, err := r.blobs.Open(ctx, openedName(r.o.Name, m.Ordinal))
	switch {
	case err == nil:
		return false, content.Close()
	case errors.Is(err, sinks.ErrNotFound):
		return true, nil
	}
	return false, err
}

// mark notes that a final snapshot was opened. It is ErrConflict if somebody else has done so.
func (r *restorer[E]) mark(ctx context.Context, m *Manifest) error {
	name := openedName(r.o.Name, m.Ordinal)
	w := newBlobWriter(kindObject, NoCompression)
	if _, err := w.add(appendText(objectHead(name, m.Epoch, m.Codec, m.Schema), r.writer)); err != nil {
		return err
	}
	_, err := newPutter(r.blobs, r.o).put(ctx, nil, name, w.finish())
	return err
}
