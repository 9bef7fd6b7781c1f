package verify

import (
	"fmt"
	"math/bits"
	"strings"

	"github.com/ephemera-go/ephemera/core"
)

// An event proves by itself that it was neither torn nor mixed with another one.
type event struct {
	Writer uint32
	N      uint64 // its number among the events of its writer
	Check  uint64 // follows from Writer and N
	Name   string // follows from Check; every name has another length
}

// names differ in length and content, so that a pointer of one with the length of another is noticed.
var names = func() (list [64]string) {
	for i := range list {
		list[i] = strings.Repeat(string(rune('0'+i)), i+1)
	}
	return list
}()

// mix is the finalizer of SplitMix64.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func makeEvent(writer int, n uint64) event {
	check := mix(uint64(writer)<<48 + n + 1)
	return event{uint32(writer), n, check, names[check%64]}
}

func (e *event) intact() bool { return *e == makeEvent(int(e.Writer), e.N) }

// at ties an event to its position: the sum over a set of events is the same whatever the order.
func (e *event) at(p core.Position) uint64 {
	return mix(e.Check ^ mix(p.Sequence+uint64(p.Partition)<<56))
}

// An account sums up a set of events.
type account struct{ events, sum, places uint64 }

func (a *account) add(p core.Position, e *event) {
	a.events++
	a.sum += e.N
	a.places += e.at(p)
}

func (a *account) merge(o account) {
	a.events += o.events
	a.sum += o.sum
	a.places += o.places
}

// A register knows which events it was shown, each of them by identity. It is for one goroutine at a time.
type register struct {
	account
	seen  [][]uint64     // per writer one bit for each event
	next  map[int]uint64 // per partition the sequence that must come next
	first error
}

func newRegister(writers int) *register {
	return &register{seen: make([][]uint64, writers), next: map[int]uint64{}}
}

// take is shown events in the order of their partitions, without a gap and from the first one on.
func (r *register) take(p core.Position, e *event) {
	switch {
	case !e.intact():
		r.fail("torn event at %v: %+v", p, *e)
		return
	case int(e.Writer) >= len(r.seen):
		r.fail("event of unknown writer at %v: %+v", p, *e)
		return
	case p.Sequence != r.next[p.Partition]:
		r.fail("event at %v came when %d was next", p, r.next[p.Partition])
	}
	r.next[p.Partition] = p.Sequence + 1
	word, bit := e.N/64, uint64(1)<<(e.N%64)
	for w := &r.seen[e.Writer]; uint64(len(*w)) <= word; {
		*w = append(*w, 0)
	}
	if r.seen[e.Writer][word]&bit != 0 {
		r.fail("event twice, now at %v: %+v", p, *e)
	}
	r.seen[e.Writer][word] |= bit
	r.add(p, e)
}

// startAt skips what left before a cut.
func (r *register) startAt(c *core.Cut[event], partitions int) {
	for i := range partitions {
		first, _, err := c.Bounds(i)
		if err != nil {
			r.fail("bounds of %d: %v", i, err)
		}
		r.next[i] = first
	}
}

func (r *register) fail(format string, args ...any) {
	if r.first == nil {
		r.first = fmt.Errorf(format, args...)
	}
}

// missing counts the events that were appended and never shown: writer i appended numbers [0, appended[i]).
func (r *register) missing(appended []uint64) (n uint64) {
	for i, total := range appended {
		n += total
		for _, w := range r.seen[i] {
			n -= uint64(bits.OnesCount64(w))
		}
	}
	return n
}
