package snapshot

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/ephemera-go/ephemera/core"
)

// What is packed, and what is not, is read whatever the reader would use itself.
func TestParity52_RoundTripPackedOrNot(t *testing.T) {
	ctx := context.Background()
	all := readings(2000)
	for _, codec := range []Codec[reading]{JSON[reading](), readingFixed(), readingColumns()} {
		for _, how := range []Compression{NoCompression, S2, Zstd} {
			place := &shelf{map[string][]byte{}}
			o := Options[reading]{Codec: codec, Compression: how, Manual: true, NoLease: true}
			store := core.Options[reading]{Capacity: 4000}
			s, err := Open(ctx, place, store, o)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range all {
				if _, err := s.Store().Append(e); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			for _, o.Compression = range []Compression{NoCompression, S2, Zstd} {
				if got, err := loadAll(t, place, store, o); err != nil || !slices.Equal(got, all) {
					t.Errorf("%s written with %v, read with %v: %d events, %v", codec.Name(), how, o.Compression, len(got), err)
				}
			}
		}
	}
}

// Counts, sequences and times out of range, truncation, and failures to read are errors of their kind.
func TestParity52_MalformedInputIsATypedError(t *testing.T) {
	x := newSpecimen(t, 300, NoCompression)
	m, err := readManifest(context.Background(), x.shelf, DefaultName, 1)
	if err != nil {
		t.Fatal(err)
	}
	for what, spoil := range map[string]func(m *Manifest){
		"negative count":    func(m *Manifest) { m.Partitions[0].Blocks[0].Count = -5 },
		"oversized count":   func(m *Manifest) { m.Partitions[0].Blocks[0].Count = math.MaxInt32 },
		"negative capacity": func(m *Manifest) { m.Partitions[0].Capacity = math.MinInt },
		"sequences wrap":    func(m *Manifest) { m.Partitions[0].Next = m.Partitions[0].First - 1 },
		"ordinal 0":         func(m *Manifest) { m.Ordinal = 0 },
	} {
		bad := *m
		bad.Partitions = slices.Clone(m.Partitions)
		bad.Partitions[0].Blocks = slices.Clone(m.Partitions[0].Blocks)
		spoil(&bad)
		blob, err := bad.encode(DefaultName, NoCompression)
		if err != nil {
			t.Fatal(err)
		}
		x.with(x.manifest, blob, func() {
			if x.verdict(t, what) == nil {
				t.Errorf("%s: not found", what)
			}
		})
	}
	for what, f := range map[string][]byte{
		"a time with 2^30 nanoseconds": bytes.Replace(m.appendHead(nil), appendTime(nil, m.TakenAt), append(appendTime(nil, m.TakenAt)[:5], 0x80, 0x80, 0x80, 0x80, 4), 1),
		"a time without end":           bytes.Replace(m.appendHead(nil), appendTime(nil, m.TakenAt), bytes.Repeat([]byte{0xff}, 12), 1),
	} {
		head := append(appendText(nil, x.manifest), f...)
		x.with(x.manifest, forgeBlob(kindManifest, head, m.appendPartitions(), m.appendObjects(), m.appendLineage()), func() {
			if x.verdict(t, what) == nil {
				t.Errorf("%s: not found", what)
			}
		})
	}
	for _, name := range append([]string{x.manifest}, x.objects...) {
		blob := x.shelf.blobs[name]
		for n := range blob {
			x.with(name, blob[:n], func() {
				if x.verdict(t, fmt.Sprint(name, " cut to ", n)) == nil {
					t.Errorf("%s cut to %d bytes: not found", name, n)
				}
			})
		}
	}
	lost := errors.New("connection lost")
	if _, err := loadAll(t, &unreadable{x.shelf, x.objects[0], lost}, x.options, x.codec); !errors.Is(err, lost) || errors.Is(err, ErrNoValid) {
		t.Errorf("%v, want the store's own error", err)
	} else if e := (*Error)(nil); !errors.As(err, &e) || e.Op != "restore" || e.Object != x.objects[0] {
		t.Errorf("%+v, want an *Error that names what was read", err)
	}
}

func TestParity52_BitFlips(t *testing.T) {
	x := newSpecimen(t, 100, Zstd)
	for _, name := range append([]string{x.manifest}, x.objects...) {
		for what, b := range flipped(x.shelf.blobs[name]) {
			x.with(name, b, func() {
				if x.verdict(t, what) == nil {
					t.Errorf("%s: %s: not found", name, what)
				}
			})
		}
	}
}
