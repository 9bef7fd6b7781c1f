package filestore

import (
	"errors"
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
