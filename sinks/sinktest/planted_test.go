package sinktest

import (
	"context"
	"io"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/memstore"
)

// A bug is planted in a driver; want names the cases that must find it.
type bug[S io.Closer] struct {
	name, want string
	plant      func(*plot) S
	waits      bool // a case waits for what never comes
}

// A plot is the ground for one place.
type plot struct {
	space  *memstore.Space
	log    *plainLog
	index  *sharedIndex
	mu     sync.Mutex
	last   *cutContent
	seen   map[string]int
	meet   chan struct{}
	lax    *plainBlobs
	leases *memstore.Space
}

// plots returns how a bug is opened at places.
func (b *bug[S]) plots() func(context.Context, string) (S, error) {
	plots := make(map[string]*plot)
	return func(_ context.Context, place string) (S, error) {
		if plots[place] == nil {
			plots[place] = &plot{
				space: new(memstore.Space), index: newSharedIndex(), seen: map[string]int{}, meet: make(chan struct{}),
				lax: &plainBlobs{blobs: map[string][]byte{}}, leases: new(memstore.Space),
			}
		}
		return b.plant(plots[place]), nil
	}
}

// findsBugs tries every case on every bug: those that are wanted must find it. In the end each case must have been wanted
// by one: a case that finds nothing proves nothing.
func findsBugs[S io.Closer](t *testing.T, cases []testCase[S], sound func(*plot) S, bugs []bug[S]) {
	t.Helper()
	t.Run("none", func(t *testing.T) {
		if got := broken(t.Context(), t, cases, (&bug[S]{plant: sound}).plots()); len(got) > 0 {
			t.Errorf("a sound driver fails %q", got)
		}
	})
	wanted := make(map[string]bool)
	for _, b := range bugs {
		for name := range strings.FieldsSeq(b.want) {
			wanted[name] = true
		}
		t.Run(b.name, func(t *testing.T) {
			ctx := t.Context()
			if b.waits {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, time.Second)
				defer cancel()
			}
			var about []testCase[S]
			for name := range strings.FieldsSeq(b.want) {
				i := slices.IndexFunc(cases, func(c testCase[S]) bool { return c.name == name })
				if i < 0 {
					t.Fatalf("there is no case %s", name)
				}
				about = append(about, cases[i])
			}
			got := broken(ctx, t, about, b.plots())
			for name := range strings.FieldsSeq(b.want) {
				if !slices.Contains(got, name) {
					t.Errorf("case %s does not find the bug; found by %q", name, got)
				}
			}
		})
	}
	for i := range cases {
		if !wanted[cases[i].name] {
			t.Errorf("no bug is planted for case %s", cases[i].name)
		}
	}
}

// broken returns the names of the cases that a driver fails.
func broken[S io.Closer](ctx context.Context, t *testing.T, cases []testCase[S], opener func(context.Context, string) (S, error)) []string {
	t.Helper()
	var names []string
	for i := range cases {
		if err := cases[i].try(ctx, t.TempDir(), opener); err != nil {
			names = append(names, cases[i].name)
			t.Logf("%s: %v", cases[i].name, err)
		}
	}
	return names
}

// The planted drivers wrap their bug in sinks.CheckedSignals and sinks.CheckedBlobs as real drivers do, so that what the
// checks catch anyway does not count. Bugs of the checks themselves are planted outside of them.

func TestSignalBugsAreFound(t *testing.T) {
	type s = sinks.SignalStore
	change := func(f func(*sinks.Signal)) func(*plot) s {
		return func(p *plot) s { return changed{p.inside(), f} }
	}
	bugs := []bug[s]{
		{name: "batch applied in part on a conflict", want: "append-conflict", plant: func(p *plot) s { return partBatch{p.inside()} }},
		{name: "retry stores twice", want: "append-retry append-race lost-reply part-again", plant: func(p *plot) s { return p.plain(&twice{}) }},
		{name: "conflict overwrites silently", want: "append-conflict restart", plant: func(p *plot) s { return lastWins{p.inside()} }},
		{name: "gap filled silently", want: "append-passed", plant: func(p *plot) s { return dropPassed{p.inside()} }},
		{name: "wrong order", want: "read append-many", plant: func(p *plot) s { return backward{p.inside()} }},
		{name: "newest descending", want: "read-newest", plant: func(p *plot) s { return newestFirst{p.inside()} }},
		{name: "limit ignored", want: "read", plant: func(p *plot) s { return noLimit{p.inside()} }},
		{name: "limit 0 for all", want: "read-limit", plant: func(p *plot) s { return limitAll{p.inside()} }},
		{name: "bound included", want: "read", plant: func(p *plot) s { return bound{p.inside()} }},
		{name: "nothing is not found", want: "read-empty", plant: func(p *plot) s { return emptyNotFound{p.inside()} }},
		{name: "swallowed error of a write", want: "append-conflict append-passed", plant: func(p *plot) s { return swallow{p.inside()} }},
		{name: "lost sync", want: "restart trim-restart", plant: func(*plot) s { return new(memstore.Space).OpenSignals() }},
		{name: "confirmed before it is stored", want: "close-race restart", plant: func(p *plot) s { return &lateAppend{planted: p.inside()} }},
		{name: "last lost after Trim", want: "trim-last trim-restart trim-retry", plant: func(p *plot) s { return lastLost{p.inside()} }},
		{name: "trim keeps its bound", want: "trim", plant: func(p *plot) s { return trimBelow{p.inside()} }},
		{name: "trim in a gap does nothing", want: "trim-gap", plant: func(p *plot) s { return trimExact{p.inside()} }},
		{name: "trim makes holes", want: "trim-readers", plant: func(p *plot) s { return p.plain(&holes{}) }},
		{name: "trim lost at restart", want: "trim-restart", plant: func(p *plot) s { return p.plain(&forgetTrim{}) }},
		{name: "time rounded to microseconds", want: "append", plant: change(func(o *sinks.Signal) { o.Time = o.Time.Truncate(time.Microsecond) })},
		{name: "numbers of 53 bits", want: "append-sparse", plant: change(func(o *sinks.Signal) { o.Sequence = min(uint64(float64(o.Sequence)), math.MaxInt64) })},
		{name: "texts cut to 255 bytes", want: "append-limits", plant: change(func(o *sinks.Signal) { o.Key = o.Key[:min(len(o.Key), 255)] })},
		{name: "batches cut to 16 MiB", want: "append-large", plant: func(p *plot) s { return shortBatches{p.inside()} }},
		{name: "empty batch refused", want: "append-empty", plant: func(p *plot) s { return strictEmpty{p.inside()} }},
		{name: "path and data shared with the caller", want: "append-not-kept", plant: func(p *plot) s { return p.plain(&sharing{}) }},
		{name: "prune by age alone", want: "prune", plant: func(p *plot) s { return pruneAge{p.inside()} }},
		{name: "prune without bound", want: "prune", plant: func(p *plot) s { return pruneAll{p.inside()} }},
		{name: "prune by number or by age", want: "prune-both", plant: func(p *plot) s { return pruneEither{p.inside()} }},
		{name: "prune of what is young too", want: "prune-order", plant: func(p *plot) s { return pruneThrough{p.inside()} }},
		{name: "context ignored", want: "cancelled", plant: func(p *plot) s { return noContext{p.inside()} }},
		{name: "batches torn for readers", want: "append-whole", plant: func(p *plot) s { return p.plain(&oneByOne{}) }},
		{name: "a sound store does not verify", want: "verify", plant: func(p *plot) s { return verifyFails{p.inside()} }},
		{name: "what others store is not seen", want: "second-handle", plant: func(p *plot) s { return &ownLast{planted: p.inside()} }},
		{name: "what others store is a conflict", want: "second-race", plant: func(p *plot) s { return &turns{planted: p.inside()} }},
		{name: "hostile signals stored", want: "append-hostile", plant: func(p *plot) s { return p.raw() }},
		{name: "trim needs no lease", want: "lease-exclusive lease-expiry", plant: func(p *plot) s {
			return laxSignals{planted{p.leases.OpenSignals()}, p.space.OpenSignals()}
		}},
	}
	findsBugs(t, signalCases(), func(p *plot) s { return p.space.OpenSignals() }, append(bugs, signalPlanter.bugs()...))
}

func TestBlobBugsAreFound(t *testing.T) {
	type s = sinks.BlobStore
	wrap := func(spoil func(s, *plot) s) func(*plot) s {
		return func(p *plot) s { return checkedBlobs(spoil(p.blobs(), p)) }
	}
	bugs := []bug[s]{
		{name: "torn put", want: "put-bad-reader partial-put put-cancelled", plant: wrap(func(b s, _ *plot) s { return torn{b} })},
		{name: "put overwrites", want: "put-exists put-race", plant: wrap(func(b s, _ *plot) s { return overwrite{b} })},
		{name: "put of the same bytes succeeds again", want: "put-exists lost-reply", plant: wrap(func(b s, _ *plot) s { return sameIsFine{b} })},
		{name: "put looks, then writes", want: "second-race", plant: wrap(func(b s, p *plot) s { return looks{b, new(sync.Mutex), p.meet} })},
		{name: "put keeps 64 KiB", want: "put open-many", plant: wrap(func(b s, _ *plot) s { return tailLost{b} })},
		{name: "last part lost", want: "put-large", plant: wrap(func(b s, _ *plot) s { return lastPartLost{b} })},
		{name: "index overwritten by others", want: "put-many", plant: wrap(func(b s, p *plot) s { return index{b, p.index} })},
		{name: "lost sync", want: "restart", plant: func(*plot) s { return new(memstore.Space).OpenBlobs() }},
		{name: "confirmed before it is stored", want: "close-race", plant: wrap(func(b s, _ *plot) s { return &latePut{BlobStore: b} })},
		{name: "swallowed error of the reader", want: "put-bad-reader", plant: wrap(func(b s, _ *plot) s { return swallowPut{b} })},
		{name: "size not checked", want: "put-bad-reader", plant: func(p *plot) s { return anySize{p.blobs()} }},
		{name: "order by path", want: "list list-pages put-names", plant: wrap(func(b s, _ *plot) s { return byPath{b} })},
		{name: "limit ignored", want: "list list-pages", plant: wrap(func(b s, _ *plot) s { return noBlobLimit{b} })},
		{name: "prefix by segment", want: "list", plant: wrap(func(b s, _ *plot) s { return bySegment{b} })},
		{name: "one page for all", want: "list-many", plant: wrap(func(b s, _ *plot) s { return onePage{b} })},
		{name: "pages by number", want: "list-many", plant: wrap(func(b s, p *plot) s { return byOffset{b, &p.mu, p.seen} })},
		{name: "old listing", want: "second-handle", plant: wrap(func(b s, _ *plot) s { return &oldListing{BlobStore: b} })},
		{name: "delete of an absent blob fails", want: "delete", plant: wrap(func(b s, _ *plot) s { return strictDelete{b} })},
		{name: "delete forgotten", want: "delete restart", plant: wrap(func(b s, _ *plot) s { return noDelete{b} })},
		{name: "content follows the name", want: "delete-open", plant: wrap(func(b s, _ *plot) s { return byName{b} })},
		{name: "one content at a time", want: "open-many", plant: wrap(func(b s, p *plot) s { return oneContent{b, &p.mu, &p.last} })},
		{name: "context ignored", want: "cancelled open-cancelled", plant: func(p *plot) s { return contextFree{p.blobs()} }},
		{name: "plain errors", want: "open-absent", plant: func(p *plot) s { return plainErrors{p.blobs()} }},
		{name: "anything goes", want: "put-hostile list-hostile", plant: func(p *plot) s { return p.lax }},
		{name: "delete needs no lease", want: "lease-exclusive lease-expiry", plant: func(p *plot) s {
			return laxBlobs{leasedBlobs{p.leases.OpenBlobs()}, p.blobs()}
		}},
	}
	findsBugs(t, blobCases(), func(p *plot) s { return p.blobs() }, append(bugs, blobPlanter.bugs()...))
}
