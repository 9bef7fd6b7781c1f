package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/faultstore"
)

func TestParity61_Restore(t *testing.T) {
	var p place
	o := keyed(4)
	o.MaxKeys = 100
	s := open(t, p.handle(t), o, manual())
	fill(t, s.Store(), 0, 1000)
	must(t, s.Close())
	want := content(t, s.Store())
	must(t, s.blobs.Close())

	again := open(t, p.handle(t), o, manual())
	r := again.Report()
	if r.Ordinal != 1 || r.Events != 1000 || r.Partitions != 4 || !r.Final || r.NewEpoch || r.Regrouped || len(r.Skipped) > 0 || r.Bytes == 0 {
		t.Errorf("%+v", r)
	}
	same(t, "events", content(t, again.Store()), want)
	same(t, "names", again.Store().Keys().Names(), s.Store().Keys().Names())
	same(t, "counted as restored", again.Store().Stats().Appended, 0)
	pos, err := again.Store().Append(nth(1000))
	must(t, err)
	next, err := s.Store().Next(pos.Partition)
	must(t, err)
	same(t, "versions go on", pos.Sequence, next)
	must(t, again.Close())
	must(t, again.blobs.Close())

	o.Capacity = 40 // of which the last ones stay
	small := open(t, p.handle(t), o, manual())
	same(t, "bounded", small.Store().Len(), 40)
	for partition := range 4 {
		before, after := numbersOf(t, again.Store(), partition), numbersOf(t, small.Store(), partition)
		same(t, "the last ones", after, before[len(before)-10:])
	}
}

func numbersOf(t testing.TB, s *core.Store[trade], partition int) (list []int) {
	t.Helper()
	for _, e := range content(t, s) {
		if e.Partition == partition {
			list = append(list, e.Event.N)
		}
	}
	return list
}

func TestParity61_WrongSchema(t *testing.T) {
	for what, change := range map[string]func(*Options[trade]){
		"schema": func(o *Options[trade]) { o.Schema = 2 },
		"codec":  func(o *Options[trade]) { o.Codec = JSON[trade]() },
	} {
		p, o := filled(t, one()), manual()
		change(&o)
		_, err := Open(t.Context(), p.handle(t), one(), o)
		fails(t, err, ErrSchema)
		if errors.Is(err, ErrNoValid) || !strings.Contains(err.Error(), "schema 0") {
			t.Errorf("%s: %v", what, err)
		}
		same(t, "left alone", len(p.manifests(t, DefaultName)), 3)
		open(t, p.handle(t), one(), manual())
	}
}

func TestDefectD22_DamageFallsBack(t *testing.T) {
	for what, damage := range map[string]func(p *place, m *Manifest){
		"manifest torn":    func(p *place, m *Manifest) { p.tear(t, manifestName(DefaultName, m.Ordinal)) },
		"object torn":      func(p *place, m *Manifest) { p.tear(t, newestOf(m.Objects).Name) },
		"object gone":      func(p *place, m *Manifest) { must(t, p.handle(t).Delete(t.Context(), newestOf(m.Objects).Name)) },
		"object flipped":   func(p *place, m *Manifest) { p.alter(t, newestOf(m.Objects).Name, flip) },
		"manifest flipped": func(p *place, m *Manifest) { p.alter(t, manifestName(DefaultName, m.Ordinal), flip) },
		"manifest empty":   func(p *place, m *Manifest) { p.alter(t, manifestName(DefaultName, m.Ordinal), none) },
		"object of another": func(p *place, m *Manifest) {
			c := copier{}
			other, err := c.fetch(t.Context(), p.handle(t), m.Objects[0].Name)
			must(t, err)
			p.alter(t, newestOf(m.Objects).Name, func([]byte) []byte { return other })
		},
		"manifest of another": func(p *place, m *Manifest) {
			c := copier{}
			other, err := c.fetch(t.Context(), p.handle(t), manifestName(DefaultName, 1))
			must(t, err)
			p.alter(t, manifestName(DefaultName, 3), func([]byte) []byte { return other })
		},
	} {
		t.Run(what, func(t *testing.T) {
			p := growingPlace(t)
			damage(p, p.newest(t))
			before := p.names(t, "")
			s := open(t, p.handle(t), one(), manual())
			r := s.Report()
			if r.Ordinal != 2 || len(r.Skipped) != 1 || r.Skipped[0].Ordinal != 3 || r.Events != 1010 || !r.NewEpoch || r.Final {
				t.Fatalf("%+v", r)
			}
			if !errors.Is(r.Skipped[0].Err, ErrCorrupt) && !errors.Is(r.Skipped[0].Err, sinks.ErrNotFound) || !strings.Contains(r.String(), "snapshot 3 skipped") {
				t.Error(r)
			}
			same(t, "events", numbers(t, s.Store()), count(0, 1010))
			same(t, "nothing was deleted or written", p.names(t, ""), before)

			// The next snapshots are whole, and the damaged one stays until there are enough of them.
			for n := range DefaultKeep {
				fill(t, s.Store(), 1010+n, 1011+n)
				save(t, s)
				if n < DefaultKeep-1 && !slices.Contains(p.names(t, ""), manifestName(DefaultName, 3)) {
					t.Error("it was pruned at once")
				}
			}
			crash(t, s)
			again := open(t, p.handle(t), one(), manual())
			same(t, "events", numbers(t, again.Store()), count(0, 1013))
			same(t, "ordinal", again.Report().Ordinal, 6)
			same(t, "snapshots", len(p.manifests(t, DefaultName)), DefaultKeep)
		})
	}
}

// growingPlace holds three snapshots of 1,000, 1,010 and 1,020 events, each with an object of its own, the last one final.
func growingPlace(t *testing.T) *place {
	t.Helper()
	p := new(place)
	s := open(t, p.handle(t), one(), manual())
	for _, to := range []int{1000, 1010, 1020} {
		from := s.Store().Len()
		fill(t, s.Store(), from, to)
		if to < 1020 {
			save(t, s)
		}
	}
	must(t, s.Close())
	must(t, s.blobs.Close())
	return p
}

func newestOf[T any](list []T) T { return list[len(list)-1] }

func flip(b []byte) []byte {
	b[len(b)/2] ^= 4
	return b
}

func none([]byte) []byte { return nil }

// TestNoneIsWhole: if there are snapshots, and none can be restored, that is an error, and nothing is deleted.
func TestNoneIsWhole(t *testing.T) {
	for what, damage := range map[string]func(p *place){
		"damaged": func(p *place) {
			for _, name := range p.names(t, manifestPrefix(DefaultName)) {
				p.tear(t, name)
			}
		},
		"the object that all share": func(p *place) { p.tear(t, p.newest(t).Objects[0].Name) },
		"manifests gone": func(p *place) {
			for _, name := range p.names(t, manifestPrefix(DefaultName)) {
				must(t, p.handle(t).Delete(t.Context(), name))
			}
		},
		"manifests renamed": func(p *place) {
			for _, name := range p.names(t, manifestPrefix(DefaultName)) {
				must(t, p.handle(t).Delete(t.Context(), name))
				putBlob(t, p.handle(t), name+".bak", []byte("x"))
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			p := growingPlace(t)
			damage(p)
			before := p.names(t, "")
			_, err := Open(t.Context(), p.handle(t), one(), manual())
			fails(t, err, ErrNoValid)
			if !strings.Contains(err.Error(), "nothing was deleted") {
				t.Error(err)
			}
			same(t, "blobs", p.names(t, ""), before)
			_, _, err = Load(t.Context(), p.handle(t), one(), manual())
			fails(t, err, ErrNoValid)

			o := manual()
			o.Restore.Fresh = true
			s := open(t, p.handle(t), one(), o)
			fill(t, s.Store(), 0, 5)
			save(t, s)
			crash(t, s)
			s = open(t, p.handle(t), one(), manual())
			same(t, "events", numbers(t, s.Store()), count(0, 5))
			if n := s.Report().Ordinal; n < 4 {
				t.Errorf("ordinal %d was used before", n)
			}
		})
	}
}

// TestOnDoubtNothingOlder: what is not damage is no reason to go back to older data.
func TestOnDoubtNothingOlder(t *testing.T) {
	doubt := func(t *testing.T, p *place, blobs sinks.BlobStore, want error) {
		t.Helper()
		before := p.names(t, "")
		_, err := Open(t.Context(), blobs, one(), manual())
		fails(t, err, want)
		if errors.Is(err, ErrNoValid) {
			t.Error(err)
		}
		same(t, "blobs", p.names(t, ""), before)
	}
	for k := 1; ; k++ { // a network that fails
		p := growingPlace(t)
		blobs, plan := p.faulty(t, fmt.Sprintf("open:%d error io", k))
		if s, err := Open(t.Context(), blobs, one(), manual()); err == nil && plan.Injected() == 0 {
			must(t, s.Close())
			break
		}
		must(t, blobs.Close())
		blobs, _ = p.faulty(t, fmt.Sprintf("open:%d+ error io", k))
		doubt(t, p, blobs, faultstore.ErrInjected)
		must(t, blobs.Close())
		if k > 1 { // the first is the manifest, the second the mark that is not there
			continue
		}
		blobs, _ = p.faulty(t, "open:1 partial 30 bytes io")
		doubt(t, p, blobs, faultstore.ErrInjected)
	}

	p := growingPlace(t)
	p.alter(t, manifestName(DefaultName, 3), newer)
	doubt(t, p, p.handle(t), ErrTooNew)

	for what, c := range map[string]*oddCodec{"error": {}, "panic": {}, "short": {}, "corrupt": {}} {
		var p place
		o := manual()
		o.Codec = c
		s := open(t, p.handle(t), one(), o)
		fill(t, s.Store(), 0, 10)
		save(t, s)
		crash(t, s)
		*c = map[string]oddCodec{
			"error": {fail: errors.New("boom")}, "panic": {panics: true}, "short": {short: true}, "corrupt": {fail: corrupt("boom")},
		}[what]
		_, err := Open(t.Context(), p.handle(t), one(), o)
		fails(t, err, ErrSchema)
		if errors.Is(err, ErrNoValid) {
			t.Error(err)
		}
	}
}

// TestChangedType: a type that has changed without Schema being counted up is told, not taken for damage.
func TestChangedType(t *testing.T) {
	var p place
	s, err := Open(t.Context(), p.handle(t), core.Options[struct{ A int }]{}, Options[struct{ A int }]{Manual: true})
	must(t, err)
	_, err = s.Store().Append(struct{ A int }{7})
	must(t, err)
	must(t, s.Close())
	must(t, s.blobs.Close())
	_, err = Open(t.Context(), p.handle(t), core.Options[struct{ A string }]{}, Options[struct{ A string }]{Manual: true})
	fails(t, err, ErrSchema)
}

func TestRestoreByOrdinalAndTime(t *testing.T) {
	for what, c := range map[string]struct {
		restore RestoreOptions
		events  int
		err     error
	}{
		"ordinal":        {RestoreOptions{Ordinal: 2}, 20, nil},
		"no such":        {RestoreOptions{Ordinal: 4}, 0, ErrNoSnapshot},
		"at the moment":  {RestoreOptions{At: noon.Add(time.Hour)}, 20, nil},
		"just before":    {RestoreOptions{At: noon.Add(time.Hour - 1)}, 10, nil},
		"before all":     {RestoreOptions{At: noon.Add(-1)}, 0, ErrNoSnapshot},
		"in the future":  {RestoreOptions{At: noon.Add(1e6 * time.Hour)}, 30, nil},
		"fresh":          {RestoreOptions{Fresh: true}, 0, nil},
		"as it is":       {RestoreOptions{}, 30, nil},
		"damaged, fixed": {RestoreOptions{Ordinal: 1}, 0, ErrNoValid},
	} {
		p, o := filled(t, one()), manual()
		if c.err == ErrNoValid {
			p.tear(t, manifestName(DefaultName, 1))
		}
		o.Restore = c.restore
		s, err := Open(t.Context(), p.handle(t), one(), o)
		if c.err != nil {
			fails(t, err, c.err)
			continue
		}
		must(t, err)
		same(t, what, numbers(t, s.Store()), count(0, c.events))
		must(t, s.Close())
	}
	var empty place
	o := manual()
	o.Restore.Ordinal = 1
	_, err := Open(t.Context(), empty.handle(t), one(), o)
	fails(t, err, ErrNoSnapshot)
	_, _, err = Load(t.Context(), empty.handle(t), one(), manual())
	fails(t, err, ErrNoSnapshot)
	same(t, "text", open(t, empty.handle(t), one(), manual()).Report().String(), "no snapshot: the store is empty")
}

// TestLoadBesideASaver: snapshots that are pruned while they are read are no damage.
func TestLoadBesideASaver(t *testing.T) {
	for _, rule := range []string{"open:1 stall", "open:2 stall"} { // the manifest, its object
		var p place
		o := manual()
		o.Keep = 1
		s := open(t, p.handle(t), one(), o)
		fill(t, s.Store(), 0, 10)
		save(t, s)
		blobs, plan := p.faulty(t, rule)
		loaded := make(chan error, 1)
		var got *core.Store[trade]
		var r Report
		go func() {
			var err error
			got, r, err = Load(context.Background(), blobs, one(), manual())
			loaded <- err
		}()
		<-plan.Reached("open", uint64(rule[5]-'0'))
		must(t, s.Store().Clear())
		fill(t, s.Store(), 100, 107)
		save(t, s)
		plan.Clear()
		must(t, <-loaded)
		same(t, "events", numbers(t, got), count(100, 107))
		same(t, "skipped", len(r.Skipped), 0)
		must(t, got.Close())
	}
}

func TestParity74_TwoRestarts(t *testing.T) {
	var p place
	cases := func(end func(*Saver[trade])) {
		s := open(t, p.handle(t), keyed(2), manual())
		fill(t, s.Store(), 0, 100)
		end(s)
		s = open(t, p.handle(t), keyed(2), manual())
		fill(t, s.Store(), 100, 105) // fewer than before: the predecessor would lose them
		end(s)
		s = open(t, p.handle(t), keyed(2), manual())
		list := numbers(t, s.Store())
		slices.Sort(list)
		same(t, "after two restarts", list, count(0, 105))
		must(t, s.Store().Clear())
		end(s)
		s = open(t, p.handle(t), keyed(2), manual())
		same(t, "cleared", len(numbers(t, s.Store())), 0)
		fill(t, s.Store(), 200, 203)
		end(s)
		s = open(t, p.handle(t), keyed(2), manual())
		same(t, "behind the clear", s.Store().Len(), 3)
		must(t, s.Store().Clear())
		end(s)
	}
	cases(func(s *Saver[trade]) { must(t, s.Close()); must(t, s.blobs.Close()) })
	cases(func(s *Saver[trade]) { save(t, s); crash(t, s) })
}

func TestDefectD04_SnapshotsNeverLoseToOlderOnes(t *testing.T) {
	var p place
	o := manual()
	o.Keep = 2
	n := 0
	for range 10 {
		s := open(t, p.handle(t), one(), o)
		same(t, "restored", s.Store().Len(), min(n, 1))
		must(t, s.Store().Clear())
		fill(t, s.Store(), n, n+1)
		n++
		save(t, s)
		m := p.newest(t)
		if m.Partitions[0].Next != uint64(n) || m.Ordinal != uint64(n) {
			t.Fatalf("snapshot %d ends at %d", m.Ordinal, m.Partitions[0].Next)
		}
		crash(t, s)
	}
}

func TestParity75_ForeignNames(t *testing.T) {
	p := growingPlace(t)
	for _, name := range []string{
		"readme", "store", "store/readme", "store/manifests/readme", "store/manifests/0000000000000009.tmp", "store/manifests/9",
		"store/manifests/0000000000000000", "store/manifests/ffffffffffffffff-x", "store/manifests/0000000000000007/x",
		"store/objects/readme", "store/objects/0000000000000003", "store/objects/0000000000000003-x", "store/objects/0000000000000001-a-b-c",
		"store/opened/x", "other/manifests/0000000000000001", "stores/x",
	} {
		putBlob(t, p.handle(t), name, []byte("not a blob of ours, and of no use to anybody"))
	}
	before := p.names(t, "")
	s := open(t, p.handle(t), one(), manual())
	same(t, "restored", s.Store().Len(), 1020)
	for n := range 5 {
		fill(t, s.Store(), n, n+1)
		save(t, s)
	}
	must(t, s.Close())
	after := p.names(t, "")
	for _, name := range before {
		ours := strings.HasPrefix(name, "store/") && len(name) > 30 && !strings.HasSuffix(name, "x") && !strings.HasSuffix(name, "b-c") &&
			!strings.HasSuffix(name, ".tmp") && !strings.HasSuffix(name, "0000000000000000") && name != "store/objects/0000000000000003"
		if !slices.Contains(after, name) && !ours {
			t.Errorf("%s was deleted", name)
		}
	}
	v, err := Verify(t.Context(), p.handle(t), DefaultName, nil)
	must(t, err)
	if len(v.Foreign) < 8 || len(v.Snapshots) != DefaultKeep {
		t.Errorf("%d snapshots, foreign %q", len(v.Snapshots), v.Foreign)
	}
	names, err := Names(t.Context(), p.handle(t))
	must(t, err)
	same(t, "names", names, []string{"other", "store"})
	_, err = List(t.Context(), p.handle(t), "other")
	must(t, err)

	// Half of a manifest, with an absurd ordinal.
	putBlob(t, p.handle(t), manifestName(DefaultName, 1<<63), bytes.Repeat([]byte("half-written"), 3))
	must(t, s.blobs.Close())
	s = open(t, p.handle(t), one(), manual())
	if r := s.Report(); len(r.Skipped) != 1 || r.Events != 1025 {
		t.Errorf("%+v", r)
	}
	fill(t, s.Store(), 0, 1)
	save(t, s)
	same(t, "ordinal", s.Stats().Ordinal, 1<<63+1)
}
