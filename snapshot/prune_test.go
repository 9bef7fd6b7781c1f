package snapshot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/faultstore"
)

// ordinals returns those of the snapshots that there are, whole or not.
func (p *place) ordinals(t testing.TB) []uint64 {
	t.Helper()
	list, _, err := listOrdinals(context.Background(), p.handle(t), manifestPrefix(DefaultName))
	must(t, err)
	return list
}

// history is a place with n snapshots, of 100, 110, … events, none of which was pruned, and with objects of a snapshot that did
// not come to its end.
func history(t *testing.T, n int) *place {
	t.Helper()
	p, o := new(place), manual()
	o.Keep = 100
	s := open(t, p.handle(t), one(), o)
	for i := range n {
		fill(t, s.Store(), s.Store().Len(), 100+10*i)
		save(t, s)
	}
	crash(t, s)
	putBlob(t, p.handle(t), objectName(DefaultName, uint64(n), "0123456789abcdef", 1), []byte("an orphan"))
	return p
}

func TestParity58_Prune(t *testing.T) {
	p := history(t, 7)
	foreign := []string{"store/manifests/readme", "store/objects/0000000000000001.tmp", "store/notes", "other/manifests/0000000000000001"}
	for _, name := range foreign {
		putBlob(t, p.handle(t), name, []byte("x"))
	}
	before := p.names(t, "")
	done, err := Prune(t.Context(), p.handle(t), DefaultName, 0) // removes no snapshot
	must(t, err)
	same(t, "keep 0", done, Pruned{Objects: 1, Kept: 7})
	same(t, "the orphan is gone", len(p.names(t, "")), len(before)-1)
	done, err = Prune(t.Context(), p.handle(t), "", 3)
	must(t, err)
	if done.Snapshots != 4 || done.Kept != 3 || done.Doubtful != 0 {
		t.Errorf("%+v", done)
	}
	same(t, "the newest", p.ordinals(t), []uint64{5, 6, 7})
	v, err := Verify(t.Context(), p.handle(t), DefaultName, nil)
	must(t, err)
	byDefault, err := Verify(t.Context(), p.handle(t), "", nil)
	must(t, err)
	same(t, "verified under no name", len(byDefault.Snapshots), 3)
	list, err := List(t.Context(), p.handle(t), "")
	must(t, err)
	same(t, "listed under no name", len(list), 3)
	if len(v.Unused) > 0 || len(v.Foreign) != 3 {
		t.Errorf("unused %v, foreign %v", v.Unused, v.Foreign)
	}
	for _, name := range foreign {
		if !slices.Contains(p.names(t, ""), name) {
			t.Errorf("%s was removed", name)
		}
	}
	done, err = Prune(t.Context(), p.handle(t), DefaultName, 10)
	must(t, err)
	same(t, "more than there are", done, Pruned{Kept: 3})
	done, err = Prune(t.Context(), p.handle(t), "nobody", 1)
	must(t, err)
	same(t, "nothing there", done, Pruned{})
	for _, bad := range []struct {
		name string
		keep int
	}{{"..", 1}, {"a/b", 1}, {"store", -1}} {
		_, err = Prune(t.Context(), p.handle(t), bad.name, bad.keep)
		fails(t, err, ErrOption)
	}
	s := open(t, p.handle(t), one(), manual())
	same(t, "restored", s.Store().Len(), 160)
}

// TestPruneOnDoubt: what cannot be read does not count, is not removed before its time, and keeps all objects.
func TestPruneOnDoubt(t *testing.T) {
	for what, damage := range map[string]func(p *place, ordinal uint64){
		"manifest torn":    func(p *place, n uint64) { p.tear(t, manifestName(DefaultName, n)) },
		"manifest too new": func(p *place, n uint64) { p.alter(t, manifestName(DefaultName, n), newer) },
		"manifest empty": func(p *place, n uint64) {
			p.alter(t, manifestName(DefaultName, n), func([]byte) []byte { return nil })
		},
	} {
		p := history(t, 7)
		for _, n := range []uint64{2, 5, 7} {
			damage(p, n)
		}
		done, err := Prune(t.Context(), p.handle(t), DefaultName, 2)
		fails(t, err, ErrCorrupt)
		same(t, what, done, Pruned{Snapshots: 3, Kept: 4, Doubtful: 2})
		same(t, what, p.ordinals(t), []uint64{4, 5, 6, 7})
		if !slices.ContainsFunc(p.names(t, ""), func(s string) bool { return strings.Contains(s, "0123456789abcdef") }) {
			t.Error("an object was removed")
		}
	}

	// Those that lack an object, or have one of another size, are in doubt, too.
	for what, damage := range map[string]func(p *place, name string){
		"gone": func(p *place, name string) { must(t, p.handle(t).Delete(t.Context(), name)) },
		"torn": func(p *place, name string) { p.tear(t, name) },
	} {
		p := history(t, 3)
		list := p.manifests(t, DefaultName)
		damage(p, newestOf(list[2].Objects).Name)
		done, err := Prune(t.Context(), p.handle(t), DefaultName, 1)
		fails(t, err, ErrCorrupt)
		same(t, what, done, Pruned{Snapshots: 1, Kept: 2, Doubtful: 1})
		s := open(t, p.handle(t), one(), manual())
		same(t, what, s.Report().Ordinal, 2)
	}

	p := history(t, 2) // all of them
	p.tear(t, manifestName(DefaultName, 1))
	p.tear(t, manifestName(DefaultName, 2))
	done, err := Prune(t.Context(), p.handle(t), DefaultName, 1)
	fails(t, err, ErrCorrupt)
	same(t, "all", done, Pruned{Kept: 2, Doubtful: 2})
}

// TestPruneFailsAtEveryCall: whatever fails, what is left can be restored, and the next one finishes the work.
func TestPruneFailsAtEveryCall(t *testing.T) {
	for _, rule := range []string{"*:%d error io", "*:%d+ error io", "delete:%d lost-reply"} {
		for k := 1; ; k++ {
			p := history(t, 5)
			blobs, plan := p.faulty(t, fmt.Sprintf(rule, k))
			_, err := Prune(t.Context(), blobs, DefaultName, 2)
			if plan.Injected() == 0 {
				must(t, err)
				break
			}
			if err != nil && !errors.Is(err, faultstore.ErrInjected) {
				t.Fatal(err)
			}
			_ = blobs.Close()
			store, r, err := Load(t.Context(), p.handle(t), one(), manual())
			must(t, err)
			if r.Ordinal != 5 || store.Len() != 140 || len(r.Skipped) > 0 {
				t.Fatalf("%s at %d: %v", rule, k, r)
			}
			must(t, store.Close())
			_, err = Prune(t.Context(), p.handle(t), DefaultName, 2)
			must(t, err)
			v, err := Verify(t.Context(), p.handle(t), DefaultName, nil)
			must(t, err)
			if len(v.Unused) > 0 || len(v.Snapshots) != 2 {
				t.Fatalf("%s at %d: %d snapshots, unused %v", rule, k, len(v.Snapshots), v.Unused)
			}
		}
	}
}

// TestFailedPruningHarmsNobody: the snapshot is taken all the same, and the failure is counted.
func TestFailedPruningHarmsNobody(t *testing.T) {
	var p place
	blobs, plan := p.faulty(t, "delete:* error io")
	o := manual()
	o.Keep = 1
	s := open(t, blobs, one(), o)
	for n := range 4 {
		fill(t, s.Store(), n, n+1)
		save(t, s)
	}
	if x := s.Stats(); x.Snapshots != 4 || x.PruneFailures != 3 || x.Pruned != 0 || x.LastError != nil || x.Failures != 0 {
		t.Errorf("%+v", x)
	}
	plan.Clear()
	fill(t, s.Store(), 4, 5)
	save(t, s)
	same(t, "snapshots", p.ordinals(t), []uint64{5})
	if x := s.Stats(); x.PruneFailures != 3 || x.Pruned != 4 {
		t.Errorf("%+v", x)
	}
}

func TestVerify(t *testing.T) {
	p := growingPlace(t)
	var progress []Progress
	v, err := Verify(t.Context(), p.handle(t), DefaultName, func(p Progress) { progress = append(progress, p) })
	must(t, err)
	if len(v.Snapshots) != 3 || v.Objects != 3 || len(v.Unused)+len(v.Foreign) > 0 || len(progress) != 3 {
		t.Errorf("%+v, %v", v, progress)
	}
	same(t, "progress", newestOf(progress), Progress{"verify", v.Bytes, v.Bytes})

	shared := v.Snapshots[0].Manifest.Objects[0].Name
	p.alter(t, shared, flip)
	v, err = Verify(t.Context(), p.handle(t), DefaultName, nil)
	fails(t, err, ErrCorrupt)
	for _, s := range v.Snapshots {
		if !errors.Is(s.Err, ErrCorrupt) || !strings.Contains(s.Err.Error(), shared) {
			t.Errorf("%d: %v", s.Ordinal, s.Err)
		}
	}
	p = growingPlace(t)
	p.tear(t, manifestName(DefaultName, 2))
	putBlob(t, p.handle(t), objectName(DefaultName, 4, "0123456789abcdef", 1), []byte("x"))
	v, err = Verify(t.Context(), p.handle(t), DefaultName, nil)
	fails(t, err, ErrCorrupt)
	if len(v.Snapshots) != 3 || v.Snapshots[0].Err != nil || v.Snapshots[1].Err == nil || v.Snapshots[1].Manifest != nil || v.Snapshots[2].Err != nil || len(v.Unused) != 2 {
		t.Errorf("%+v", v)
	}
	list, err := List(t.Context(), p.handle(t), DefaultName)
	must(t, err)
	same(t, "listed", []bool{list[0].Err == nil, list[1].Err == nil, list[2].Err == nil}, []bool{true, false, true})

	for k := 1; ; k++ { // a store that fails is no damage
		blobs, plan := p.faulty(t, fmt.Sprintf("*:%d error io", k))
		v, err := Verify(t.Context(), blobs, DefaultName, nil)
		if plan.Injected() == 0 {
			break
		}
		if fails(t, err, faultstore.ErrInjected); v != nil || errors.Is(err, ErrCorrupt) {
			t.Errorf("call %d: %v", k, err)
		}
	}
	_, err = Verify(t.Context(), p.handle(t), "a/b", nil)
	fails(t, err, ErrOption)
	_, err = List(t.Context(), p.handle(t), "a/b")
	fails(t, err, ErrOption)
	v, err = Verify(t.Context(), new(place).handle(t), DefaultName, nil)
	must(t, err)
	same(t, "nothing", len(v.Snapshots), 0)
}

// TestVerifyComparesManifests: what two snapshots say of one object must be the same.
func TestVerifyComparesManifests(t *testing.T) {
	p := growingPlace(t)
	m := p.manifests(t, DefaultName)[1]
	m.Objects[0].Bytes++
	blob, err := m.encode(DefaultName, NoCompression)
	must(t, err)
	p.alter(t, manifestName(DefaultName, 2), func([]byte) []byte { return blob })
	v, err := Verify(t.Context(), p.handle(t), DefaultName, nil)
	fails(t, err, ErrCorrupt)
	same(t, "whole", []bool{v.Snapshots[0].Err == nil, v.Snapshots[1].Err == nil, v.Snapshots[2].Err == nil}, []bool{true, false, true})
	o := manual()
	o.Restore.Ordinal = 2
	_, err = Open(t.Context(), p.handle(t), one(), o)
	fails(t, err, ErrNoValid)
}

// TestVerifyBesideASaver: what is pruned meanwhile is no damage.
func TestVerifyBesideASaver(t *testing.T) {
	var p place
	o := manual()
	o.Keep = 1
	s := open(t, p.handle(t), one(), o)
	fill(t, s.Store(), 0, 10)
	save(t, s)
	blobs, plan := p.faulty(t, "open:2 stall")
	type result struct {
		v   *Verified
		err error
	}
	ended := make(chan result, 1)
	go func() {
		v, err := Verify(context.Background(), blobs, DefaultName, nil)
		ended <- result{v, err}
	}()
	<-plan.Reached("open", 2)
	must(t, s.Store().Clear())
	fill(t, s.Store(), 100, 107)
	save(t, s)
	plan.Clear()
	r := <-ended
	must(t, r.err)
	same(t, "snapshots", len(r.v.Snapshots), 0)
}

func TestParity60_Names(t *testing.T) {
	var p place
	for name, want := range map[string]error{
		"orders": nil, "orders-2": nil, "a.b-c_9": nil, "..": ErrOption, "a/b": ErrOption, "with space": ErrOption, "../x": ErrOption, "/x": ErrOption,
		".hidden": ErrOption, "Upper": ErrOption, "nul\x00": ErrOption, strings.Repeat("x", 129): ErrOption, "ä": ErrOption,
	} {
		o := manual()
		o.Name = name
		s, err := Open(t.Context(), p.handle(t), keyed(3), o)
		if want != nil {
			fails(t, err, want)
			continue
		}
		must(t, err)
		fill(t, s.Store(), 0, 100)
		must(t, s.Close())
		must(t, s.blobs.Close())
	}
	names, err := Names(t.Context(), p.handle(t))
	must(t, err)
	same(t, "listed", names, []string{"a.b-c_9", "orders", "orders-2"})
	m := p.manifests(t, "orders")[0]
	same(t, "partitions", []int{m.Partitions[0].Number, m.Partitions[1].Number, m.Partitions[2].Number}, []int{0, 1, 2})
	for _, name := range p.names(t, "") {
		must(t, sinks.CheckBlobName(name))
	}

	for _, name := range []string{"a", "b/c", "orders0/manifests/x", "ordersz/y"} { // names around the ones that there are
		putBlob(t, p.handle(t), name, nil)
	}
	names, err = Names(t.Context(), p.handle(t))
	must(t, err)
	same(t, "listed", names, []string{"a.b-c_9", "orders", "orders-2", "orders0"})
	blobs, _ := p.faulty(t, "list:2 error io")
	_, err = Names(t.Context(), blobs)
	fails(t, err, faultstore.ErrInjected)
}

func TestParity59_NothingTemporary(t *testing.T) {
	var p place
	o := manual()
	o.NoLease = true
	s := open(t, p.handle(t), one(), o)
	for n := range 5 {
		fill(t, s.Store(), 10*n, 10*n+10)
		save(t, s)
	}
	for _, name := range p.names(t, "") {
		_, manifest := manifestOrdinal(DefaultName, name)
		if rest, object := strings.CutPrefix(name, objectPrefix(DefaultName)); !manifest && !(object && strings.Count(rest, "-") == 2) {
			t.Errorf("%s is left", name)
		}
	}

	// The next object's name is taken: nothing is overwritten.
	taken := objectName(DefaultName, 6, s.writer, int(s.object.Load())+1)
	putBlob(t, p.handle(t), taken, []byte("of somebody else"))
	fill(t, s.Store(), 50, 60)
	fails(t, s.Save(t.Context()), ErrConflict)
	c := copier{}
	data, err := c.fetch(t.Context(), p.handle(t), taken)
	must(t, err)
	same(t, "not overwritten", string(data), "of somebody else")
	save(t, s) // under the next name
	same(t, "events", p.newest(t).Events(), 60)
	crash(t, s)

	// What a process that ended has left is ignored, and swept behind the first snapshot of the next one.
	orphan := objectName(DefaultName, 7, "0123456789abcdef", 1)
	putBlob(t, p.handle(t), orphan, []byte("half of it"))
	s = open(t, p.handle(t), one(), o)
	same(t, "restored", s.Report().Events, 60)
	fill(t, s.Store(), 60, 70)
	save(t, s)
	same(t, "swept", slices.Contains(p.names(t, ""), orphan), false)
}
