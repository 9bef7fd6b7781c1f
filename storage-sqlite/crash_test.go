package sqlitestore_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	sqlitestore "github.com/ephemera-go/ephemera/storage-sqlite"
)

// batchEnd is the last sequence of a batch; batches have 1 to 150 signals.
func batchEnd(batch int) (last uint64) {
	for b := range batch + 1 {
		last += uint64(1 + b*37%150)
	}
	return last
}

func blobBody(n int) []byte {
	return bytes.Repeat([]byte(fmt.Sprintf("blob %06d ", n)), 100_000) // two parts
}

// childCrash appends batches and puts blobs until it is killed, and says what was confirmed.
func childCrash(ctx context.Context, path string) error {
	s, err := sqlitestore.OpenSignals(ctx, path, nil)
	if err != nil {
		return err
	}
	b, err := sqlitestore.OpenBlobs(ctx, path, nil)
	if err != nil {
		return err
	}
	stat, err := s.Stat(ctx)
	if err != nil {
		return err
	}
	for batch := 0; batch < 10_000; batch++ {
		first, last := uint64(1), batchEnd(batch)
		if batch > 0 {
			first = batchEnd(batch-1) + 1
		}
		if last <= stat.Last {
			continue
		}
		if err := s.Append(ctx, series(first, last)); err != nil {
			return err
		}
		fmt.Println("STORED", last)
		if batch%4 == 3 {
			if _, err := sinks.Prune(ctx, s, time.Time{}, 2000, 300); err != nil {
				return err
			}
		}
		if batch%7 == 6 {
			if err := putAgain(ctx, b, batch); err != nil {
				return err
			}
			fmt.Println("PUT", batch)
		}
	}
	return errors.New("nobody killed this process")
}

// putAgain puts a blob, then removes those that are much older.
func putAgain(ctx context.Context, b sinks.BlobStore, n int) error {
	body := blobBody(n)
	err := b.Put(ctx, blobName(n), int64(len(body)), bytes.NewReader(body))
	if err != nil && !errors.Is(err, sinks.ErrExists) { // by the process before
		return err
	}
	list, err := b.List(ctx, "", "", 0)
	for _, old := range list {
		if err == nil && old.Name < blobName(n-14) {
			err = b.Delete(ctx, old.Name)
		}
	}
	return err
}

func blobName(n int) string { return fmt.Sprintf("blob/%05d", max(n, 0)) }

// TestParity39_Killed kills a writing process at many points: between system calls where strace is at hand, else after
// random times. EPHEMERA_KILLS says how many points.
func TestParity39_Killed(t *testing.T) {
	kills := 40
	if text := os.Getenv("EPHEMERA_KILLS"); text != "" {
		var err error
		if kills, err = strconv.Atoi(text); err != nil {
			t.Fatalf("EPHEMERA_KILLS: %v", err)
		}
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Log("no strace: kills come after random times only")
	}
	path := ""
	var k *killed
	between, batches, blobs := 0, 0, 0
	for i := range kills {
		if i%20 == 0 { // a new file; in between, every start recovers from the crash before
			path = filepath.Join(t.TempDir(), "x.db")
			k = &killed{path: path}
		}
		var wrapper []string
		if strace != "" && i%4 != 0 {
			call, most := "pwrite64", 120
			switch random.IntN(4) {
			case 0:
				call, most = "fsync,fdatasync", 20
			case 1:
				call, most = "ftruncate,fcntl,unlink", 200
			}
			wrapper = []string{
				strace, "-f", "-qq", "-o", os.DevNull, "-e", "trace=" + call,
				"-e", fmt.Sprintf("inject=%s:signal=SIGKILL:when=%d", call, 1+random.IntN(most)),
			}
			between++
		}
		k.run(t, random, wrapper)
		if err := k.check(t.Context()); err != nil {
			t.Fatalf("kill %d %v: %v", i, wrapper, err)
		}
		batches, blobs = batches+k.batches, blobs+k.blobs
		k.batches, k.blobs = 0, 0
	}
	t.Logf("%d kills, %d of them at system calls; %d batches and %d blobs were confirmed", kills, between, batches, blobs)
	if batches == 0 {
		t.Error("no batch was ever confirmed: the kills prove nothing")
	}
}

// killed is what the processes on one file have confirmed.
type killed struct {
	path           string
	last           uint64
	put            int // the number of the newest blob
	batches, blobs int // confirmed by one process
}

// run lets a child write until it is killed.
func (k *killed) run(t *testing.T, random *rand.Rand, wrapper []string) {
	t.Helper()
	c := start(t, "crash", k.path, wrapper...)
	after, lines := random.IntN(15), 0
	for {
		if wrapper == nil && lines == after {
			// Somewhere within the next batches; nothing waits for this time to pass.
			delay := time.Duration(random.IntN(3000)) * time.Microsecond
			time.AfterFunc(delay, func() { _ = c.cmd.Process.Kill() })
		}
		if !c.lines.Scan() {
			break
		}
		lines++
		word, number, _ := strings.Cut(c.lines.Text(), " ")
		n, err := strconv.Atoi(number)
		if err != nil {
			t.Fatalf("child says %q", c.lines.Text())
		}
		if word == "STORED" {
			k.last = uint64(n)
			k.batches++
		} else {
			k.put = n
			k.blobs++
		}
	}
	if err := c.cmd.Wait(); err == nil {
		t.Fatal("the child ended by itself")
	}
}

// check opens what the child left.
func (k *killed) check(ctx context.Context) error {
	s, err := sqlitestore.OpenSignals(ctx, k.path, &quick)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	if err := sinks.Verify(ctx, s); err != nil {
		return err
	}
	stat, err := s.Stat(ctx)
	if err != nil {
		return err
	}
	batch := 0
	for batchEnd(batch) < stat.Last {
		batch++
	}
	if stat.Last < k.last || stat.Last != 0 && batchEnd(batch) != stat.Last {
		return fmt.Errorf("the log ends at %d; %d was confirmed, batch %d ends at %d", stat.Last, k.last, batch, batchEnd(batch))
	}
	all, err := readAll(ctx, s)
	if err != nil {
		return err
	}
	want := series(max(stat.First, 1), stat.Last)
	if !slices.EqualFunc(all, want, sinks.Signal.Equal) || stat.Count > 0 && stat.Last-stat.First+1 < min(2000, stat.Last) {
		return fmt.Errorf("%d signals from %d to %d", len(all), stat.First, stat.Last)
	}
	k.last = stat.Last // a batch that was stored and not confirmed may not go away later
	return k.checkBlobs(ctx)
}

func (k *killed) checkBlobs(ctx context.Context) error {
	b, err := sqlitestore.OpenBlobs(ctx, k.path, &quick)
	if err != nil {
		return err
	}
	defer func() { _ = b.Close() }()
	if err := sinks.Verify(ctx, b); err != nil {
		return err
	}
	list, err := b.List(ctx, "", "", 0)
	if err != nil {
		return err
	}
	found := k.put == 0
	for _, blob := range list {
		var n int
		if _, err := fmt.Sscanf(blob.Name, "blob/%d", &n); err != nil {
			return err
		}
		body, err := content(ctx, b, blob.Name)
		if err != nil || !bytes.Equal(body, blobBody(n)) {
			return fmt.Errorf("blob %s: %d bytes, %w", blob.Name, len(body), err)
		}
		found = found || n >= k.put
	}
	if !found || len(list) > 4 {
		return fmt.Errorf("blob %d is not in %v", k.put, list)
	}
	return k.checkLeftovers(ctx)
}

// checkLeftovers: opening the blobs has removed what was on its way when the process ended.
func (k *killed) checkLeftovers(ctx context.Context) error {
	db, err := sql.Open("sqlite", k.path)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	var n int
	err = db.QueryRowContext(ctx, "SELECT count(*) FROM blobs WHERE name IS NULL").Scan(&n)
	if err == nil && n > 0 {
		err = fmt.Errorf("%d blobs without a name are left", n)
	}
	return err
}

// TestKilledWhileCreating kills a process at every system call of one kind, until it has made a database. Whatever is left
// opens.
func TestKilledWhileCreating(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("strace, which kills between system calls, is not installed")
	}
	kills := 0
	for _, call := range []string{"pwrite64", "fsync,fdatasync", "unlink", "ftruncate", "openat"} {
		for n, ready := 1, false; !ready && n < 300; n++ {
			path := filepath.Join(t.TempDir(), "x.db")
			args := []string{strace, "-f", "-qq", "-o", os.DevNull}
			if call == "openat" {
				args = append(args, "-P", path, "-P", path+"-wal", "-P", path+"-shm", "-P", path+"-journal")
			}
			c := start(t, "series", path, append(args, "-e", "trace="+call, "-e", fmt.Sprintf("inject=%s:signal=SIGKILL:when=%d", call, n))...)
			ready = c.lines.Scan()
			must(t, c.stdin.Close())
			for c.lines.Scan() {
				t.Log(c.lines.Text())
			}
			_ = c.cmd.Wait() // killed, or not
			if !ready {
				kills++
			}
			s, err := sqlitestore.OpenSignals(t.Context(), path, &quick)
			if err != nil {
				t.Errorf("killed at %s %d: %v", call, n, err)
				continue
			}
			must(t, errors.Join(s.Append(t.Context(), series(1, seriesEnd)), sinks.Verify(t.Context(), s)))
			wantLog(t, s, series(1, seriesEnd))
			closeAll(t, s)
		}
	}
	t.Logf("%d kills", kills)
	if kills < 10 {
		t.Errorf("only %d kills before the database was made", kills)
	}
}
