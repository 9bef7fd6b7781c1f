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

var blobReadCases = []testCase[sinks.BlobStore]{
	{name: "open-absent", rule: "an absent blob is ErrNotFound", run: func(p *place[sinks.BlobStore]) error {
		s, err := p.open()
		if err != nil {
			return err
		}
		if err := put(p.ctx, s, "a/b", nil); err != nil {
			return err
		}
		for _, name := range []string{"x", "a", "a/b/c", "a/c"} {
			_, _, err := s.Open(p.ctx, name)
			if err := wantErr("Open of absent "+name, err, sinks.ErrNotFound); err != nil {
				return err
			}
		}
		return nil
	}},
	{name: "open-many", rule: "contents that are open at the same time do not disturb each other", run: openMany},
	{name: "open-cancelled", rule: "the end of the context that a blob was opened with ends its content", run: openCancelled},
	{name: "delete", rule: "a deleted blob is gone, deleting it again is no error, and its name is free", run: func(p *place[sinks.BlobStore]) error {
		s, err := p.open()
		if err != nil {
			return err
		}
		return all(
			put(p.ctx, s, "a/b", content(1, 10)),
			put(p.ctx, s, "a/c", content(2, 10)),
			s.Delete(p.ctx, "a/b"),
			absent(p.ctx, s, "a/b"),
			s.Delete(p.ctx, "a/b"),
			s.Delete(p.ctx, "never"),
			s.Delete(p.ctx, "a"),
			holds(p.ctx, s, "a/c", content(2, 10)),
			put(p.ctx, s, "a/b", content(3, 10)),
			holds(p.ctx, s, "a/b", content(3, 10)),
		)
	}},
	{name: "delete-open", rule: "a content that is open while its blob is deleted delivers the old bytes or fails", run: deleteOpen},
}

func openMany(p *place[sinks.BlobStore]) error {
	s, err := p.open()
	if err != nil {
		return err
	}
	const blobs = 6
	name := func(i int) string { return fmt.Sprintf("blob/%d", i) }
	body := func(i int) []byte { return content(uint64(i), 100_000+i) }
	var contents [blobs]io.ReadCloser
	for i := range blobs {
		if err := put(p.ctx, s, name(i), body(i)); err != nil {
			return err
		}
		if contents[i], _, err = s.Open(p.ctx, name(i)); err != nil {
			return err
		}
	}
	// A piece of each in turn, then at the same time.
	var got [blobs][]byte
	for range 11 {
		for i, r := range contents {
			piece := make([]byte, 10_000)
			n, err := io.ReadFull(r, piece)
			if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				return err
			}
			got[i] = append(got[i], piece[:n]...)
		}
	}
	for i, r := range contents {
		if err := r.Close(); err != nil {
			return err
		}
		if !bytes.Equal(got[i], body(i)) {
			return fmt.Errorf("blob %d of %d that were read in turn came back changed", i, blobs)
		}
	}
	return together(blobs, func(i int) error { return holds(p.ctx, s, name(i), body(i)) })
}

func openCancelled(p *place[sinks.BlobStore]) error {
	s, err := p.open()
	if err != nil {
		return err
	}
	b := content(1, 3<<20)
	if err := put(p.ctx, s, "a", b); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	r, _, err := s.Open(ctx, "a")
	if err != nil {
		return err
	}
	_, err = io.ReadFull(r, make([]byte, 100))
	cancel()
	_, ended := io.Copy(io.Discard, r)
	return all(
		err,
		wantErr("reading on after the end of the context", ended, context.Canceled),
		r.Close(),
		holds(p.ctx, s, "a", b),
	)
}

// deleteOpen deletes while nothing and while a part has been read.
func deleteOpen(p *place[sinks.BlobStore]) error {
	s, err := p.open()
	if err != nil {
		return err
	}
	for i, begun := range []int{0, 1, 100_000} {
		b, other := content(1, 3<<20), content(2, 3<<20)
		name := fmt.Sprintf("deleted/%d", i)
		if err := put(p.ctx, s, name, b); err != nil {
			return err
		}
		r, _, err := s.Open(p.ctx, name)
		if err != nil {
			return err
		}
		got := make([]byte, begun)
		_, err = io.ReadFull(r, got)
		if err := all(err, s.Delete(p.ctx, name), put(p.ctx, s, name, other)); err != nil {
			return errors.Join(err, r.Close())
		}
		rest, err := io.ReadAll(r)
		if closing := r.Close(); closing != nil {
			return closing
		}
		if !bytes.HasPrefix(b, append(got, rest...)) || err == nil && begun+len(rest) != len(b) {
			return fmt.Errorf("the content of a blob that was deleted after %d bytes ended early without an error, or holds other bytes", begun)
		}
		if err := holds(p.ctx, s, name, other); err != nil {
			return err
		}
	}
	return nil
}

// tricky holds names whose order by bytes differs from that by path, and prefixes of each other.
var tricky = []string{"a", "a-", "a-b/c", "a.", "a.b", "a/-", "a/b", "a/b-c", "a/b/c", "a/c", "a0", "aa", "ab/c", "b"}

var blobListCases = []testCase[sinks.BlobStore]{
	{name: "list", rule: "a listing is in order of bytes, holds what starts with prefix and lies after the bound, and says sizes", run: list},
	{name: "list-pages", rule: "pages of any size join to the whole listing", run: listPages},
	{name: "list-hostile", rule: "a negative limit and bytes that no name holds are ErrInvalid", run: func(p *place[sinks.BlobStore]) error {
		s, err := p.open()
		if err != nil {
			return err
		}
		_, negative := s.List(p.ctx, "", "", -1)
		_, prefix := s.List(p.ctx, "a*", "", 0)
		_, bound := s.List(p.ctx, "", "a\x00", 0)
		_, long := s.List(p.ctx, strings.Repeat("x", 513), "", 0)
		return all(
			wantErr("List with limit -1", negative, sinks.ErrInvalid),
			wantErr("List of a*", prefix, sinks.ErrInvalid),
			wantErr("List after NUL", bound, sinks.ErrInvalid),
			wantErr("List of a long prefix", long, sinks.ErrInvalid),
			names(p.ctx, s, "../", "", 0),
			names(p.ctx, s, ".", "", 0),
			names(p.ctx, s, "/", "", 0),
		)
	}},
}

func fill(p *place[sinks.BlobStore]) (sinks.BlobStore, error) {
	s, err := p.open()
	if err != nil {
		return nil, err
	}
	order := slices.Clone(tricky)
	slices.Reverse(order)
	for i, name := range order {
		if err := put(p.ctx, s, name, content(1, i)); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func list(p *place[sinks.BlobStore]) error {
	s, err := fill(p)
	if err != nil {
		return err
	}
	blobs, err := s.List(p.ctx, "", "", 0)
	if err != nil {
		return err
	}
	for i, b := range blobs {
		if want := int64(len(blobs) - 1 - i); b.Size != want {
			return fmt.Errorf("the listing says that %s has %d bytes; it has %d", b.Name, b.Size, want)
		}
	}
	bounds := append([]string{"", "0", "a/", "a/b/", "a/b/b", "a/z", "a-b", "a-b/", "a1", "zz"}, tricky...)
	prefixes := append([]string{"", "a/b/", "a/", "a-b", "ab/", "c", "a/b/c/d", "/"}, tricky...)
	for _, prefix := range prefixes {
		for _, after := range bounds {
			var want []string
			for _, name := range tricky {
				if strings.HasPrefix(name, prefix) && name > after {
					want = append(want, name)
				}
			}
			if err := names(p.ctx, s, prefix, after, 0, want...); err != nil {
				return err
			}
			if err := names(p.ctx, s, prefix, after, 2, want[:min(2, len(want))]...); err != nil {
				return err
			}
		}
	}
	return nil
}

func listPages(p *place[sinks.BlobStore]) error {
	s, err := fill(p)
	if err != nil {
		return err
	}
	for size := 1; size <= len(tricky)+1; size++ {
		var got []string
		after := ""
		for {
			page, err := s.List(p.ctx, "", after, size)
			if err != nil {
				return err
			}
			if len(page) > size {
				return fmt.Errorf("a page of at most %d holds %d", size, len(page))
			}
			if len(page) == 0 {
				break
			}
			for _, b := range page {
				got = append(got, b.Name)
			}
			if len(got) > len(tricky) {
				return fmt.Errorf("pages of %d hold names twice: %q", size, got)
			}
			after = page[len(page)-1].Name
		}
		if !slices.Equal(got, tricky) {
			return fmt.Errorf("pages of %d: got %q, want %q", size, got, tricky)
		}
	}
	return nil
}
