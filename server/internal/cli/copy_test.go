package cli

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/ephemera-go/ephemera/sinks"
)

// Places are opened so that none is made; those that must be migrated first, for writing.
func TestOpenSource(t *testing.T) {
	for at, want := range map[string]string{
		"file:./a":                            "file:./a?read_only=true",
		"SQLite:/a?synchronous=full":          "SQLite:/a?synchronous=full&read_only=true",
		"s3://bucket/a":                       "s3://bucket/a?read_only=true",
		"postgres://u@h/a?ephemera_schema=b":  "postgres://u@h/a?ephemera_schema=b&ephemera_read_only=true",
		"postgresql://h/a":                    "postgresql://h/a?ephemera_read_only=true",
		"file:./a?read_only=false":            "file:./a?read_only=false",
		"mem://a":                             "mem://a",
		"postgres://h/a?ephemera_read_only=1": "postgres://h/a?ephemera_read_only=1",
	} {
		for _, fails := range []error{nil, sinks.ErrNotFound, sinks.ErrReadOnly} {
			var tried []string
			got, err := openSource(t.Context(), at, func(_ context.Context, u string) (int, error) {
				tried = append(tried, u)
				if len(tried) == 1 && fails != nil {
					return 0, fmt.Errorf("test: %w", fails)
				}
				return len(tried), nil
			})
			wanted := []string{want}
			if fails == sinks.ErrReadOnly {
				wanted = append(wanted, at)
			}
			if !slices.Equal(tried, wanted) || (err == nil) != (got == len(wanted)) {
				t.Errorf("%s, %v: tried %q, got %d, %v", at, fails, tried, got, err)
			}
		}
	}
}
