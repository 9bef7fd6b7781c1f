package main

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ephemera-go/ephemera/core"
)

// on returns the URL of a new place on a server, and skips where there is none.
func on(t *testing.T, variable string, place func(u *url.URL, name string)) string {
	t.Helper()
	address := os.Getenv(variable)
	if address == "" && os.Getenv("EPHEMERA_CI") == "" {
		t.Skip(variable + " is not set; run the test with: go run ./tools/cmd/testenv -- go test ./examples/swap-backend")
	}
	u, err := url.Parse(address)
	if err != nil || address == "" {
		t.Fatal(variable + " is not set, or no URL")
	}
	place(u, "swap_"+strings.ToLower(rand.Text()))
	return u.String()
}

var backends = map[string]func(t *testing.T) string{
	"file": func(t *testing.T) string { return "file://" + filepath.ToSlash(t.TempDir()) },
	"sqlite": func(t *testing.T) string {
		return "sqlite://" + filepath.ToSlash(filepath.Join(t.TempDir(), "orders.db"))
	},
	"s3": func(t *testing.T) string {
		return on(t, "EPHEMERA_TEST_S3", func(u *url.URL, name string) { *u = *u.JoinPath(name) })
	},
	"postgres": func(t *testing.T) string {
		return on(t, "EPHEMERA_TEST_POSTGRES", func(u *url.URL, name string) {
			query := u.Query()
			query.Set("ephemera_schema", name)
			u.RawQuery = query.Encode()
		})
	},
}

// want is what the third run writes: the orders of the two before it.
func want() string {
	partitions := make([]string, 4)
	next := make([]int, 4)
	var names []string
	known := map[string]bool{}
	for n := range 2 * perRun {
		o := order(n)
		p := core.PartitionOf(o.Customer, len(partitions))
		partitions[p] += fmt.Sprintf("%d@%d %s %d %s\n", p, next[p], o.Customer, o.Cents, o.At.Format("2006-01-02T15:04:05Z07:00"))
		next[p]++
		if !known[o.Customer] {
			known[o.Customer] = true
			names = append(names, o.Customer)
		}
	}
	return strings.Join(partitions, "") + fmt.Sprintln(2*perRun, "orders,", names)
}

// TestEveryBackend runs the program three times on every backend. What comes back is the same, byte for byte.
func TestEveryBackend(t *testing.T) {
	for name, place := range backends {
		t.Run(name, func(t *testing.T) {
			url := place(t)
			var out bytes.Buffer
			for range 3 {
				out.Reset()
				if err := run(t.Context(), url, &out); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(want(), out.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
