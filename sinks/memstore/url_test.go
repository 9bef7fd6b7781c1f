package memstore_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/ephemera-go/ephemera/sinks"
)

func TestURL(t *testing.T) {
	ctx := t.Context()
	shared, err := sinks.OpenBlobs(ctx, "mem://memstore-url-test")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(shared.Put(ctx, "a", 1, strings.NewReader("x")), shared.Close()); err != nil {
		t.Fatal(err)
	}
	for address, want := range map[string]int{"mem://memstore-url-test": 1, "mem://memstore-url-test-2": 0, "mem://": 0} {
		s, err := sinks.OpenBlobs(ctx, address)
		if err != nil {
			t.Fatal(err)
		}
		list, err := s.List(ctx, "", "", 0)
		if err := errors.Join(err, s.Close()); err != nil || len(list) != want {
			t.Errorf("%s holds %v, error %v", address, list, err)
		}
	}
	for _, address := range []string{"mem:name", "mem://name/path", "mem://user@name", "mem://name?x=1", "mem:///path", "mem://n#f"} {
		if _, err := sinks.OpenSignals(ctx, address); !errors.Is(err, sinks.ErrInvalid) {
			t.Errorf("%s: error %v", address, err)
		}
	}
}
