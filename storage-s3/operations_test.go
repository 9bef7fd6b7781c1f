package s3store_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/ephemera-go/ephemera/sinks"
)

// An operation is a call that depends on one kind of request.
type operation struct {
	name   string
	want   func(*fault) error
	faults []fault
	rule   rule
	run    func(*faultPlace, context.Context) error
	// settle repeats the call without a fault, whatever it returned before, and checks everything.
	settle func(p *faultPlace, err error) error
}

func writes(f *fault) error  { return f.write }
func removes(f *fault) error { return f.remove }
func reads(f *fault) error   { return f.read }

// again wants a repeated call to succeed, or to find that it had.
func again(err, had error) error {
	if errors.Is(err, had) {
		return nil
	}
	return err
}

func putOperation(name string, size int, faults []fault) operation {
	return operation{
		name, writes, faults,
		rule{method: "PUT", end: newBlob + "!"},
		func(p *faultPlace, ctx context.Context) error { return p.put(ctx, newBlob, size) },
		func(p *faultPlace, err error) error {
			repeated := p.put(p.ctx, newBlob, size)
			if err == nil && !errors.Is(repeated, sinks.ErrExists) {
				return fmt.Errorf("the name of a stored blob was free: %w", repeated)
			}
			if err != nil && !errors.Is(err, sinks.ErrUnknownOutcome) && repeated != nil {
				return fmt.Errorf("after a failure that stored nothing: %w", repeated)
			}
			return errors.Join(again(repeated, sinks.ErrExists), p.get(p.ctx, newBlob, size), p.names(p.ctx, newBlob, oldBlob, "y", "z"))
		},
	}
}

var operations = []operation{
	putOperation("put", 1000, with(writeFaults)),
	putOperation("put large", 9<<20, largeFaults), // in a temporary file
	{
		"put below a lease", reads, with(nil),
		rule{method: "GET", end: "blobs.state"},
		func(p *faultPlace, ctx context.Context) error { return p.put(ctx, newBlob, 10) },
		func(p *faultPlace, err error) error {
			return errors.Join(again(p.put(p.ctx, newBlob, 10), sinks.ErrExists), p.get(p.ctx, newBlob, 10))
		},
	},
	{
		"open", reads, with(readFaults),
		rule{method: "GET", end: oldBlob + "!"},
		func(p *faultPlace, ctx context.Context) error { return p.get(ctx, oldBlob, 100) },
		func(p *faultPlace, _ error) error { return p.get(p.ctx, oldBlob, 100) },
	},
	{
		"list", reads, with(listFaults),
		rule{method: "LIST"},
		func(p *faultPlace, ctx context.Context) error { return p.names(ctx, oldBlob, "y", "z") },
		func(p *faultPlace, _ error) error { return p.names(p.ctx, oldBlob, "y", "z") },
	},
	{
		"delete", removes, with(nil),
		rule{method: "DELETE", end: oldBlob + "!"},
		func(p *faultPlace, ctx context.Context) error { return p.blobs.Delete(ctx, oldBlob) },
		func(p *faultPlace, _ error) error {
			return errors.Join(p.blobs.Delete(p.ctx, oldBlob), p.names(p.ctx, "y", "z"))
		},
	},
	{
		"acquire", writes, with(writeFaults),
		rule{method: "PUT", end: "blobs.state"},
		func(p *faultPlace, ctx context.Context) error {
			_, err := sinks.Acquire(ctx, p.blobs, sinks.Claim{Owner: "test"})
			return err
		},
		func(p *faultPlace, _ error) error {
			generation, err := sinks.Acquire(p.ctx, p.blobs, sinks.Claim{Owner: "test"})
			if err == nil && generation != 1 {
				err = fmt.Errorf("generation %d", generation)
			}
			return errors.Join(err, p.put(p.ctx, "mine", 10), sinks.Release(p.ctx, p.blobs))
		},
	},
	{
		"append", writes, with(writeFaults),
		rule{method: "PUT", begin: "/signals/"},
		func(p *faultPlace, ctx context.Context) error { return p.signals.Append(ctx, series(11, 20)) },
		func(p *faultPlace, _ error) error {
			return errors.Join(p.signals.Append(p.ctx, series(11, 20)), p.log(p.ctx, 1, 20), sinks.Verify(p.ctx, p.signals))
		},
	},
	{
		"append confirmed", confirms, with(nil),
		rule{method: "GET", end: "signals.state"},
		func(p *faultPlace, ctx context.Context) error { return p.signals.Append(ctx, series(11, 20)) },
		func(p *faultPlace, _ error) error {
			return errors.Join(p.signals.Append(p.ctx, series(11, 20)), p.log(p.ctx, 1, 20), sinks.Verify(p.ctx, p.signals))
		},
	},
	{
		"read", reads, with(retried(readFaults)),
		rule{method: "GET", begin: "/signals/"},
		func(p *faultPlace, ctx context.Context) error { return p.log(ctx, 1, 10) },
		func(p *faultPlace, _ error) error { return p.log(p.ctx, 1, 10) },
	},
	{
		"stat", reads, with(nil),
		rule{method: "LIST"},
		func(p *faultPlace, ctx context.Context) error {
			stat, err := p.signals.Stat(ctx)
			if err == nil && (stat.First != 1 || stat.Last != 10 || stat.Count != 10) {
				err = fmt.Errorf("SILENT DAMAGE: %+v", stat)
			}
			return err
		},
		func(p *faultPlace, _ error) error { return p.log(p.ctx, 1, 10) },
	},
	{
		"trim", writes, with(writeFaults),
		rule{method: "PUT", end: "signals.state"},
		func(p *faultPlace, ctx context.Context) error { return p.signals.Trim(ctx, 7) },
		func(p *faultPlace, _ error) error {
			return errors.Join(p.signals.Trim(p.ctx, 7), p.log(p.ctx, 8, 10), sinks.Verify(p.ctx, p.signals))
		},
	},
	{
		"trim, cleaning", removes, with(keyFaults),
		rule{method: "POST"},
		func(p *faultPlace, ctx context.Context) error { return p.signals.Trim(ctx, 7) },
		func(p *faultPlace, _ error) error {
			return errors.Join(p.log(p.ctx, 8, 10), p.signals.Trim(p.ctx, 7), p.log(p.ctx, 8, 10), sinks.Verify(p.ctx, p.signals))
		},
	},
}

// confirms wants the outcome of a write to be unknown when what follows it fails for good.
func confirms(f *fault) error {
	if f.read == nil {
		return nil
	}
	return errors.Join(sinks.ErrUnknownOutcome, f.read)
}
