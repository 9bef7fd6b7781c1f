package verify

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks/memstore"
	"github.com/ephemera-go/ephemera/snapshot"
)

// writersAtOnce is how many objects a save of these traces writes at the same time, one for each partition.
const writersAtOnce = 8

func tracedOptions() core.Options[event] {
	return core.Options[event]{
		Capacity: writersAtOnce * 24, Partitions: writersAtOnce, Time: numberedTime, MaxKeys: 64,
		Key: func(e event) string { return e.Name },
	}
}

// A gate is a codec that lets workers go on when as many as expected have come, so that each has an object of its own.
type gate struct {
	snapshot.Codec[event]
	mu      sync.Mutex
	waiting int
	expect  int
	open    chan struct{}
}

func (g *gate) Append(dst []byte, events []event) ([]byte, error) {
	if len(dst) > 0 { // else it is no block, and events are only measured
		g.wait()
	}
	return g.Codec.Append(dst, events)
}

func (g *gate) wait() {
	g.mu.Lock()
	if g.expect == 0 {
		g.mu.Unlock()
		return
	}
	g.waiting++
	open := g.open
	if g.waiting == g.expect {
		close(open)
		g.expect, g.waiting = 0, 0
	}
	g.mu.Unlock()
	select {
	case <-open:
	case <-time.After(time.Minute):
		panic(fmt.Sprintf("workers do not come: %d of %d", g.waiting, g.expect))
	}
}

// narrow makes the next save wait for n workers.
func (g *gate) narrow(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.expect, g.open = n, make(chan struct{})
}

// A chronicle makes a trace.
type chronicle struct {
	*trace
	space *memstore.Space
	rec   *recorder
	gate  *gate
	saver *snapshot.Saver[event]
	n     uint64 // of events
}

// chronicleOf lives through three programs on one place. The first ends well, the second is killed, the third ends well.
func chronicleOf(ctx context.Context, keep, saves int) (*chronicle, error) {
	c := &chronicle{
		trace: &trace{keep: keep, given: map[core.Epoch]given{}},
		space: new(memstore.Space), gate: &gate{Codec: eventColumns()},
	}
	c.rec = &recorder{BlobStore: c.space.OpenBlobs()}
	err := c.live(ctx, saves)
	if c.saver != nil {
		err = errors.Join(err, c.saver.Store().Close())
	}
	return c, errors.Join(err, c.rec.BlobStore.Close())
}

func (c *chronicle) live(ctx context.Context, saves int) error {
	for life, final := range []bool{true, false, true} {
		before := c.epoch()
		if err := c.begin(ctx); err != nil {
			return err
		}
		if kept := c.epoch() == before; life > 0 && kept != (life == 1) {
			return fmt.Errorf("the epoch goes on: %t; after life %d", kept, life)
		}
		for n := range saves {
			if err := c.change(n); err != nil {
				return err
			}
			if err := c.save(ctx, false); err != nil {
				return err
			}
		}
		if final {
			c.append(1)
			if err := c.save(ctx, true); err != nil {
				return err
			}
			c.rec.note(step{kind: "closed"})
			continue
		}
		c.append(2) // which are lost
		_ = c.saver.Store().Close()
	}
	c.steps = c.rec.steps
	return nil
}

func (c *chronicle) epoch() core.Epoch {
	if c.saver == nil {
		return core.Epoch{}
	}
	return c.saver.Store().Epoch()
}

// begin opens what the program before left.
func (c *chronicle) begin(ctx context.Context) error {
	o := tryingOnce()
	o.Codec, o.Keep, o.MaxConcurrent, o.NoLease = c.gate, c.keep, writersAtOnce, true
	saver, err := snapshot.Open[event](ctx, c.rec, tracedOptions(), o)
	if err != nil {
		return err
	}
	c.saver = saver
	c.rec.note(step{kind: "opened"})
	return nil
}

// append puts n events into every partition and notes where they went.
func (c *chronicle) append(n int) {
	s := c.saver.Store()
	positions := c.given[s.Epoch()]
	if positions == nil {
		positions = given{}
		c.given[s.Epoch()] = positions
	}
	for range n {
		for partition := range writersAtOnce {
			e := makeEvent(partition, c.n)
			c.n++
			pos, err := s.AppendTo(partition, e)
			if err != nil {
				panic(err)
			}
			positions[pos] = stamp{e.Check, len(c.rec.steps)}
		}
	}
}

// change does what a snapshot has to bring back.
func (c *chronicle) change(n int) error {
	s := c.saver.Store()
	c.append(1 + n%5)
	_, err := s.Keys().Intern(names[n%60])
	switch n {
	case 1:
		_, err = s.AddPartition(core.PartitionOptions{Capacity: 10 + n})
	case 2:
		err = s.Purge(time.Unix(int64(c.n)-20, 0))
	case 3:
		err = s.Clear()
		c.append(1)
	}
	return err
}

// save takes a snapshot, or closes the Saver, and notes when it was promised.
func (c *chronicle) save(ctx context.Context, final bool) error {
	id := len(c.pictures)
	c.pictures, c.epochs = append(c.pictures, pictureOf(c.saver.Store())), append(c.epochs, c.epoch())
	c.gate.narrow(writersAtOnce)
	c.rec.note(step{kind: "saving", save: id})
	var err error
	if final {
		err = c.saver.Close()
	} else {
		err = c.saver.Save(ctx)
	}
	c.rec.note(step{kind: "saved", save: id})
	return err
}
