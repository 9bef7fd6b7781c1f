package sqlitestore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ephemera-go/ephemera/sinks"
	sqlitestore "github.com/ephemera-go/ephemera/storage-sqlite"
)

// TestDamagedFile flips bits all over a file. Whatever comes back is right, or there is an error; what is missing is found
// by Verify; nothing panics.
func TestDamagedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	want := series(1, 400)
	body := bytes.Repeat([]byte("content "), 5000)
	s, b := openSignals(t, path, quick), openBlobs(t, path, quick)
	must(t, s.Append(t.Context(), want))
	must(t, b.Put(t.Context(), "blob", int64(len(body)), bytes.NewReader(body)))
	stat, err := s.Stat(t.Context())
	must(t, err)
	closeAll(t, s, b)
	sound, err := os.ReadFile(path)
	must(t, err)

	const page = 4096
	random := rand.New(rand.NewPCG(1, 2))
	var places []int
	for n := 0; n < len(sound); n += page {
		places = append(places, n, n+3, n+5, n+8, n+9, n+random.IntN(100), n+random.IntN(page), n+page-1-random.IntN(200))
	}
	for i := 0; i < 100; i++ { // the header of the file
		places = append(places, i)
	}
	c := damage{ctx: t.Context(), want: want, stat: stat, body: body}
	for i, place := range places {
		damaged := slices.Clone(sound)
		damaged[place] ^= 1 << random.IntN(8)
		if i%5 == 0 {
			damaged[place] = ^sound[place]
		}
		copied := filepath.Join(t.TempDir(), "x.db")
		must(t, os.WriteFile(copied, damaged, 0o600))
		if err := c.check(copied); err != nil {
			t.Errorf("byte %d of %d, %#02x made %#02x: %v", place, len(sound), sound[place], damaged[place], err)
		}
	}
	if c.found == 0 || c.harmless == 0 {
		t.Errorf("%d found, %d harmless: the places prove nothing", c.found, c.harmless)
	}
	t.Logf("%d places: %d found, %d harmless", len(places), c.found, c.harmless)
}

type damage struct {
	ctx             context.Context
	want            []sinks.Signal
	stat            sinks.SignalStat
	body            []byte
	found, harmless int
}

// check opens a damaged file and returns what is wrong with what the stores say.
func (d *damage) check(path string) error {
	s, err := sqlitestore.OpenSignals(d.ctx, path, &quick)
	if err != nil {
		return d.typed(err)
	}
	defer func() { _ = s.Close() }()
	signals, read := readAll(d.ctx, s)
	for _, got := range signals {
		if got.Sequence > uint64(len(d.want)) || !got.Equal(d.want[got.Sequence-1]) {
			return fmt.Errorf("wrong signal %+v", got)
		}
	}
	stat, statErr := s.Stat(d.ctx)
	verified := sinks.Verify(d.ctx, s)
	if err := errors.Join(read, statErr, verified); err != nil {
		return d.typed(errors.Join(read, statErr, verified))
	}
	if len(signals) != len(d.want) || stat != d.stat {
		return fmt.Errorf("%d signals, %+v, and Verify saw nothing", len(signals), stat)
	}
	return d.checkBlobs(path)
}

func (d *damage) checkBlobs(path string) error {
	b, err := sqlitestore.OpenBlobs(d.ctx, path, &quick)
	if err != nil {
		return d.typed(err)
	}
	defer func() { _ = b.Close() }()
	body, read := content(d.ctx, b, "blob")
	if read == nil && !bytes.Equal(body, d.body) {
		return errors.New("wrong content")
	}
	if err := sinks.Verify(d.ctx, b); err != nil {
		return d.typed(err)
	}
	if read != nil {
		// The name or the size were changed to others that are as good.
		list, err := b.List(d.ctx, "", "", 0)
		if !errors.Is(read, sinks.ErrNotFound) || err != nil || len(list) == 1 && list[0].Name == "blob" {
			return fmt.Errorf("reading says %w, listing %v, %w", read, list, err)
		}
	}
	d.harmless++
	return nil
}

func content(ctx context.Context, b sinks.BlobStore, name string) ([]byte, error) {
	r, _, err := b.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(r)
	return body, errors.Join(err, r.Close())
}

// typed wants an error that says what is the matter.
func (d *damage) typed(err error) error {
	d.found++
	for _, known := range []error{sinks.ErrCorrupt, sinks.ErrForeign, sinks.ErrTooNew, sinks.ErrReadOnly} {
		if errors.Is(err, known) {
			return nil
		}
	}
	return fmt.Errorf("not typed: %w", err)
}
