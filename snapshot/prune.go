package snapshot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/ephemera-go/ephemera/sinks"
)

// Pruned says what Prune removed.
type Pruned struct {
	Snapshots int // manifests removed
	Objects   int // that no snapshot needs any more
	Kept      int // snapshots that are left
	Doubtful  int // of them that cannot be read: as long as there is one, no object is removed
}

// Prune removes all but the newest keep snapshots of a name, and the objects that none of those left needs. It never
// removes the newest that is whole, nothing that it did not write, and no object as long as a snapshot that stays cannot
// be read. keep 0 removes no snapshot. It takes the lease of the place, so it is refused while a Saver holds it.
func Prune(ctx context.Context, blobs sinks.BlobStore, name string, keep int) (Pruned, error) {
	if checkName(name) != nil || keep < 0 {
		return Pruned{}, wrap("prune", "", fmt.Errorf("%w: name %q, keep %d", ErrOption, name, keep))
	}
	lease, err := sinks.Hold(ctx, blobs, sinks.Claim{Owner: "prune"})
	if err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return Pruned{}, wrap("prune", "", err)
	}
	p := pruner{blobs: blobs, name: name, keep: keep, known: map[uint64][]string{}}
	err = p.run(ctx)
	if lease != nil {
		err = errors.Join(err, lease.Close())
	}
	return p.done, wrap("prune", "", err)
}

// prune is Prune behind a snapshot, with the turn held. Its failures are noted and harm nobody.
func (s *Saver[E]) prune(ctx context.Context) {
	ctx, end := s.o.Observer.Start(ctx, "snapshot.prune")
	p := pruner{blobs: s.blobs, name: s.o.Name, keep: s.o.Keep, known: s.kept}
	err := p.run(ctx)
	end(err, slog.String("name", s.o.Name), slog.Int("deleted", p.done.Snapshots), slog.Int("objects", p.done.Objects),
		slog.Int("kept", p.done.Kept))
	s.figures.note(func(t *Stats) {
		t.Pruned += uint64(p.done.Snapshots)
		if err != nil {
			t.PruneErrs++
		}
	})
	if err != nil {
		s.o.Logger.WarnContext(ctx, "snapshot: not pruned", "error", err)
	}
}

type pruner struct {
	blobs sinks.BlobStore
	name  string
	keep  int
	known map[uint64][]string // objects of manifests by ordinal; it learns
	done  Pruned
}

func (p *pruner) run(ctx context.Context) error {
	ordinals, _, err := listOrdinals(ctx, p.blobs, manifestPrefix(p.name))
	if err != nil || len(ordinals) == 0 {
		return err
	}
	stay, err := p.choose(ctx, ordinals)
	if err != nil {
		return err
	}
	p.done.Kept = len(ordinals) - stay
	for _, ordinal := range ordinals[:stay] {
		if err := p.blobs.Delete(ctx, manifestName(p.name, ordinal)); err != nil {
			return err
		}
		delete(p.known, ordinal)
		p.done.Snapshots++
	}
	if err := p.markers(ctx, ordinals[stay]); err != nil {
		return err
	}
	if p.done.Doubtful > 0 {
		return fmt.Errorf("%w: %d snapshots cannot be read, so no object is removed", ErrCorrupt, p.done.Doubtful)
	}
	return p.objects(ctx, ordinals[len(ordinals)-1])
}

// choose returns the index of the oldest ordinal that stays, and reads the manifests from there on.
func (p *pruner) choose(ctx context.Context, ordinals []uint64) (stay int, err error) {
	valid := 0
	for i, ordinal := range slices.Backward(ordinals) {
		if p.known[ordinal] == nil {
			m, err := readManifest(ctx, p.blobs, p.name, ordinal)
			switch {
			case err == nil:
				p.known[ordinal] = append([]string{}, m.objectNames()...)
			case errors.Is(err, ErrCorrupt), errors.Is(err, ErrTooNew):
				p.done.Doubtful++
				continue
			default:
				return 0, err
			}
		}
		if valid++; valid == p.keep {
			return i, nil
		}
	}
	return 0, nil
}

// markers removes the marks of snapshots before the given ordinal.
func (p *pruner) markers(ctx context.Context, oldest uint64) error {
	ordinals, _, err := listOrdinals(ctx, p.blobs, openedPrefix(p.name))
	if err != nil {
		return err
	}
	for _, ordinal := range ordinals {
		if ordinal >= oldest {
			break
		}
		if err := p.blobs.Delete(ctx, openedName(p.name, ordinal)); err != nil {
			return err
		}
	}
	return nil
}

// objects removes those that no manifest names and that were written no later than the newest manifest: what is written
// later belongs to a snapshot that is under way.
func (p *pruner) objects(ctx context.Context, newest uint64) error {
	used := map[string]bool{}
	for _, names := range p.known {
		for _, name := range names {
			used[name] = true
		}
	}
	prefix := objectPrefix(p.name)
	list, err := p.blobs.List(ctx, prefix, "", 0)
	if err != nil {
		return err
	}
	for _, b := range list {
		rest := strings.TrimPrefix(b.Name, prefix)
		if ordinal, ok := ordinalOf(rest); !ok || ordinal > newest || used[b.Name] || strings.Count(rest, "-") != 2 {
			continue
		}
		if err := p.blobs.Delete(ctx, b.Name); err != nil {
			return err
		}
		p.done.Objects++
	}
	return nil
}
