package sinktest

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/faultstore"
)

var blobLifeCases = []testCase[sinks.BlobStore]{
	{name: "restart", rule: "what was acknowledged is there after a restart, what was deleted is not", needs: restarts, run: blobRestart},
	{name: "second-handle", rule: "what one handle stores the other sees at once", needs: second, run: func(p *place[sinks.BlobStore]) error {
		a, err := p.open()
		if err != nil {
			return err
		}
		b, err := p.open()
		if err != nil {
			return err
		}
		return all(
			put(p.ctx, a, "x/y", content(1, 100)),
			holds(p.ctx, b, "x/y", content(1, 100)),
			wantErr("Put of what the other handle has put", put(p.ctx, b, "x/y", content(2, 100)), sinks.ErrExists),
			b.Delete(p.ctx, "x/y"),
			absent(p.ctx, a, "x/y"),
			put(p.ctx, b, "x/z", content(3, 100)),
			names(p.ctx, a, "", "", 0, "x/z"),
		)
	}},
}

func blobRestart(p *place[sinks.BlobStore]) error {
	s, err := p.open()
	if err != nil {
		return err
	}
	err = all(
		put(p.ctx, s, "keep/a", content(1, 1000)),
		put(p.ctx, s, "keep/b", nil),
		put(p.ctx, s, "gone", content(2, 10)),
		s.Delete(p.ctx, "gone"),
		s.Close(),
	)
	if err != nil {
		return err
	}
	again, err := p.open()
	if err != nil {
		return err
	}
	return all(
		names(p.ctx, again, "", "", 0, "keep/a", "keep/b"),
		holds(p.ctx, again, "keep/a", content(1, 1000)),
		holds(p.ctx, again, "keep/b", nil),
		wantErr("Put of a name taken before the restart", put(p.ctx, again, "keep/a", content(1, 1000)), sinks.ErrExists),
		put(p.ctx, again, "gone", content(3, 10)),
		holds(p.ctx, again, "gone", content(3, 10)),
	)
}

var blobFaultCases = []testCase[sinks.BlobStore]{
	{name: "lost-reply", rule: "a Put whose reply was lost has stored the whole blob, so that repeating it is ErrExists", run: func(p *place[sinks.BlobStore]) error {
		s, err := faulty(p, "put:1 lost-reply")
		if err != nil {
			return err
		}
		b := content(1, 10_000)
		return all(
			wantErr("Put whose reply is lost", put(p.ctx, s, "a", b), sinks.ErrUnknownOutcome),
			wantErr("Put repeated", put(p.ctx, s, "a", b), sinks.ErrExists),
			holds(p.ctx, s, "a", b),
		)
	}},
	{name: "partial-put", rule: "a Put that breaks off after any number of bytes stores nothing, and can be repeated", run: partialPut},
}

func faulty(p *place[sinks.BlobStore], rules string) (sinks.BlobStore, error) {
	s, err := p.open()
	if err != nil {
		return nil, err
	}
	plan, err := faultstore.Parse(rules)
	if err != nil {
		return nil, err
	}
	return faultstore.Blobs(s, plan), nil
}

func partialPut(p *place[sinks.BlobStore]) error {
	s, err := p.open()
	if err != nil {
		return err
	}
	b := content(1, 9000)
	for _, cut := range []int{0, 1, 4095, 4096, 4097, 8999, 9000} {
		plan, err := faultstore.Parse(fmt.Sprintf("put:1 partial %d bytes io", cut))
		if err != nil {
			return err
		}
		name := fmt.Sprintf("cut-%d", cut)
		broken := faultstore.Blobs(keepOpen{s}, plan)
		err = all(
			wantErr(fmt.Sprintf("Put that breaks off after %d bytes", cut), put(p.ctx, broken, name, b), faultstore.ErrInjected),
			absent(p.ctx, s, name),
			put(p.ctx, broken, name, b),
			holds(p.ctx, s, name, b),
		)
		if err := errors.Join(err, broken.Close()); err != nil {
			return err
		}
	}
	return deletedStays(p, s, b)
}

// deletedStays makes sure that nothing of the attempts comes back in a new handle.
func deletedStays(p *place[sinks.BlobStore], s sinks.BlobStore, b []byte) error {
	blobs, err := s.List(p.ctx, "", "", 0)
	if err != nil {
		return err
	}
	for _, blob := range blobs {
		got, err := get(p.ctx, s, blob.Name)
		if err != nil || !bytes.Equal(got, b) {
			return fmt.Errorf("blob %s: %d bytes, error %s", blob.Name, len(got), say(err))
		}
	}
	return nil
}

// keepOpen lets a decorator come and go.
type keepOpen struct{ sinks.BlobStore }

func (keepOpen) Close() error { return nil }
