package snapshot

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/ephemera-go/ephemera/sinks"
)

// Pruned says what Prune removed.
type Pruned struct {
	Snapshots int // manifests removed
	Objects   int // that no snapshot needs any more
	Kept      int // snapshots that are left
	Doubtful  int // of them that cannot be read or lack an object: as long as there is one, no object is removed
}

// Prune removes all but the newest keep snapshots of a name ("" is DefaultName), and the objects that none of those left
// needs. Only those count whose manifest can be read and whose objects are there and have the size that they should; what is in them is not read, that
// is what Verify does. Others stay until there are keep newer ones that count. It removes nothing that it did not write, and no
// object as long as there is doubt about any snapshot that stays. keep 0 removes no snapshot. It takes the lease of the place,
// so it is refused while a Saver holds it.
func Prune(ctx context.Context, blobs sinks.BlobStore, name string, keep int) (Pruned, error) {
	name, err := nameOr(name)
	if keep < 0 {
		err = errors.Join(err, fmt.Errorf("%w: keep %d", ErrOption, keep))
	}
	if err != nil {
		return Pruned{}, wrap("prune", "", err)
	}
	grip, err := acquire(ctx, blobs, "prune")
	if err != nil {
		return Pruned{}, wrap("prune", "", err)
	}
	p := pruner{blobs: blobs, name: name, keep: keep, known: map[uint64][]Object{}}
	err = also(p.run(ctx), grip.close())
	return p.done, wrap("prune", "", err)
}

// prune is Prune behind a snapshot, with the turn held. Its failures are noted and harm nobody. Before it removes anything it
// calls whole, unless objects of the snapshot have vanished: then it reports false, and the next one writes everything.
func (s *Saver[E]) prune(ctx context.Context, whole func()) bool {
	ctx, end := s.o.Observer.Start(ctx, "snapshot.prune")
	p := pruner{blobs: s.blobs, name: s.o.Name, keep: s.o.Keep, known: s.known}
	err := p.inspect(ctx)
	lacking := slices.Contains(p.lacking, s.ordinal)
	if lacking {
		s.base, s.held = nil, nil
	} else {
		whole()
	}
	if err == nil {
		err = p.sweep(ctx)
	}
	end(err, slog.String("name", s.o.Name), slog.Int("deleted", p.done.Snapshots), slog.Int("objects", p.done.Objects),
		slog.Int("kept", p.done.Kept))
	s.figures.note(func(t *Stats) {
		t.Pruned += uint64(p.done.Snapshots)
		if err != nil {
			t.PruneFailures++
		}
	})
	if err != nil {
		s.o.Logger.WarnContext(ctx, "snapshot: not pruned", "error", err)
	}
	return !lacking
}

type pruner struct {
	blobs   sinks.BlobStore
	name    string
	keep    int
	known   map[uint64][]Object // of manifests by ordinal; it learns and forgets
	there   map[string]int64    // sizes of the objects that there are
	lacking []uint64            // ordinals of snapshots that lack an object
	all     []uint64            // ordinals of the snapshots that there are
	stay    int                 // index in all of the oldest one that stays
	done    Pruned
}

func (p *pruner) run(ctx context.Context) error {
	if err := p.inspect(ctx); err != nil {
		return err
	}
	return p.sweep(ctx)
}

// inspect finds out what there is and what has to stay. It removes nothing.
func (p *pruner) inspect(ctx context.Context) (err error) {
	p.all, _, err = listOrdinals(ctx, p.blobs, manifestPrefix(p.name))
	if err != nil || len(p.all) == 0 {
		return err
	}
	if err = p.look(ctx); err == nil {
		p.stay, err = p.choose(ctx, p.all)
	}
	return err
}

// sweep removes what need not stay.
func (p *pruner) sweep(ctx context.Context) error {
	ordinals, stay := p.all, p.stay
	if len(ordinals) == 0 {
		return nil
	}
	maps.DeleteFunc(p.known, func(ordinal uint64, _ []Object) bool { return !slices.Contains(ordinals[stay:], ordinal) })
	for _, ordinal := range ordinals[:stay] {
		if err := p.blobs.Delete(ctx, manifestName(p.name, ordinal)); err != nil {
			return err
		}
		p.done.Snapshots++
	}
	if p.done.Kept = len(ordinals) - stay; p.done.Snapshots > 0 {
		if err := p.markers(ctx, ordinals[stay]); err != nil {
			return err
		}
	}
	if p.done.Doubtful > 0 {
		return fmt.Errorf("%w: %d snapshots cannot be read or lack objects, so no object is removed", ErrCorrupt, p.done.Doubtful)
	}
	return p.objects(ctx, ordinals[len(ordinals)-1])
}

// look lists the objects.
func (p *pruner) look(ctx context.Context) error {
	list, err := p.blobs.List(ctx, objectPrefix(p.name), "", 0)
	p.there = make(map[string]int64, len(list))
	for _, b := range list {
		p.there[b.Name] = b.Size
	}
	return err
}

// choose returns the index of the oldest ordinal that stays, and reads the manifests from there on.
func (p *pruner) choose(ctx context.Context, ordinals []uint64) (stay int, err error) {
	valid := 0
	for i, ordinal := range slices.Backward(ordinals) {
		if _, ok := p.known[ordinal]; !ok {
			m, err := readManifest(ctx, p.blobs, p.name, ordinal)
			switch {
			case err == nil:
				p.known[ordinal] = m.Objects
			case errors.Is(err, ErrCorrupt), errors.Is(err, ErrTooNew):
				p.done.Doubtful++
				continue
			default:
				return 0, err
			}
		}
		if !p.whole(ordinal) {
			p.done.Doubtful++
			p.lacking = append(p.lacking, ordinal)
			continue
		}
		if valid++; valid == p.keep {
			return i, nil
		}
	}
	return 0, nil
}

// whole reports whether all objects of a snapshot are there, as far as a listing can tell.
func (p *pruner) whole(ordinal uint64) bool {
	for _, o := range p.known[ordinal] {
		if size, ok := p.there[o.Name]; !ok || size != o.Bytes {
			return false
		}
	}
	return true
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
	for _, list := range p.known {
		for _, o := range list {
			delete(p.there, o.Name)
		}
	}
	for name := range p.there {
		rest := strings.TrimPrefix(name, objectPrefix(p.name))
		if ordinal, ok := ordinalOf(rest); !ok || ordinal > newest || strings.Count(rest, "-") != 2 {
			continue
		}
		if err := p.blobs.Delete(ctx, name); err != nil {
			return err
		}
		p.done.Objects++
	}
	return nil
}
