package verify

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/memstore"
)

// A step is one thing that a program did to blobs, or was told about them.
type step struct {
	kind string // put, delete; saving, saved, closed, opened: see trace
	name string // of the blob
	data []byte
	save int // which of the trace's pictures a saving or saved step is about
}

func (s *step) about(kind, part string) bool { return s.kind == kind && strings.Contains(s.name, part) }

// A recorder notes what is done to blobs, in the order in which it began.
type recorder struct {
	sinks.BlobStore
	mu    sync.Mutex
	steps []step
}

func (r *recorder) note(s step) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.steps = append(r.steps, s)
}

func (r *recorder) Put(ctx context.Context, name string, size int64, content io.Reader) error {
	data, err := io.ReadAll(content)
	if err != nil {
		return err
	}
	r.note(step{kind: "put", name: name, data: data})
	return r.BlobStore.Put(ctx, name, size, bytes.NewReader(data))
}

func (r *recorder) Delete(ctx context.Context, name string) error {
	r.note(step{kind: "delete", name: name})
	return r.BlobStore.Delete(ctx, name)
}

// A trace is what programs did to one place, one after the other, and what they were promised.
//
// Objects that are put in a row are taken to be put at the same time, whatever order the workers really had: a Saver may
// write as many at once as it likes. Everything else it must do step by step. That a Put which was under way is there as a
// whole or not at all, and that one which returned is there for good, is what package sinks asks of every driver;
// filestore's own tests prove it for every order in which a power cut may undo system calls.
type trace struct {
	keep     int
	base     map[string][]byte // what was there before: the first of the pictures
	steps    []step
	pictures []picture            // of the store as each save had to find it
	epochs   []core.Epoch         // of the store then
	given    map[core.Epoch]given // positions that appends got
}

// given says which event got a position, and after which step.
type given map[core.Position]stamp

type stamp struct {
	check uint64
	after int // steps
}

// A crash is what a program that ended may have left.
type crash struct {
	blobs map[string][]byte
	after int // steps that had begun
	torn  bool
}

// crashes calls yield with every state that the end of the program may leave, each once. With torn, what was being put is
// there by half, as a driver must not leave it.
func (h *trace) crashes(torn bool, yield func(crash) error) error {
	blobs := maps.Clone(h.base)
	if blobs == nil {
		blobs = map[string][]byte{}
	}
	for i := 0; i < len(h.steps); {
		group := 1
		if h.steps[i].about("put", "/objects/") {
			for i+group < len(h.steps) && h.steps[i+group].about("put", "/objects/") {
				group++
			}
		}
		// All of the group is left to the next round, as its none.
		for subset := range 1<<group - 1 {
			c := crash{blobs: maps.Clone(blobs), after: i + group, torn: torn}
			if subset == 0 && !torn {
				c.after = i
			}
			for k, s := range h.steps[i : i+group] {
				switch {
				case subset&(1<<k) != 0:
					s.apply(c.blobs)
				case torn && s.kind == "put":
					c.blobs[s.name] = s.data[:len(s.data)/2]
				}
			}
			if err := yield(c); err != nil {
				return fmt.Errorf("after step %d of %d, %+v, with %b of %d: %w", i, len(h.steps), h.steps[i].kind+" "+h.steps[i].name, subset, group, err)
			}
		}
		for _, s := range h.steps[i : i+group] {
			s.apply(blobs)
		}
		i += group
	}
	return yield(crash{blobs: blobs, after: len(h.steps)})
}

func (s *step) apply(blobs map[string][]byte) {
	switch s.kind {
	case "put":
		if _, taken := blobs[s.name]; !taken {
			blobs[s.name] = s.data
		}
	case "delete":
		delete(blobs, s.name)
	}
}

// space makes a blob store.
func (c crash) space(ctx context.Context) (*memstore.Space, error) {
	space := new(memstore.Space)
	b := space.OpenBlobs()
	for _, name := range slices.Sorted(maps.Keys(c.blobs)) {
		if err := b.Put(ctx, name, int64(len(c.blobs[name])), bytes.NewReader(c.blobs[name])); err != nil {
			return nil, err
		}
	}
	return space, b.Close()
}

// allowed returns the pictures that may be found after a crash: that of the last save that was acknowledged, and, if there
// is one under way, that. Before the first one an empty store may be found too. keep says that a store was closed and
// nobody has begun to open it, so that its epoch must go on.
func (h *trace) allowed(after int) (list []int, empty bool, keep bool) {
	last, under := -1, -1
	if h.base != nil {
		last = 0
	}
	for _, s := range h.steps[:after] {
		switch s.kind {
		case "saving":
			under = s.save
		case "saved":
			last, under = s.save, -1
		case "closed":
			keep = true
			continue
		}
		keep = false
	}
	if last >= 0 {
		list = append(list, last)
	}
	if under >= 0 {
		list = append(list, under)
	}
	return list, last < 0, keep
}

// taken returns an error if an event may stand at a position although another one did.
func (h *trace) taken(epoch core.Epoch, pos core.Position, check uint64, after int) error {
	if s, ok := h.given[epoch][pos]; ok && s.after <= after && s.check != check {
		return fmt.Errorf("position %v of epoch %v was given twice", pos, epoch)
	}
	return nil
}
