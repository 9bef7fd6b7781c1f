package filestore

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

// TestClockWentBack: a holder that lives but does not renew wrote its lease when the clock was years ahead. It must not
// be waited for until then.
func TestClockWentBack(t *testing.T) {
	c := newCrashFS()
	a, b := openOn(t, c), openOn(t, c)
	if _, err := sinks.Acquire(t.Context(), a, sinks.Claim{Owner: "a", TTL: sinks.MaxTTL}); err != nil {
		t.Fatal(err)
	}
	if _, err := sinks.Acquire(t.Context(), b, sinks.Claim{Owner: "b"}); !errors.Is(err, sinks.ErrLeased) {
		t.Fatalf("acquiring beside the longest lease: %v", err)
	}
	r, err := readLease(c)
	if err != nil {
		t.Fatal(err)
	}
	r.Expires = time.Now().AddDate(10, 0, 0)
	if err := writeLease(c, r); err != nil {
		t.Fatal(err)
	}
	generation, err := sinks.Acquire(t.Context(), b, sinks.Claim{Owner: "b"})
	if err != nil || generation != 2 {
		t.Fatalf("generation %d, %v", generation, err)
	}
	if err := a.Append(t.Context(), rest(1, 1)); !errors.Is(err, sinks.ErrFenced) {
		t.Errorf("a write of the former holder: %v", err)
	}
	if err := b.Append(t.Context(), rest(1, 1)); err != nil {
		t.Error(err)
	}
}

// TestEveryBitOfTheLease: a generation must not come back because a bit of it flipped.
func TestEveryBitOfTheLease(t *testing.T) {
	c := newCrashFS()
	a, b := openOn(t, c), openOn(t, c)
	if _, err := sinks.Acquire(t.Context(), a, sinks.Claim{Owner: "a", TTL: time.Hour}); err != nil {
		t.Fatal(err)
	}
	id, err := c.existing(leaseName)
	if err != nil {
		t.Fatal(err)
	}
	whole := slices.Clone(c.nodes[id].data)
	for i := range len(whole) * 8 {
		c.nodes[id].data = slices.Clone(whole)
		c.nodes[id].data[i/8] ^= 1 << (i % 8)
		for _, s := range []sinks.SignalStore{a, b} {
			_, acquired := sinks.Acquire(t.Context(), s, sinks.Claim{})
			if written := s.Append(t.Context(), rest(1, 1)); !errors.Is(acquired, sinks.ErrCorrupt) || !errors.Is(written, sinks.ErrCorrupt) {
				t.Fatalf("bit %d: Acquire returned %v, Append %v", i, acquired, written)
			}
		}
	}
	for size := range len(whole) - 1 { // but for the line end
		c.nodes[id].data = whole[:size]
		if err := a.Append(t.Context(), rest(1, 1)); !errors.Is(err, sinks.ErrCorrupt) {
			t.Fatalf("%d of %d bytes: Append returned %v", size, len(whole), err)
		}
	}
	c.nodes[id].data = whole
	if err := a.Append(t.Context(), rest(1, 1)); err != nil {
		t.Error(err)
	}
}
