package filestore

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"os"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

// leaseRecord is what .lease says: one line of JSON and its checksum, without which a flipped bit could bring a generation
// back. Every generation has a lock file of its own, which its holder keeps locked: when that lock is free, the holder is
// gone.
type leaseRecord struct {
	Generation uint64    `json:"generation"`
	Held       bool      `json:"held"`
	Owner      string    `json:"owner"`
	Process    string    `json:"process"` // random; for systems where locks do not cross processes
	Expires    time.Time `json:"expires"`
}

var thisProcess = rand.Text()

func holderName(generation uint64) string { return fmt.Sprintf(".lease-%020d", generation) }

func readLease(files fsys) (leaseRecord, error) {
	var r leaseRecord
	b, err := readSmall(files, leaseName, 4<<10)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	text, sum, _ := bytes.Cut(bytes.TrimSuffix(b, []byte("\n")), []byte("\t"))
	if string(sum) != leaseSum(text) {
		return r, fmt.Errorf("%w: checksum of the lease", sinks.ErrCorrupt)
	}
	if err := json.Unmarshal(text, &r); err != nil || r.Generation == 0 || r.Generation == math.MaxUint64 {
		return leaseRecord{}, fmt.Errorf("%w: the lease cannot be read", sinks.ErrCorrupt)
	}
	return r, nil
}

func leaseSum(text []byte) string { return fmt.Sprintf("%08x", crc32.Checksum(text, castagnoli)) }

func writeLease(files fsys, r leaseRecord) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return replace(files, leaseName, fmt.Appendf(b, "\t%s\n", leaseSum(b)))
}

// live says whether somebody holds the lease.
func (r *leaseRecord) live(files fsys) (bool, error) {
	left := time.Until(r.Expires)
	if !r.Held || left <= 0 || left > sinks.MaxTTL { // the clock went back; a holder that lives renews
		return false, nil
	}
	if !locksCross && r.Process != thisProcess {
		return true, nil
	}
	lock, err := files.Lock(context.Background(), holderName(r.Generation), lockMode{exclusive: true, try: true})
	if errors.Is(err, errBusy) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return false, lock.Close()
}

func (r *leaseRecord) refusal() error {
	return fmt.Errorf("%w: %q, generation %d", sinks.ErrLeased, r.Owner, r.Generation)
}

// A grip is what one handle has of the lease. The store's lock guards it.
type grip struct {
	generation uint64 // 0: this handle never acquired or has released
	claim      sinks.Claim
	lock       io.Closer // on the generation's file
}

// allow says whether the handle may write.
func (g *grip) allow(files fsys) error {
	r, err := readLease(files)
	if err != nil {
		return err
	}
	if g.generation != 0 {
		return g.check(r)
	}
	live, err := r.live(files)
	if err == nil && live {
		err = r.refusal()
	}
	return err
}

// check returns ErrFenced if somebody took over.
func (g *grip) check(r leaseRecord) error {
	if g.generation != r.Generation {
		return fmt.Errorf("%w: this handle has generation %d, the lease %d", sinks.ErrFenced, g.generation, r.Generation)
	}
	return nil
}

func (g *grip) drop() error {
	if g.lock == nil {
		return nil
	}
	err := g.lock.Close()
	g.lock = nil
	return err
}

// write publishes that this handle holds the lease.
func (g *grip) write(files fsys) error {
	return writeLease(files, leaseRecord{
		Generation: g.generation, Held: true, Owner: g.claim.Owner, Process: thisProcess,
		Expires: time.Now().Add(g.claim.TTL).UTC(),
	})
}

func (g *grip) acquire(ctx context.Context, files fsys, c sinks.Claim) error {
	r, err := readLease(files)
	if err != nil {
		return err
	}
	if g.generation != 0 && g.generation == r.Generation {
		g.claim = c
		return g.write(files)
	}
	live, err := r.live(files)
	if err != nil {
		return err
	}
	if live {
		return r.refusal()
	}
	next := grip{generation: r.Generation + 1, claim: c}
	// The lock comes before the record: nobody may see a holder that looks gone.
	next.lock, err = files.Lock(ctx, holderName(next.generation), lockMode{exclusive: true, try: true})
	if err != nil {
		return fmt.Errorf("locking generation %d: %w", next.generation, err)
	}
	if err := next.write(files); err != nil {
		// If the record became visible all the same, its holder looks gone and the next one takes over.
		return errors.Join(err, next.drop())
	}
	_ = g.drop() // of a generation that is over
	*g = next
	_ = removeIfThere(files, holderName(r.Generation)) // an empty file that stays behind harms nobody
	return nil
}

func (g *grip) renew(files fsys) error {
	if g.generation == 0 {
		return fmt.Errorf("%w: renewing a lease that this handle does not hold", sinks.ErrInvalid)
	}
	r, err := readLease(files)
	if err == nil {
		err = g.check(r)
	}
	if err != nil {
		return err
	}
	return g.write(files)
}

// release leaves a fenced handle fenced.
func (g *grip) release(files fsys) error {
	if g.generation == 0 {
		return nil
	}
	r, err := readLease(files)
	if err != nil {
		return err
	}
	if g.check(r) != nil {
		return g.drop()
	}
	r.Held = false
	if err := writeLease(files, r); err != nil {
		return err
	}
	g.generation = 0
	return g.drop()
}

// Acquire implements sinks.Leaser.
func (d *door) Acquire(ctx context.Context, c sinks.Claim) (generation uint64, err error) {
	err = d.pass(ctx, true, func() error {
		err := denied(d.grip.acquire(ctx, d.fs, c))
		generation = d.grip.generation
		return err
	})
	if err != nil {
		return 0, err
	}
	return generation, nil
}

// Renew implements sinks.Leaser.
func (d *door) Renew(ctx context.Context) error {
	return d.pass(ctx, true, func() error { return denied(d.grip.renew(d.fs)) })
}

// Release implements sinks.Leaser.
func (d *door) Release(ctx context.Context) error {
	if d.readOnly {
		return nil
	}
	return d.pass(ctx, true, func() error { return denied(d.grip.release(d.fs)) })
}

func removeIfThere(files fsys, name string) error {
	if err := files.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
