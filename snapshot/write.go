package snapshot

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
)

const (
	blockBytes  = 1 << 20 // raw, about
	objectBytes = 4 << 20 // packed, about
	probeEvents = 64
)

// Parts of a block, as its frame begins.
const (
	blockPlain   = 0
	blockArrived = 1 // with arrival times
	blockNames   = 2 // of the dictionary
)

// A writer encodes the ranges of a plan into objects and puts these, several at once.
type writer[E any] struct {
	s     *Saver[E]
	cut   *core.Cut[E]
	plan  *plan
	name  func() string // of the next object
	tries int           // greatest number that a blob took

	keysVersion uint64 // of the dictionary, before the plan was made
	report      func(events uint64)

	mu      sync.Mutex
	jobs    []job
	placed  []placement
	objects []Object
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

// run writes everything and completes the plan's partitions and names. On an error nothing of the plan may be used; what
// was put already is swept later.
func (w *writer[E]) run(ctx context.Context) error {
	for _, r := range w.plan.ranges {
		limit := uint64(maxBlock)
		if r.at >= 0 {
			limit = w.s.blockEvents()
		}
		for r.count > 0 {
			n := min(r.count, limit)
			w.jobs = append(w.jobs, job{r.at, r.first, int(n)})
			r.first, r.count = r.first+n, r.count-n
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var workers sync.WaitGroup
	for range min(w.s.o.MaxConcurrent, len(w.jobs)) {
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
			err = fmt.Errorf("%w: codec %q panicked: %v", ErrOption, w.s.o.Codec.Name(), r)
		}
	}()
	b := newBlobWriter(kindObject, w.s.o.Compression)
	scratch := &encoder[E]{}
	var here []placement
	name := ""
	for {
		j, ok := w.take()
		if ok && name == "" {
			name = w.name()
			b.reset(kindObject)
			if _, err := b.add(objectHead(name, w.s.store.Epoch(), w.s.o.Codec.Name(), w.s.o.Schema)); err != nil {
				return err
			}
		}
		if ok {
			raw, err := w.encode(scratch, j)
			if err != nil {
				return err
			}
			sum, err := b.add(raw)
			if err != nil {
				return err
			}
			here = append(here, placement{j, name, sum})
		}
		if name != "" && (!ok || b.size() >= objectBytes) {
			if err := w.put(ctx, name, b.finish(), here); err != nil {
				return err
			}
			name, here = "", here[:0]
		}
		if !ok {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// objectHead is the first frame of an object: what tells it from any other.
func objectHead(name string, epoch core.Epoch, codec string, schema uint32) []byte {
	b := appendText(nil, name)
	b = append(b, epoch[:]...)
	b = appendText(b, codec)
	return binary.AppendUvarint(b, uint64(schema))
}

func (w *writer[E]) put(ctx context.Context, name string, blob []byte, blocks []placement) error {
	tries, err := w.s.put(ctx, name, blob)
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
			w.report(uint64(p.count))
		}
	}
	return nil
}

// complete enters where the new blocks lie, behind those that are taken over from the base.
func (w *writer[E]) complete(m, base *Manifest) {
	objects := map[string]Object{}
	for _, o := range w.objects {
		objects[o.Name] = o
	}
	used := func(blocks []Block) {
		for _, b := range blocks {
			o := base.Objects[b.Object]
			objects[o.Name] = o
		}
	}
	used(m.Keys.Blocks)
	for i := range m.Partitions {
		used(m.Partitions[i].Blocks)
	}
	index := map[string]int{}
	for i, name := range slices.Sorted(maps.Keys(objects)) {
		m.Objects, index[name] = append(m.Objects, objects[name]), i
	}
	moved := func(blocks []Block) {
		for i := range blocks {
			blocks[i].Object = index[base.Objects[blocks[i].Object].Name]
		}
	}
	moved(m.Keys.Blocks)
	for i := range m.Partitions {
		moved(m.Partitions[i].Blocks)
	}
	slices.SortFunc(w.placed, func(a, b placement) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.first-w.low(a.at), b.first-w.low(b.at)))
	})
	for _, p := range w.placed {
		b := Block{index[p.object], p.first, p.count, p.sum}
		if p.at < 0 {
			m.Keys.Blocks = append(m.Keys.Blocks, b)
		} else {
			m.Partitions[p.at].Blocks = append(m.Partitions[p.at].Blocks, b)
		}
	}
}

// low is the sequence that those of a partition are compared from, because they may wrap around.
func (w *writer[E]) low(at int) uint64 {
	if at < 0 {
		return 1
	}
	return w.plan.partitions[at].First
}

// encoder is the workspace of one worker.
type encoder[E any] struct {
	events  []E
	arrived []int64
	raw     []byte
}

// encode returns the content of a block's frame.
func (w *writer[E]) encode(e *encoder[E], j job) ([]byte, error) {
	if j.at < 0 {
		e.raw = w.appendNames(e.raw[:0], j)
		return e.raw, nil
	}
	number := w.plan.partitions[j.at].Number
	e.gather(w.cut, number, j)
	defer clear(e.events) // do not keep what events point to
	if len(e.events) != j.count {
		return nil, fmt.Errorf("%w: partition %d shows %d events instead of %d", ErrCorrupt, number, len(e.events), j.count)
	}
	kind := byte(blockPlain)
	if e.arrived != nil {
		kind = blockArrived
	}
	b := append(e.raw[:0], kind)
	b = binary.AppendUvarint(b, uint64(number))
	b = binary.AppendUvarint(b, j.first)
	b = binary.AppendUvarint(b, uint64(j.count))
	for at := e.arrived; len(at) > 0; at = at[min(len(at), groupSize):] {
		b = appendInts(b, at[:min(len(at), groupSize)])
	}
	at := len(b)
	b, err := w.s.o.Codec.Append(b, e.events)
	if err != nil {
		return nil, fmt.Errorf("codec %q: partition %d: %w", w.s.o.Codec.Name(), number, err)
	}
	if e.raw = b; len(b)-at < j.count {
		return nil, fmt.Errorf("%w: codec %q wrote %d bytes for %d events", ErrOption, w.s.o.Codec.Name(), len(b)-at, j.count)
	}
	w.s.eventBytes.Store(uint64(1 + (len(b)-at)/j.count))
	return b, nil
}

func (e *encoder[E]) gather(cut *core.Cut[E], partition int, j job) {
	e.events, e.arrived = e.events[:0], nil
	for b := range cut.Blocks(partition, j.first) {
		n := min(len(b.Events), j.count-len(e.events))
		e.events = append(e.events, b.Events[:n]...)
		if b.Arrived != nil {
			e.arrived = append(e.arrived, b.Arrived[:n]...)
		}
		if len(e.events) == j.count {
			return
		}
	}
}

func (w *writer[E]) appendNames(b []byte, j job) []byte {
	b = append(b, blockNames)
	b = binary.AppendUvarint(b, 0)
	b = binary.AppendUvarint(b, j.first)
	b = binary.AppendUvarint(b, uint64(j.count))
	at := len(w.plan.names) - (w.plan.keys.Count + 1 - int(j.first))
	for _, name := range w.plan.names[at : at+j.count] {
		b = appendText(b, name)
	}
	return b
}

// blockEvents returns how many events make a block of about blockBytes, by what the last ones took.
func (s *Saver[E]) blockEvents() uint64 {
	return min(max(blockBytes/s.eventBytes.Load(), 1), maxBlock)
}

// probe finds out how large events are before the first block is cut to size.
func (s *Saver[E]) probe(cut *core.Cut[E]) {
	if s.eventBytes.Load() > 0 {
		return
	}
	s.eventBytes.Store(uint64(1 + reflect.TypeFor[E]().Size()))
	for _, partition := range cut.Partitions() {
		first, _, _ := cut.Bounds(partition)
		for b := range cut.Blocks(partition, first) {
			events := b.Events[:min(len(b.Events), probeEvents)]
			if raw, err := s.o.Codec.Append(nil, events); err == nil {
				s.eventBytes.Store(uint64(1 + len(raw)/len(events)))
			}
			return
		}
	}
}

// put writes a blob, with retries, and returns how many tries it took. Its name is not used twice with another content,
// so a name that exists was written by an earlier try whose answer was lost.
func (s *Saver[E]) put(ctx context.Context, name string, blob []byte) (tries int, err error) {
	for {
		tries++
		err = s.blobs.Put(ctx, name, int64(len(blob)), newBytes(blob))
		switch {
		case err == nil, tries > 1 && errors.Is(err, sinks.ErrExists):
			return tries, nil
		case errors.Is(err, sinks.ErrExists):
			return tries, wrap("save", name, err)
		case ctx.Err() != nil || permanent(err) || tries >= s.o.MaxAttempts:
			return tries, wrap("save", name, err)
		}
		s.retries.Add(1)
		s.o.Logger.WarnContext(ctx, "snapshot: writing failed, trying again", "object", name, "try", tries, "error", err)
		if err := pause(ctx, s.o.Backoff.Delay(tries)); err != nil {
			return tries, wrap("save", name, err)
		}
	}
}
