package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/faultstore"
	"github.com/ephemera-go/ephemera/sinks/filestore"
)

// equalPlaces wants all blobs of a name to be the same.
func equalPlaces(t *testing.T, from, to sinks.BlobStore, name string) {
	t.Helper()
	ctx, c := context.Background(), copier{}
	want, err := from.List(ctx, name+"/", "", 0)
	must(t, err)
	got, err := to.List(ctx, name+"/", "", 0)
	must(t, err)
	same(t, "blobs", got, want)
	for _, b := range want {
		x, err := c.fetch(ctx, from, b.Name)
		must(t, err)
		y, err := c.fetch(ctx, to, b.Name)
		must(t, err)
		same(t, b.Name, string(y), string(x))
	}
}

func TestCopy(t *testing.T) {
	p := growingPlace(t)
	var progress []Progress
	file, err := filestore.OpenBlobs(t.Context(), t.TempDir(), nil)
	must(t, err)
	defer func() { _ = file.Close() }()
	done, err := Copy(t.Context(), p.handle(t), file, CopyOptions{Progress: func(p Progress) { progress = append(progress, p) }})
	must(t, err)
	v, err := Verify(t.Context(), p.handle(t), DefaultName, nil)
	must(t, err)
	if done.Snapshots != 3 || done.Objects != 3 || done.Present != 0 || done.Bytes < v.Bytes || len(done.Skipped) > 0 {
		t.Errorf("%+v", done)
	}
	if x := newestOf(progress); x.Operation != "copy" || x.Done != x.Total || x.Done != done.Bytes {
		t.Errorf("%+v", x)
	}
	equalPlaces(t, p.handle(t), file, DefaultName)
	again, err := Copy(t.Context(), p.handle(t), file, CopyOptions{})
	must(t, err)
	same(t, "again", again, Copied{Present: 6})

	s, err := Open(t.Context(), file, one(), manual())
	must(t, err)
	same(t, "events", numbers(t, s.Store()), count(0, 1020))
	same(t, "epoch", s.Store().Epoch(), p.newest(t).Epoch)
	must(t, s.Close())

	newest := new(place)
	done, err = Copy(t.Context(), p.handle(t), newest.handle(t), CopyOptions{Newest: true})
	must(t, err)
	same(t, "newest", done.Snapshots, 1)
	same(t, "newest", newest.newest(t).Ordinal, 3)
	done, err = Copy(t.Context(), p.handle(t), newest.handle(t), CopyOptions{}) // and now the others
	must(t, err)
	same(t, "others", done.Snapshots, 2)
	equalPlaces(t, p.handle(t), newest.handle(t), DefaultName)

	_, err = Copy(t.Context(), new(place).handle(t), newest.handle(t), CopyOptions{})
	fails(t, err, ErrNoSnapshot)
	_, err = Copy(t.Context(), p.handle(t), newest.handle(t), CopyOptions{Name: "a/b"})
	fails(t, err, ErrOption)
	other := growingPlace(t)
	_, err = Copy(t.Context(), other.handle(t), newest.handle(t), CopyOptions{})
	fails(t, err, ErrConflict)
	equalPlaces(t, p.handle(t), newest.handle(t), DefaultName+"/manifests")
}

// TestCopyIsResumed: interrupted at any call, in any way, on either side, the target holds whole snapshots only, and the next
// copy brings the rest.
func TestCopyIsResumed(t *testing.T) {
	p := growingPlace(t)
	for _, c := range []struct {
		rule   string
		source bool
	}{
		{"*:%d error io", true},
		{"*:%d+ error io", true},
		{"open:%d partial 50 bytes io", true},
		{"*:%d error full", false},
		{"*:%d+ error full", false},
		{"put:%d lost-reply", false},
		{"put:%d partial 50 bytes", false},
	} {
		for k := 1; ; k++ {
			target := new(place)
			from, to := p.handle(t), target.handle(t)
			plan := new(faultstore.Plan)
			if c.source {
				from, plan = p.faulty(t, fmt.Sprintf(c.rule, k))
			} else {
				to, plan = target.faulty(t, fmt.Sprintf(c.rule, k))
			}
			_, err := Copy(t.Context(), from, to, CopyOptions{})
			if plan.Injected() == 0 {
				must(t, err)
				break
			}
			fails(t, err, faultstore.ErrInjected)
			if errors.Is(err, ErrCorrupt) {
				t.Errorf("%s at %d: %v", c.rule, k, err)
			}
			_ = from.Close()
			_ = to.Close()
			for i, m := range target.manifests(t, DefaultName) { // fails if one is not whole
				same(t, "oldest first", m.Ordinal, uint64(i+1))
			}
			_, err = Copy(t.Context(), p.handle(t), target.handle(t), CopyOptions{})
			must(t, err)
			equalPlaces(t, p.handle(t), target.handle(t), DefaultName)
		}
	}
}

// TestCopyOfDamage: what is damaged is left out and told, the rest is copied.
func TestCopyOfDamage(t *testing.T) {
	for what, c := range map[string]struct {
		damage  func(p *place)
		skipped []uint64
	}{
		"manifest":      {func(p *place) { p.tear(t, manifestName(DefaultName, 2)) }, []uint64{2}},
		"object":        {func(p *place) { p.alter(t, newestOf(p.newest(t).Objects).Name, flip) }, []uint64{3}},
		"object gone":   {func(p *place) { must(t, p.handle(t).Delete(t.Context(), newestOf(p.newest(t).Objects).Name)) }, []uint64{3}},
		"shared object": {func(p *place) { p.tear(t, p.newest(t).Objects[0].Name) }, []uint64{1, 2, 3}},
	} {
		p, target := growingPlace(t), new(place)
		c.damage(p)
		done, err := Copy(t.Context(), p.handle(t), target.handle(t), CopyOptions{})
		fails(t, err)
		var skipped []uint64
		for _, s := range done.Skipped {
			skipped = append(skipped, s.Ordinal)
			if !damaged(s.Err) || !strings.Contains(err.Error(), s.Err.Error()) {
				t.Errorf("%s: %v", what, s.Err)
			}
		}
		same(t, what, skipped, c.skipped)
		same(t, what, done.Snapshots, 3-len(skipped))
		same(t, what, len(target.manifests(t, DefaultName)), 3-len(skipped))
	}
}

// TestCopyOfMarks: a final snapshot that somebody has opened counts as opened at the target, whoever copied it when.
func TestCopyOfMarks(t *testing.T) {
	p, target := growingPlace(t), new(place)
	_, err := Copy(t.Context(), p.handle(t), target.handle(t), CopyOptions{})
	must(t, err)
	s := open(t, p.handle(t), one(), manual())
	_, err = Copy(t.Context(), p.handle(t), target.handle(t), CopyOptions{})
	must(t, err)
	equalPlaces(t, p.handle(t), target.handle(t), DefaultName)
	there := open(t, target.handle(t), one(), manual())
	if there.Store().Epoch() == s.Store().Epoch() {
		t.Error("the epoch goes on in both places")
	}
	// Opened in both places by different Savers: that is no conflict, for it is opened anyway.
	both := new(place)
	q := growingPlace(t)
	_, err = Copy(t.Context(), q.handle(t), both.handle(t), CopyOptions{})
	must(t, err)
	crash(t, open(t, q.handle(t), one(), manual()))
	crash(t, open(t, both.handle(t), one(), manual()))
	_, err = Copy(t.Context(), q.handle(t), both.handle(t), CopyOptions{})
	must(t, err)
}

// TestCopyBesideASaver: what is pruned at the source meanwhile is left out.
func TestCopyBesideASaver(t *testing.T) {
	var p, target place
	o := manual()
	o.Keep = 1
	s := open(t, p.handle(t), one(), o)
	fill(t, s.Store(), 0, 10)
	save(t, s)
	blobs, plan := p.faulty(t, "open:2 stall")
	type result struct {
		done Copied
		err  error
	}
	ended := make(chan result, 1)
	go func() {
		done, err := Copy(context.Background(), blobs, target.handle(t), CopyOptions{})
		ended <- result{done, err}
	}()
	<-plan.Reached("open", 2)
	must(t, s.Store().Clear())
	fill(t, s.Store(), 100, 107)
	save(t, s)
	plan.Clear()
	r := <-ended
	must(t, r.err)
	same(t, "copied", r.done, Copied{})
	done, err := Copy(t.Context(), p.handle(t), target.handle(t), CopyOptions{})
	must(t, err)
	same(t, "copied", done.Snapshots, 1)
}

// sickStore is a blob store that finds all that it holds damaged.
type sickStore struct{ plainStore }

func (s sickStore) Open(context.Context, string) (io.ReadCloser, int64, error) {
	return nil, 0, sinks.ErrCorrupt
}

// TestCopyToADamagedTarget: what is wrong with the target ends the copy; it is not taken for a damaged source, and left out.
func TestCopyToADamagedTarget(t *testing.T) {
	p, target := growingPlace(t), new(place)
	_, err := Copy(t.Context(), p.handle(t), target.handle(t), CopyOptions{})
	must(t, err)
	done, err := Copy(t.Context(), p.handle(t), sickStore{plainStore{target.handle(t)}}, CopyOptions{})
	fails(t, err, ErrCorrupt)
	same(t, "skipped", len(done.Skipped), 0)
}
