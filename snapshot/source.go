package snapshot

import (
	"context"
	"slices"

	"github.com/ephemera-go/ephemera/sinks"
)

// source reads the blocks of a snapshot. Objects are read from beginning to end, each once in a pass, oldest first; that
// gives the blocks of a partition in their order, but for those of one snapshot, which several workers wrote. A block
// that comes too early is put aside.
type source struct {
	blobs    sinks.BlobStore
	m        *Manifest
	reader   blobReader
	bytes    int64
	progress func(done int64)
	held     map[string]uint64 // events by object, those that the manifest does not name included; nil: not wanted
}

func (s *source) close() { s.reader.close() }

// each calls yield with every frame of an object, and checks all of it.
func (s *source) each(ctx context.Context, o *Object, yield func(frame) error) error {
	content, size, err := s.blobs.Open(ctx, o.Name)
	if err != nil {
		return wrap("restore", o.Name, err)
	}
	defer func() { _ = content.Close() }()
	if size != o.Bytes {
		return wrap("restore", o.Name, corrupt("%d bytes instead of %d", size, o.Bytes))
	}
	events := uint64(0)
	counted := func(f frame) error {
		if f.kind != blockNames {
			events += uint64(f.count)
		}
		return yield(f)
	}
	err = eachFrame(ctx, &s.reader, content, size, objectHead(o.Name, o.Epoch, s.m.Codec, s.m.Schema), counted)
	if s.bytes += size; s.held != nil {
		s.held[o.Name] = events
	}
	if s.progress != nil {
		s.progress(s.bytes)
	}
	return wrap("restore", o.Name, err)
}

// A chain delivers the blocks of one partition, or of the names, in order.
type chain struct {
	blocks []Block // to be delivered still
	aside  []frame // came too early
}

// deliver takes a frame of an object and calls yield with what is next in order. Frames that the manifest does not name are
// left out.
func (c *chain) deliver(m *Manifest, o *Object, f frame, yield func(frame) error) error {
	at := slices.IndexFunc(c.blocks, func(b Block) bool {
		return b.First == f.first && m.Objects[b.Object].Name == o.Name
	})
	if at < 0 {
		return nil // written for an older snapshot
	}
	if b := c.blocks[at]; b.Count != f.count || b.Sum != f.sum {
		return corrupt("the block of partition %d at %d is not the one that the manifest names", f.partition, f.first)
	}
	if at > 0 {
		f.events = slices.Clone(f.events)
		c.aside = append(c.aside, f)
		return nil
	}
	for {
		c.blocks = c.blocks[1:]
		if err := yield(f); err != nil || len(c.blocks) == 0 {
			return err
		}
		next := slices.IndexFunc(c.aside, func(x frame) bool { return x.first == c.blocks[0].First })
		if next < 0 {
			return nil
		}
		f = c.aside[next]
		c.aside = slices.Delete(c.aside, next, next+1)
	}
}

// end returns an error if a block has not come.
func (c *chain) end(partition int) error {
	if len(c.blocks) > 0 {
		return corrupt("object %d lacks the block of partition %d at %d", c.blocks[0].Object, partition, c.blocks[0].First)
	}
	return nil
}

// names reads the dictionary.
func (s *source) names(ctx context.Context) ([]string, error) {
	c := chain{blocks: slices.Clone(s.m.Keys.Blocks)}
	var names []string
	for _, i := range objectsOf(s.m.Keys.Blocks) {
		o := &s.m.Objects[i]
		err := s.each(ctx, o, func(f frame) error {
			if f.kind != blockNames {
				return nil
			}
			return c.deliver(s.m, o, f, func(f frame) error {
				names = append(names, f.names...)
				return nil
			})
		})
		if err != nil {
			return nil, err
		}
	}
	return names, c.end(-1)
}

// objectsOf returns the indexes of the objects that hold the blocks, ascending.
func objectsOf(blocks []Block) []int {
	var list []int
	for _, b := range blocks {
		list = append(list, b.Object)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// events reads the events of all partitions and calls yield with each frame, in the order of each partition's sequences.
func (s *source) events(ctx context.Context, yield func(p *Partition, f frame) error) error {
	chains := make(map[int]*chain, len(s.m.Partitions))
	var blocks []Block
	for i := range s.m.Partitions {
		p := &s.m.Partitions[i]
		if len(p.Blocks) > 0 {
			chains[p.Number] = &chain{blocks: slices.Clone(p.Blocks)}
			blocks = append(blocks, p.Blocks...)
		}
	}
	for _, i := range objectsOf(blocks) {
		o := &s.m.Objects[i]
		err := s.each(ctx, o, func(f frame) error {
			c := chains[f.partition]
			if f.kind == blockNames || c == nil {
				return nil
			}
			return c.deliver(s.m, o, f, func(f frame) error { return yield(s.m.partition(f.partition), f) })
		})
		if err != nil {
			return err
		}
	}
	for number, c := range chains {
		if err := c.end(number); err != nil {
			return err
		}
	}
	return nil
}
