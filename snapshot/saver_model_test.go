package snapshot

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

// paddedTrades makes events so large that a block holds 256 of them.
func paddedTrades() Codec[trade] {
	const size = blockBytes/256 - 1
	return Fixed("padded", size, func(b []byte, e *trade) {
		binary.LittleEndian.PutUint64(b, uint64(e.N))
	}, func(b []byte, e *trade) error {
		*e = nth(int(binary.LittleEndian.Uint64(b)))
		return nil
	})
}

// saved is what a snapshot must bring back.
type saved struct {
	content []entry
	names   []string
	purged  time.Time
	limits  map[int]core.PartitionOptions // of added partitions
	next    map[int]uint64
	epoch   core.Epoch
}

// model drives a Saver at random and remembers what it has to bring back.
type model struct {
	*testing.T
	r     *rand.Rand
	place *place
	o     Options[trade]
	store core.Options[trade]
	s     *Saver[trade]
	n     int // events made
	last  saved
	words int

	appended, written, snapshots uint64
}

func TestModelOfSaver(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("EPHEMERA_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		must(t, err)
	}
	for i := range uint64(6) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			t.Logf("EPHEMERA_SEED=%d", seed)
			m := &model{T: t, r: rand.New(rand.NewPCG(seed, i)), place: new(place)}
			m.o, m.store = manual(), core.Options[trade]{Capacity: 6000, Partitions: 3, Time: tradeTime}
			m.o.Codec, m.o.Keep = paddedTrades(), 2
			m.o.MaxConcurrent = 1 + int(i%3)
			if i%4 == 3 {
				m.o.MaxPartitions = 2
			}
			m.open()
			m.last = m.now()
			for range 400 {
				m.step()
			}
			m.finish()
		})
	}
}

func (m *model) open() {
	m.Helper()
	m.s = open(m, m.place.handle(m), m.store, m.o)
}

func (m *model) step() {
	switch p := m.r.IntN(100); {
	case p < 60:
		m.append()
	case p < 82:
		m.save()
	case p < 84:
		must(m, m.s.store.Clear())
	case p < 86:
		must(m, m.s.store.Purge(noon.Add(time.Duration(m.n-m.r.IntN(5000))*time.Second)))
	case p < 89:
		must(m, m.s.store.SetCapacity(m.partition(), 1+m.r.IntN(2000)))
	case p < 91:
		m.add()
	case p < 92:
		m.remove()
	case p < 95:
		for range m.r.IntN(50) {
			m.words++
			_, err := m.s.store.Keys().Intern(fmt.Sprintf("word %d", m.words))
			must(m, err)
		}
	case p < 96:
		m.s.store.Keys().Clear()
	case p < 98:
		m.crash()
	default:
		m.restart()
	}
	balanced(m, m.s)
}

func (m *model) partition() int {
	all := m.s.store.PartitionNumbers()
	return all[m.r.IntN(len(all))]
}

func (m *model) append() {
	p, n := m.partition(), 1+m.r.IntN(1+m.r.IntN(1+m.r.IntN(800)))
	fillPartition(m, m.s.store, p, m.n, m.n+n)
	m.n += n
	m.appended += uint64(n)
}

func (m *model) add() {
	o := core.PartitionOptions{Capacity: 1 + m.r.IntN(1000)}
	if m.r.IntN(3) == 0 {
		o.StartAt = -uint64(m.r.IntN(100)) // near the end of the numbers
	}
	_, err := m.s.store.AddPartition(o)
	must(m, err)
}

func (m *model) remove() {
	if all := m.s.store.PartitionNumbers(); len(all) > 5 {
		must(m, m.s.store.RemovePartition(all[3+m.r.IntN(len(all)-3)]))
	}
}

// now is what a snapshot of this moment has to bring back.
func (m *model) now() saved {
	s := m.s.store
	x := saved{
		content: content(m, s), names: s.Keys().Names(), purged: s.PurgedBefore(), epoch: s.Epoch(),
		limits: map[int]core.PartitionOptions{}, next: map[int]uint64{},
	}
	for _, number := range s.PartitionNumbers() {
		x.next[number], _ = s.Next(number)
		if number >= 3 {
			x.limits[number], _ = s.Limits(number)
		}
	}
	return x
}

func (m *model) save() {
	m.Helper()
	before := m.s.Stats()
	save(m, m.s)
	x := m.now()
	if after := m.s.Stats(); after.Snapshots > before.Snapshots {
		m.check(&x)
		m.snapshots++
	}
	m.last = x
}

// check looks at the newest manifest, and takes out of x what was postponed.
func (m *model) check(x *saved) {
	m.Helper()
	man := m.place.newest(m)
	postponed := map[int]uint64{}
	for i := range man.Partitions {
		p := &man.Partitions[i]
		tiled(m.T, p)
		if most := 30 + 2*int(p.Events()/256); len(p.Blocks) > most {
			m.Fatalf("partition %d: %d blocks of %d events", p.Number, len(p.Blocks), p.Events())
		}
		if p.Next != x.next[p.Number] {
			postponed[p.Number] = p.Next
			x.next[p.Number] = p.Next
		}
	}
	if len(man.Partitions) != len(x.next) {
		m.Fatalf("%d partitions in the manifest, %d in the store", len(man.Partitions), len(x.next))
	}
	if m.o.MaxPartitions == 0 && len(postponed) > 0 {
		m.Fatalf("postponed: %v", postponed)
	}
	x.content = slices.DeleteFunc(x.content, func(e entry) bool {
		next, ok := postponed[e.Partition]
		return ok && int64(e.Sequence-next) >= 0
	})
	m.checkObjects(man)
	m.load(x)
}

// checkObjects wants objects that are in use, at least by a quarter when they were chosen, and not too many.
func (m *model) checkObjects(man *Manifest) {
	m.Helper()
	used, words := make([]uint64, len(man.Objects)), make([]bool, len(man.Objects))
	for _, b := range man.Keys.Blocks {
		words[b.Object] = true
	}
	for i := range man.Partitions {
		p := &man.Partitions[i]
		for _, b := range p.Blocks {
			used[b.Object] += uint64(clip(b, p.First).Count)
		}
	}
	for i, o := range man.Objects {
		if held := m.s.held[o.Name]; !words[i] && (held == 0 || used[i] < held/sparseObject) {
			m.Fatalf("object %s: %d of %d events are in use", o.Name, used[i], held)
		}
	}
	if len(man.Objects) > 2*smallObjects {
		m.Fatalf("%d objects", len(man.Objects))
	}
}

// load restores the newest snapshot without touching it.
func (m *model) load(x *saved) {
	m.Helper()
	s, report, err := Load(context.Background(), m.place.handle(m), m.store, m.o)
	must(m, err)
	defer func() { must(m, s.Close()) }()
	if len(report.Skipped) > 0 {
		m.Fatal(report)
	}
	m.equal(s, x)
}

func (m *model) equal(s *core.Store[trade], x *saved) {
	m.Helper()
	got := content(m, s)
	if !slices.Equal(got, x.content) {
		same(m, "content", got, x.content)
	}
	same(m, "names", s.Keys().Names(), x.names)
	if !s.PurgedBefore().Equal(x.purged) {
		m.Fatalf("purged before %v, want %v", s.PurgedBefore(), x.purged)
	}
	same(m, "partitions", len(s.PartitionNumbers()), len(x.next))
	for number, next := range x.next {
		got, err := s.Next(number)
		must(m, err)
		same(m, "next sequence", got, next)
	}
	for number, want := range x.limits {
		got, err := s.Limits(number)
		must(m, err)
		got.StartAt, want.StartAt = 0, 0 // where the window begins now
		same(m, "limits", got, want)
	}
}

// crash loses what is in no snapshot.
func (m *model) crash() {
	m.Helper()
	old := m.s
	m.written += old.Stats().Events
	crash(m, old)
	m.open()
	if m.snapshots == 0 {
		m.last = m.now()
		return
	}
	m.equal(m.s.store, &m.last)
	if m.s.store.Epoch() == m.last.epoch || m.s.store.Epoch() == old.store.Epoch() {
		m.Fatal("the epoch goes on behind a crash")
	}
	m.last = m.now()
}

// restart loses nothing.
func (m *model) restart() {
	m.Helper()
	x := m.now()
	must(m, m.s.Close())
	m.written += m.s.Stats().Events
	m.snapshots++
	must(m, m.s.blobs.Close())
	m.open()
	m.equal(m.s.store, &x)
	if m.s.store.Epoch() != x.epoch {
		m.Fatal("the epoch does not go on behind the final snapshot")
	}
	m.last = m.now()
}

func (m *model) finish() {
	m.restart()
	for _, man := range m.place.manifests(m, DefaultName) {
		if len(man.Lineage) > maxLineage {
			m.Fatalf("%d ancestors", len(man.Lineage))
		}
	}
	times := float64(m.written) / float64(m.appended)
	m.Logf("%d snapshots; of %d events, each was written %.2f times", m.snapshots, m.appended, times)
	if times > 8 {
		m.Errorf("each event was written %.2f times", times)
	}
}
