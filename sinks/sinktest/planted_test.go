package sinktest

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/memstore"
)

// broken returns the names of the cases that a driver fails.
func broken[S io.Closer](t *testing.T, cases []testCase[S], opener func(context.Context, string) (S, error)) []string {
	t.Helper()
	var names []string
	for i := range cases {
		if err := cases[i].try(t.Context(), t.TempDir(), opener); err != nil {
			names = append(names, cases[i].name)
		}
	}
	return names
}

// expect makes sure that a planted bug is found by the cases that are about it. "none" expects a sound driver.
func expect(t *testing.T, got []string, want string) {
	t.Helper()
	if want == "none" {
		if len(got) > 0 {
			t.Errorf("a sound driver fails %q", got)
		}
		return
	}
	for name := range strings.FieldsSeq(want) {
		if !slices.Contains(got, name) {
			t.Errorf("case %s does not find the bug; found by %q", name, got)
		}
	}
}

// The planted drivers wrap their bug in sinks.CheckedSignals as real drivers do, so that what the checks catch anyway
// does not count. Bugs of the checks themselves are planted outside of it.

func TestSignalBugsAreFound(t *testing.T) {
	bugs := []struct {
		name, want string
		plant      func(*signalPlot) sinks.SignalStore
	}{
		{"none", "none", func(p *signalPlot) sinks.SignalStore { return p.space().OpenSignals() }},
		{"batch applied in part on a conflict", "append-conflict", func(p *signalPlot) sinks.SignalStore { return partBatch{p.inside()} }},
		{"retry stores twice", "append-retry lost-reply part-again", func(p *signalPlot) sinks.SignalStore { return p.log(&twice{}) }},
		{"conflict overwrites silently", "append-conflict restart", func(p *signalPlot) sinks.SignalStore { return lastWins{p.inside()} }},
		{"gap filled silently", "append-passed", func(p *signalPlot) sinks.SignalStore { return dropPassed{p.inside()} }},
		{"wrong order", "read append-many", func(p *signalPlot) sinks.SignalStore { return backward{p.inside()} }},
		{"newest descending", "read-newest", func(p *signalPlot) sinks.SignalStore { return newestFirst{p.inside()} }},
		{"limit ignored", "read", func(p *signalPlot) sinks.SignalStore { return noLimit{p.inside()} }},
		{"bound included", "read", func(p *signalPlot) sinks.SignalStore { return bound{p.inside()} }},
		{"swallowed error of a write", "append-conflict append-passed", func(p *signalPlot) sinks.SignalStore { return swallow{p.inside()} }},
		{"lost sync", "restart trim-restart", func(p *signalPlot) sinks.SignalStore { return new(memstore.Space).OpenSignals() }},
		{"last lost after Trim", "trim-last trim-restart trim-retry", func(p *signalPlot) sinks.SignalStore { return lastLost{p.inside()} }},
		{"trim keeps its bound", "trim", func(p *signalPlot) sinks.SignalStore { return trimBelow{p.inside()} }},
		{"trim lost at restart", "trim-restart", func(p *signalPlot) sinks.SignalStore { return p.log(&forgetTrim{}) }},
		{"time rounded to microseconds", "append", func(p *signalPlot) sinks.SignalStore { return micro{p.inside()} }},
		{"path and data shared with the caller", "append-not-kept", func(p *signalPlot) sinks.SignalStore { return p.log(&sharing{}) }},
		{"prune by age alone", "prune", func(p *signalPlot) sinks.SignalStore { return pruneAge{p.inside()} }},
		{"prune without bound", "prune", func(p *signalPlot) sinks.SignalStore { return pruneAll{p.inside()} }},
		{"context ignored", "append-cancelled", func(p *signalPlot) sinks.SignalStore { return noContext{p.inside()} }},
		{"batches torn for readers", "append-whole", func(p *signalPlot) sinks.SignalStore { return p.log(&oneByOne{}) }},
		{"close not idempotent", "close", func(p *signalPlot) sinks.SignalStore { return &closeOnce{SignalStore: p.inside()} }},
		{"usable after close", "close", func(p *signalPlot) sinks.SignalStore { return neverClosed{p.inside()} }},
		{"hostile signals stored", "append-hostile", func(p *signalPlot) sinks.SignalStore { return p.raw() }},
		{"lease not kept from writers", "lease-exclusive lease-release", func(p *signalPlot) sinks.SignalStore { return freeForAll{p.inside(), p.space()} }},
		{"generation begins anew", "lease-generation", func(p *signalPlot) sinks.SignalStore { return sameGeneration{p.inside()} }},
	}
	for _, b := range bugs {
		t.Run(b.name, func(t *testing.T) {
			plots := make(map[string]*memstore.Space)
			opener := func(_ context.Context, place string) (sinks.SignalStore, error) {
				return b.plant(&signalPlot{spaces: plots, place: place}), nil
			}
			expect(t, broken(t, signalCases(), opener), b.want)
		})
	}
}

func TestBlobBugsAreFound(t *testing.T) {
	bugs := []struct {
		name, want string
		plant      func(space *memstore.Space) sinks.BlobStore
	}{
		{"none", "none", func(s *memstore.Space) sinks.BlobStore { return s.OpenBlobs() }},
		{"torn put", "put-bad-reader partial-put put-cancelled", func(s *memstore.Space) sinks.BlobStore { return checkedBlobs(torn{inside(s)}) }},
		{"put overwrites", "put-exists put-race", func(s *memstore.Space) sinks.BlobStore { return checkedBlobs(overwrite{inside(s)}) }},
		{"lost sync", "restart", func(*memstore.Space) sinks.BlobStore { return new(memstore.Space).OpenBlobs() }},
		{"swallowed error of the reader", "put-bad-reader", func(s *memstore.Space) sinks.BlobStore { return checkedBlobs(swallowPut{inside(s)}) }},
		{"size not checked", "put-bad-reader", func(s *memstore.Space) sinks.BlobStore { return anySize{s.OpenBlobs()} }},
		{"order by path", "list list-pages put-names", func(s *memstore.Space) sinks.BlobStore { return checkedBlobs(byPath{inside(s)}) }},
		{"limit ignored", "list list-pages", func(s *memstore.Space) sinks.BlobStore { return checkedBlobs(noBlobLimit{inside(s)}) }},
		{"prefix by segment", "list", func(s *memstore.Space) sinks.BlobStore { return checkedBlobs(bySegment{inside(s)}) }},
		{"delete of an absent blob fails", "delete", func(s *memstore.Space) sinks.BlobStore { return checkedBlobs(strictDelete{inside(s)}) }},
		{"delete forgotten", "delete restart", func(s *memstore.Space) sinks.BlobStore { return checkedBlobs(noDelete{inside(s)}) }},
		{"plain errors", "open-absent", func(s *memstore.Space) sinks.BlobStore { return plainErrors{s.OpenBlobs()} }},
		{"close not idempotent", "close", func(s *memstore.Space) sinks.BlobStore { return &closeBlobsOnce{BlobStore: s.OpenBlobs()} }},
		{"lease not kept from writers", "lease-exclusive lease-expiry", func(s *memstore.Space) sinks.BlobStore {
			return freeBlobs{s.OpenBlobs(), new(memstore.Space)}
		}},
	}
	for _, b := range bugs {
		t.Run(b.name, func(t *testing.T) {
			spaces := make(map[string]*memstore.Space)
			opener := func(_ context.Context, place string) (sinks.BlobStore, error) {
				if spaces[place] == nil {
					spaces[place] = new(memstore.Space)
				}
				return b.plant(spaces[place]), nil
			}
			expect(t, broken(t, blobCases(), opener), b.want)
		})
	}
}
