package sqlitestore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ephemera-go/ephemera/sinks"
	sqlitestore "github.com/ephemera-go/ephemera/storage-sqlite"
)

const (
	diskBatches = 80
	diskTries   = 1000
)

// childBrokenDisk appends batches and repeats each until it is confirmed.
func childBrokenDisk(ctx context.Context, path string) error {
	s, err := sqlitestore.OpenSignals(ctx, path, nil)
	for try := 0; err != nil; try++ {
		fmt.Println("OPEN FAILED", err)
		if try == diskTries {
			return err
		}
		s, err = sqlitestore.OpenSignals(ctx, path, nil)
	}
	for batch := uint64(0); batch < diskBatches; batch++ {
		for try := 0; ; try++ {
			err := s.Append(ctx, series(batch*50+1, batch*50+50))
			if err == nil {
				break
			}
			fmt.Println("FAILED", errors.Is(err, sinks.ErrUnknownOutcome), err)
			if try == diskTries {
				return err
			}
		}
	}
	if err := s.Close(); err != nil {
		fmt.Println("CLOSE FAILED", err)
	}
	return nil
}

// TestParity20_CommitFails: a flush of the disk fails during a commit. The outcome is called unknown, and repeating the
// batch stores each signal once.
func TestParity20_CommitFails(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace, which makes system calls fail, is not installed")
	}
	unknown, failed := 0, 0
	// Every eighth flush fails, from the k-th on. They are counted per thread, so with k = 1 at least an eighth of all fail,
	// however the commits are spread over threads.
	for k := 1; k <= 6; k++ {
		path := filepath.Join(t.TempDir(), "x.db")
		c := start(t, "broken disk", path, strace, "-f", "-qq", "-o", os.DevNull, "-e", "trace=fsync,fdatasync",
			"-e", fmt.Sprintf("inject=fsync,fdatasync:error=EIO:when=%d+8", k))
		for c.lines.Scan() {
			line := c.lines.Text()
			switch {
			case strings.HasPrefix(line, "FAILED true"):
				unknown++
			case !strings.Contains(line, "FAILED"):
				t.Errorf("flushes from %d on fail: child says %q", k, line)
			}
			failed++
		}
		if err := c.cmd.Wait(); err != nil {
			t.Fatalf("flushes from %d on fail: %v", k, err)
		}
		s := openSignals(t, path, quick)
		wantLog(t, s, series(1, diskBatches*50))
		must(t, sinks.Verify(t.Context(), s))
		closeAll(t, s)
	}
	t.Logf("%d failures, %d of unknown outcome", failed, unknown)
	if unknown < 3 {
		t.Errorf("%d failures, only %d of unknown outcome: the faults prove nothing", failed, unknown)
	}
}
