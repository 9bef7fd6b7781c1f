package snapshot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
)

const (
	blockBytes  = 1 << 20 // raw, about
	objectBytes = 4 << 20 // packed, about
	probeEvents = 64
)

// A writer encodes the spans of a plan into objects and puts these, several at once.
type writer[E any] struct {
	s     *Saver[E]
	cuts  *cuts[E]
	plan  *plan
	stop  <-chan struct{} // ends it before the next try of a blob
	name  func() string   // of the next object
	total int64           // events to be written

	mu      sync.Mutex
	done    int64
	jobs    []job
	placed  []placement
	objects []Object
	tries   int // greatest number that a blob took
	bytes   int64
	err     error
}

// A job is one block to be.
type job struct {
	at    int // index in plan.partitions; -1: names
	first uint64
	count int
}

// A placement is where a block came to lie.
type placement struct {
	job
	object string
	sum    uint32
}

// run writes everything. On an error nothing of it may be used; what was put already is swept later.
func (w *writer[E]) run(ctx context.Context) error {
	for _, r := range w.plan.spans {
		for r.count > 0 {
			n := min(r.count, r.block, maxBlock)
			w.jobs = append(w.jobs, job{r.at, r.first, int(n)})
			r.first, r.count = r.first+n, r.count-n
			if r.at >= 0 {
				w.total += int64(n)
				w.cuts.need(w.number(r.at))
			}
		}
	}
	w.cuts.closeIdle()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var workers sync.WaitGroup
	for range w.workers() {
		workers.Go(func() {
			if err := w.work(ctx); err != nil {
				w.fail(err)
				cancel()
			}
		})
	}
	workers.Wait()
	return w.err
}

// workers returns how many objects are written at once.
func (w *writer[E]) workers() int { return min(w.s.o.MaxConcurrent, len(w.jobs)) }

func (w *writer[E]) number(at int) int { return w.plan.partitions[at].Number }

func (w *writer[E]) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil || errors.Is(w.err, context.Canceled) {
		w.err = err
	}
}

// take returns the next job.
func (w *writer[E]) take() (j job, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.jobs) == 0 {
		return job{}, false
	}
	j, w.jobs = w.jobs[0], w.jobs[1:]
	return j, true
}

// work fills objects until no job is left.
func (w *writer[E]) work(ctx context.Context) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: codec %q or Progress panicked: %v", ErrOption, w.s.o.Codec.Name(), r)
		}
	}()
	o, ok := w.s.workspaces.Get().(*objectWriter[E])
	if !ok {
		o = &objectWriter[E]{blob: newBlobWriter(kindObject, w.s.o.Compression)}
	}
	o.w = w
	for {
		j, ok := w.take()
		if ok {
			if err := o.add(j); err != nil {
				return err
			}
		}
		if len(o.blocks) > 0 && (!ok || o.blob.size() >= objectBytes) {
			if err := w.put(ctx, o.name, o.blob.finish(), o.blocks); err != nil {
				return err
			}
			o.blocks = o.blocks[:0]
		}
		if !ok {
			o.w = nil
			w.s.workspaces.Put(o) // not after an error: a store that hangs may still read the blob
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

func (w *writer[E]) put(ctx context.Context, name string, blob []byte, blocks []placement) error {
	tries, err := w.s.putter.put(ctx, w.stop, name, blob)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.tries = max(w.tries, tries)
	if err != nil {
		return err
	}
	w.placed = append(w.placed, blocks...)
	w.objects = append(w.objects, Object{name, int64(len(blob)), w.s.store.Epoch()})
	w.bytes += int64(len(blob))
	for _, p := range blocks {
		if p.at >= 0 {
			w.done += int64(p.count)
		}
	}
	if f := w.s.o.Progress; f != nil {
		f(Progress{"save", w.done, w.total})
	}
	return nil
}

// complete enters into a manifest where all blocks lie, those that are taken over from the base and the new ones.
func (w *writer[E]) complete(m, base *Manifest) {
	objects := map[string]Object{}
	for _, o := range w.objects {
		objects[o.Name] = o
	}
	lists := []*[]Block{&m.Keys.Blocks}
	for i := range m.Partitions {
		lists = append(lists, &m.Partitions[i].Blocks)
	}
	for _, list := range lists {
		for _, b := range *list {
			o := base.Objects[b.Object]
			objects[o.Name] = o
		}
	}
	index := map[string]int{}
	for i, name := range slices.Sorted(maps.Keys(objects)) {
		m.Objects, index[name] = append(m.Objects, objects[name]), i
	}
	for _, list := range lists {
		for i := range *list {
			b := &(*list)[i]
			b.Object = index[base.Objects[b.Object].Name]
		}
	}
	for _, p := range w.placed {
		list := lists[p.at+1]
		*list = append(*list, Block{index[p.object], p.first, p.count, p.sum})
	}
	for i, list := range lists {
		first := uint64(1)
		if i > 0 {
			first = m.Partitions[i-1].First
		}
		slices.SortFunc(*list, func(a, b Block) int { // sequences may wrap around
			return cmp.Compare(int64(a.First-first), int64(b.First-first))
		})
	}
}

// held returns how many events each new object was written with.
func (w *writer[E]) held() map[string]uint64 {
	held := map[string]uint64{}
	for _, p := range w.placed {
		if p.at >= 0 {
			held[p.object] += uint64(p.count)
		}
	}
	return held
}

// objectWriter is the workspace of one worker. Snapshots share them, so that one after the other makes no garbage.
type objectWriter[E any] struct {
	w       *writer[E]
	blob    *blobWriter
	name    string
	blocks  []placement // of the object under way
	events  []E
	arrived []int64
	raw     []byte
}

// add encodes a job into the object under way.
func (o *objectWriter[E]) add(j job) error {
	if j.at < 0 {
		o.raw = o.w.appendNames(o.raw[:0], j)
		return o.frame(j)
	}
	number := o.w.number(j.at)
	o.events, o.arrived = o.w.cuts.gather(number, j.first, j.count, o.events[:0], o.arrived[:0])
	o.w.cuts.done(number)
	defer clear(o.events) // do not keep what events point to
	if len(o.events) != j.count {
		return fmt.Errorf("%w: partition %d shows %d events instead of %d", ErrCorrupt, number, len(o.events), j.count)
	}
	return o.encode(j, o.events, o.arrived)
}

// encode makes two blocks of what turns out to be too large for one.
func (o *objectWriter[E]) encode(j job, events []E, arrived []int64) (err error) {
	if o.raw, err = o.w.appendBlock(o.raw[:0], j, events, arrived); err != nil {
		return err
	}
	if len(o.raw) <= maxFrame || j.count == 1 {
		return o.frame(j)
	}
	n := j.count / 2
	var early, late []int64
	if len(arrived) > 0 {
		early, late = arrived[:n], arrived[n:]
	}
	if err := o.encode(job{j.at, j.first, n}, events[:n], early); err != nil {
		return err
	}
	return o.encode(job{j.at, j.first + uint64(n), j.count - n}, events[n:], late)
}

// frame adds what was encoded to the object under way, and begins one if there is none.
func (o *objectWriter[E]) frame(j job) error {
	if len(o.blocks) == 0 {
		o.name = o.w.name()
		o.blob.reset(kindObject)
		if _, err := o.blob.add(objectHead(o.name, o.w.s.store.Epoch(), o.w.s.o.Codec.Name(), o.w.s.o.Schema)); err != nil {
			return err
		}
	}
	sum, err := o.blob.add(o.raw)
	if err != nil {
		return err
	}
	o.blocks = append(o.blocks, placement{j, o.name, sum})
	return nil
}

// appendBlock appends the content of a block's frame.
func (w *writer[E]) appendBlock(b []byte, j job, events []E, arrived []int64) ([]byte, error) {
	number, at := w.number(j.at), len(b)
	b, err := appendEvents(b, w.s.o.Codec, number, j.first, events, arrived)
	if err == nil {
		w.s.size(number, 1+(len(b)-at)/j.count)
	}
	return b, err
}

func (w *writer[E]) appendNames(b []byte, j job) []byte {
	at := len(w.plan.names) - (w.plan.keys.Count + 1 - int(j.first))
	return appendNames(b, j.first, w.plan.names[at:at+j.count])
}

// blockEvents returns how many of n events of a partition make a block of about blockBytes, by what those before them took,
// or else a few of them take.
func (s *Saver[E]) blockEvents(c *cuts[E], partition int, first, n uint64) uint64 {
	bytes := s.figures.sizeOf(partition)
	if bytes == 0 {
		if n <= probeEvents {
			return maxBlock
		}
		events, _ := c.gather(partition, first, int(min(max(n/16, probeEvents/8), probeEvents)), nil, nil)
		raw, err := s.o.Codec.Append(nil, events)
		if err != nil || len(events) == 0 {
			return maxBlock // the worker will find it again
		}
		bytes = 1 + len(raw)/len(events)
		s.size(partition, bytes)
	}
	return uint64(min(max(blockBytes/bytes, 1), maxBlock))
}
