package sinktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ephemera-go/ephemera/sinks"
)

var blobPutCases = []testCase[sinks.BlobStore]{
	{name: "put", rule: "what was put comes back byte for byte, with its size", run: func(p *place[sinks.BlobStore]) error {
		s, err := p.open()
		for i, size := range []int{0, 1, 511, 4096, 65537, 1 << 20} {
			name := fmt.Sprintf("sizes/%d", size)
			if err == nil {
				err = put(p.ctx, s, name, content(uint64(i), size))
			}
			if err == nil {
				err = holds(p.ctx, s, name, content(uint64(i), size))
			}
		}
		return err
	}},
	{name: "put-exists", rule: "a name that is taken is ErrExists, and the blob stays as it is", run: putExists},
	{name: "put-bad-reader", rule: "a Put whose reader fails or delivers another size fails and stores nothing", run: putBadReader},
	{name: "put-cancelled", rule: "a Put whose context is over before or during reading stores nothing", run: putCancelled},
	{name: "put-race", rule: "of concurrent Puts of one name exactly one succeeds, and its bytes are stored", run: putRace},
	{name: "put-names", rule: "every legal name works, also one that is the beginning of another", run: putNames},
	{name: "put-hostile", rule: "an illegal name or size is ErrInvalid and changes nothing", run: putHostile},
}

func putExists(p *place[sinks.BlobStore]) error {
	s, err := p.open()
	if err != nil {
		return err
	}
	first := content(1, 100)
	if err := put(p.ctx, s, "a/b", first); err != nil {
		return err
	}
	return all(
		wantErr("Put of a taken name", put(p.ctx, s, "a/b", content(2, 100)), sinks.ErrExists),
		wantErr("Put of a taken name with the same bytes", put(p.ctx, s, "a/b", first), sinks.ErrExists),
		holds(p.ctx, s, "a/b", first),
		names(p.ctx, s, "", "", 0, "a/b"),
	)
}

var errReader = errors.New("the reader failed")

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errReader }

func putBadReader(p *place[sinks.BlobStore]) error {
	s, err := p.open()
	if err != nil {
		return err
	}
	const half = 70_000
	readers := []struct {
		name string
		size int64
		r    io.Reader
		want error
	}{
		{"fails-at-once", 10, failingReader{}, errReader},
		{"fails-halfway", 2 * half, io.MultiReader(bytes.NewReader(content(1, half)), failingReader{}), errReader},
		{"fails-at-end", half, io.MultiReader(bytes.NewReader(content(1, half)), failingReader{}), errReader},
		{"fails-though-empty", 0, failingReader{}, errReader},
		{"short", 2 * half, bytes.NewReader(content(1, half)), sinks.ErrInvalid},
		{"empty", 1, strings.NewReader(""), sinks.ErrInvalid},
		{"long", half, bytes.NewReader(content(1, half+1)), sinks.ErrInvalid},
		{"not-empty", 0, strings.NewReader("x"), sinks.ErrInvalid},
	}
	for _, r := range readers {
		err := all(
			wantErr("Put with reader "+r.name, s.Put(p.ctx, r.name, r.size, r.r), r.want),
			absent(p.ctx, s, r.name),
			put(p.ctx, s, r.name, []byte(r.name)),
			holds(p.ctx, s, r.name, []byte(r.name)),
		)
		if err != nil {
			return err
		}
	}
	return nil
}

// cancelReader ends its context halfway.
type cancelReader struct {
	cancel context.CancelFunc
	io.Reader
}

func (c *cancelReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p[:min(len(p), 100)])
	c.cancel()
	return n, err
}

func putCancelled(p *place[sinks.BlobStore]) error {
	s, err := p.open()
	if err != nil {
		return err
	}
	over, cancel := context.WithCancel(p.ctx)
	cancel()
	err = all(
		wantErr("Put with a context that is over", put(over, s, "over", content(1, 10)), context.Canceled),
		absent(p.ctx, s, "over"),
	)
	if err != nil {
		return err
	}
	ending, cancel := context.WithCancel(p.ctx)
	defer cancel()
	b := content(2, 100_000)
	r := &cancelReader{cancel, bytes.NewReader(b)}
	return all(
		wantErr("Put whose context ended while it read", s.Put(ending, "ending", int64(len(b)), r), context.Canceled),
		absent(p.ctx, s, "ending"),
		put(p.ctx, s, "ending", b),
		holds(p.ctx, s, "ending", b),
	)
}

func putRace(p *place[sinks.BlobStore]) error {
	s, err := p.open()
	for round := range 5 {
		if err == nil {
			err = race(p.ctx, fmt.Sprintf("race/%d", round), 8, func(int) sinks.BlobStore { return s })
		}
	}
	return err
}

func putNames(p *place[sinks.BlobStore]) error {
	s, err := p.open()
	if err != nil {
		return err
	}
	longest := strings.Repeat("x", 128)
	legal := []string{
		"-", "0", "_", "a", "a-b", "a.b", "a/b", "a/b/c", "a0", "a_b", "b..c", "tmp/x", "blobs/x", "signals/x", "lease", "lock",
		longest, longest + "/" + longest + "/" + longest + "/" + strings.Repeat("y", 125),
	}
	for i, name := range legal {
		if err := put(p.ctx, s, name, content(uint64(i), 20)); err != nil {
			return err
		}
	}
	for i, name := range legal {
		if err := holds(p.ctx, s, name, content(uint64(i), 20)); err != nil {
			return err
		}
	}
	slices.Sort(legal)
	return names(p.ctx, s, "", "", 0, legal...)
}

var hostileNames = []string{
	"", "/", "a/", "/a", "a//b", ".", "..", ".a", "a/.b", "../a", "a/../b", "a/..", "A", "a b", "a\\b", "a:b", "a\x00b", "a\nb", "é",
	"a\xff", "%2e%2e", "~", "a*", "c:/a", strings.Repeat("x", 129), strings.Repeat("x/", 256) + "x", "a+b", "a=b",
}

func putHostile(p *place[sinks.BlobStore]) error {
	s, err := p.open()
	if err != nil {
		return err
	}
	for _, name := range hostileNames {
		_, _, openErr := s.Open(p.ctx, name)
		err := all(
			wantErr(fmt.Sprintf("Put of name %q", name), put(p.ctx, s, name, content(1, 3)), sinks.ErrInvalid),
			wantErr(fmt.Sprintf("Open of name %q", name), openErr, sinks.ErrInvalid),
			wantErr(fmt.Sprintf("Delete of name %q", name), s.Delete(p.ctx, name), sinks.ErrInvalid),
		)
		if err != nil {
			return err
		}
	}
	return all(
		wantErr("Put of size -1", s.Put(p.ctx, "a", -1, strings.NewReader("")), sinks.ErrInvalid),
		names(p.ctx, s, "", "", 0),
	)
}
