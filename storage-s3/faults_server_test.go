package s3store_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// TestFaultsOnServer is TestFaults with a real server behind the faults, for one operation of each kind.
func TestFaultsOnServer(t *testing.T) {
	u := root(t)
	next := forward(t, u.Query().Get("endpoint"))
	prefix := strings.TrimPrefix(u.Path, "/")
	cases := faultCases("put", "open", "list", "delete", "append", "trim")
	sufferAll(t, cases, func(ctx context.Context, i int) (*faultPlace, error) {
		return newFaultPlace(ctx, t, next, u.Host, fmt.Sprintf("%s/%d", prefix, i))
	})
}
