package sinktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"

	"github.com/ephemera-go/ephemera/sinks"
)

var blobManyCases = []testCase[sinks.BlobStore]{
	{name: "put-large", rule: "a blob of many parts comes back whole; when its reader fails late nothing is stored", run: putLarge},
	{name: "put-many", rule: "Puts of different names at the same time do not disturb each other", run: putMany},
	{name: "second-race", rule: "of Puts of one name through two handles exactly one succeeds, and its bytes are stored", needs: second, run: secondRace},
	{name: "list-many", rule: "a listing of more than a thousand is whole; in pages it holds what is there all the time once, in order, whatever comes and goes", run: listMany},
}

// large is 33 MiB and some bytes, which no part size of anybody divides; with -short it is 6 MiB, still several parts.
func large() int {
	if testing.Short() {
		return 6<<20 + 12_345
	}
	return 33<<20 + 12_345
}

// A stream is a piece of noise over and over. Its length is a prime, so that no part of another size can be missing,
// doubled or in the wrong place without being noticed.
type stream struct {
	noise    []byte
	at, size int
	end      error
}

func newStream(seed uint64, size int, end error) *stream {
	return &stream{noise: content(seed, 65_521), size: size, end: end}
}

func (s *stream) Read(p []byte) (int, error) {
	if s.at == s.size {
		return 0, s.end
	}
	n := copy(p[:min(len(p), s.size-s.at)], s.noise[s.at%len(s.noise):])
	s.at += n
	return n, nil
}

// sameStream compares two readers to their ends.
func sameStream(got, want io.Reader) error {
	a, b := make([]byte, 1<<16), make([]byte, 1<<16)
	for offset := 0; ; {
		n, err := io.ReadFull(got, a)
		m, _ := io.ReadFull(want, b)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		if !bytes.Equal(a[:n], b[:m]) {
			return fmt.Errorf("other bytes, or another number of them, from byte %d on", offset)
		}
		if n < len(a) {
			return nil
		}
		offset += n
	}
}

func putLarge(p *place[sinks.BlobStore]) error {
	s, err := p.open()
	if err != nil {
		return err
	}
	size := large()
	bad := func(readable int, end error) error {
		return s.Put(p.ctx, "large", int64(size), newStream(1, readable, end))
	}
	err = all(
		wantErr("Put whose reader fails late", bad(size/2, errReader), errReader),
		wantErr("Put whose reader fails at its very end", bad(size, errReader), errReader),
		wantErr("Put whose reader ends late, but too early", bad(size-1, io.EOF), sinks.ErrInvalid),
		names(p.ctx, s, "", "", 0),
		s.Put(p.ctx, "large", int64(size), newStream(2, size, io.EOF)),
	)
	if err != nil {
		return err
	}
	r, got, err := s.Open(p.ctx, "large")
	if err != nil {
		return err
	}
	err = errors.Join(sameStream(r, newStream(2, size, io.EOF)), r.Close())
	if err != nil || got != int64(size) {
		return fmt.Errorf("a blob of %d bytes came back as %d: %w", size, got, err)
	}
	return all(s.Delete(p.ctx, "large"), absent(p.ctx, s, "large"))
}

func putMany(p *place[sinks.BlobStore]) error {
	s, err := p.open()
	if err != nil {
		return err
	}
	const writers, each = 16, 4
	name := func(writer, n int) string { return fmt.Sprintf("many/%d/%02d", n%3, writer*each+n) }
	body := func(writer, n int) []byte { return content(uint64(writer), 1000*n+writer) }
	err = together(writers, func(writer int) error {
		var problems []error
		for n := range each {
			problems = append(problems, put(p.ctx, s, name(writer, n), body(writer, n)))
		}
		return errors.Join(problems...)
	})
	var want []string
	for writer := range writers {
		for n := range each {
			want = append(want, name(writer, n))
			if err == nil {
				err = holds(p.ctx, s, name(writer, n), body(writer, n))
			}
		}
	}
	slices.Sort(want)
	return all(err, names(p.ctx, s, "", "", 0, want...))
}

func secondRace(p *place[sinks.BlobStore]) error {
	var handles [2]sinks.BlobStore
	for i := range handles {
		s, err := p.open()
		if err != nil {
			return err
		}
		handles[i] = s
	}
	for round := range 5 {
		name := fmt.Sprintf("race/%d", round)
		if err := race(p.ctx, name, 6, func(i int) sinks.BlobStore { return handles[i%2] }); err != nil {
			return err
		}
	}
	return nil
}

// race puts one name several times at the same time.
func race(ctx context.Context, name string, writers int, through func(i int) sinks.BlobStore) error {
	results := make([]error, writers)
	var group sync.WaitGroup
	for i := range writers {
		group.Go(func() { results[i] = put(ctx, through(i), name, content(uint64(i), 5000+i)) })
	}
	group.Wait()
	winner := -1
	for i, err := range results {
		switch {
		case err == nil && winner >= 0:
			return fmt.Errorf("writers %d and %d both put %s", winner, i, name)
		case err == nil:
			winner = i
		case !errors.Is(err, sinks.ErrExists):
			return fmt.Errorf("a losing Put returned %w", err)
		}
	}
	if winner < 0 {
		return errors.New("all Puts of a free name failed with ErrExists")
	}
	for i := range 2 {
		if err := holds(ctx, through(i), name, content(uint64(winner), 5000+winner)); err != nil {
			return err
		}
	}
	return nil
}

// crowded is more than what servers put on one page.
const crowded = 1050

func listMany(p *place[sinks.BlobStore]) error {
	s, err := p.open()
	if err != nil {
		return err
	}
	want := make([]string, crowded)
	for n := range want {
		want[n] = fmt.Sprintf("crowd/%05d", 2*n)
	}
	const writers = 8
	err = together(writers, func(writer int) error {
		for n := writer; n < crowded; n += writers {
			if err := put(p.ctx, s, want[n], []byte{1}); err != nil {
				return err
			}
		}
		return nil
	})
	err = all(
		err,
		names(p.ctx, s, "", "", 0, want...),
		names(p.ctx, s, "crowd/", "", crowded, want...),
		names(p.ctx, s, "crowd", "", 1001, want[:1001]...),
		names(p.ctx, s, "", want[1000], 1001, want[1001:]...),
	)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(p.ctx)
	changing := make(chan error, 1)
	go func() { changing <- comeAndGo(ctx, s) }()
	for _, size := range []int{90, 1000} {
		if err == nil {
			err = listBeside(p.ctx, s, size, want)
		}
	}
	stop()
	return all(err, <-changing)
}

// comeAndGo puts and deletes blobs between those that stay, until ctx ends.
func comeAndGo(ctx context.Context, s sinks.BlobStore) error {
	for n := 0; ; n = (n + 37) % crowded {
		name := fmt.Sprintf("crowd/%05d", 2*n+1)
		for _, err := range []error{put(ctx, s, name, []byte{2, 2}), s.Delete(ctx, name)} {
			if ctx.Err() != nil {
				return nil
			}
			if err != nil {
				return fmt.Errorf("beside a listing: %w", err)
			}
		}
	}
}

// listBeside reads a listing page by page while blobs come and go, behind it for sure.
func listBeside(ctx context.Context, s sinks.BlobStore, size int, want []string) error {
	var stayed []string
	after := ""
	behind := func(n int) string { return fmt.Sprintf("crowd/00000.%d", n) }
	for n := 0; ; n++ {
		if n > 0 {
			if err := put(ctx, s, behind(n), []byte{2, 2}); err != nil {
				return err
			}
		}
		if n > 1 {
			if err := s.Delete(ctx, behind(n-1)); err != nil {
				return err
			}
		}
		page, err := s.List(ctx, "", after, size)
		if err != nil {
			return err
		}
		if len(page) == 0 || len(page) > size {
			if err := s.Delete(ctx, behind(n)); err != nil {
				return err
			}
			break
		}
		for _, b := range page {
			if b.Name <= after {
				return fmt.Errorf("pages of %d: %s after %s", size, b.Name, after)
			}
			if after = b.Name; b.Size == 1 {
				stayed = append(stayed, b.Name)
			}
		}
	}
	if !slices.Equal(stayed, want) {
		return fmt.Errorf("pages of %d, while others came and went, hold %d of %d blobs that were there all the time", size, len(stayed), len(want))
	}
	return nil
}
