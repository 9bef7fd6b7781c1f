package snapshot

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
)

// Load restores a store without becoming its Saver: for looking at a snapshot, or for a copy of the store. It takes no
// lease and writes nothing; the store has a new epoch and belongs to the caller. Options that concern saving are ignored.
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
	r := restorer[E]{blobs: s.blobs, o: &s.o, options: options, writing: true}
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
	if m := r.manifest; m != nil {
		s.lineage = m.Lineage
		if r.report.NewEpoch {
			s.lineage = slices.Concat(s.lineage, []Ancestor{ancestor(m)})
			s.lineage = s.lineage[max(0, len(s.lineage)-maxLineage):]
		}
		if !r.report.Regrouped {
			s.base, s.keys = m, store.Keys().Version()
		}
		s.parts.restored = map[string][]byte{}
		for _, x := range m.Sections {
			if !slices.Contains(s.o.Forget, x.Name) {
				s.parts.restored[x.Name] = x.Data
			}
		}
	}
	return nil
}

// ancestor remembers how far an epoch was kept.
func ancestor(m *Manifest) Ancestor {
	a := Ancestor{Epoch: m.Epoch}
	for i := range m.Partitions {
		if p := &m.Partitions[i]; p.Next != 0 {
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
	writing bool // the caller will append to the store

	report   Report
	manifest *Manifest
	newest   uint64 // ordinal that the listing had
}

// run returns nil without a snapshot, or if none is wanted.
func (r *restorer[E]) run(ctx context.Context) (store *core.Store[E], err error) {
	ctx, end := r.o.Observer.Start(ctx, "snapshot.restore")
	defer func() { end(err, r.report.attributes()...) }()
	begin := r.o.Clock()
	ordinals, _, err := listOrdinals(ctx, r.blobs, manifestPrefix(r.o.Name))
	if err != nil {
		return nil, err
	}
	if n := len(ordinals); n > 0 {
		r.newest = ordinals[n-1]
	}
	if r.o.Restore.Fresh || len(ordinals) == 0 {
		return nil, r.wanted(ordinals)
	}
	for _, ordinal := range slices.Backward(ordinals) {
		if want := r.o.Restore.Ordinal; want > 0 && ordinal != want {
			continue
		}
		store, err := r.try(ctx, ordinal)
		switch {
		case err == nil && store == nil: // younger than wanted
		case err == nil:
			r.report.Took = r.o.Clock().Sub(begin)
			return store, nil
		case !errors.Is(err, ErrCorrupt) && !errors.Is(err, sinks.ErrNotFound):
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
	b := builder[E]{r: r, m: m, options: r.options, source: &source{blobs: r.blobs, m: m, progress: r.progress(m)}}
	defer b.source.close()
	store, err := b.build(ctx)
	if err != nil {
		return fail(err)
	}
	r.manifest = m
	r.report.Ordinal, r.report.TakenAt, r.report.Epoch, r.report.Final = m.Ordinal, m.TakenAt, m.Epoch, m.Final
	r.report.Age, r.report.NewEpoch = r.o.Clock().Sub(m.TakenAt), store.Epoch() != m.Epoch
	r.report.Regrouped, r.report.fixed = b.regrouped, store.Layout().Fixed
	r.report.Events, r.report.Bytes = m.Events(), b.source.bytes
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

// readManifest returns a manifest, which must carry the ordinal that its name has.
func readManifest(ctx context.Context, blobs sinks.BlobStore, name string, ordinal uint64) (*Manifest, error) {
	blob := manifestName(name, ordinal)
	content, size, err := blobs.Open(ctx, blob)
	if err != nil {
		return nil, wrap("restore", blob, err)
	}
	defer func() { _ = content.Close() }()
	m, err := decodeManifest(content, size)
	if err == nil && m.Ordinal != ordinal {
		err = corrupt("it says that it is snapshot %d", m.Ordinal)
	}
	if err != nil {
		return nil, wrap("restore", blob, err)
	}
	return m, nil
}

// claim decides whether the epoch goes on: after a final snapshot, for the first who opens it.
func (r *restorer[E]) claim(ctx context.Context, m *Manifest) (core.Epoch, error) {
	if !r.writing || !m.Final || m.Ordinal != r.newest {
		return core.Epoch{}, nil
	}
	name := openedName(r.o.Name, m.Ordinal)
	w := newBlobWriter(kindObject, None)
	if _, err := w.add(objectHead(name, m.Epoch, m.Codec, m.Schema)); err != nil {
		return core.Epoch{}, err
	}
	blob := w.finish()
	err := r.blobs.Put(ctx, name, int64(len(blob)), newBytes(blob))
	switch {
	case err == nil:
		return m.Epoch, nil
	case errors.Is(err, sinks.ErrExists):
		return core.Epoch{}, nil
	}
	return core.Epoch{}, wrap("open", name, err)
}
