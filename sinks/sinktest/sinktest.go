// Package sinktest is the suite that every driver of package sinks passes. A driver's test calls it once for each
// configuration that matters:
//
//	func TestSignals(t *testing.T) {
//		sinktest.Signals(t, func(ctx context.Context, place string) (sinks.SignalStore, error) {
//			return filestore.OpenSignals(ctx, place, nil)
//		}, sinktest.Caps{})
//	}
//
// Every case has a name and enforces one rule of the contract, which a failure repeats.
package sinktest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

// OpenBlobs opens a new handle to the blobs at a place: an empty directory that exists and is new for each case. The
// same place must always lead to the same blobs; drivers without files use its path as a name.
type OpenBlobs func(ctx context.Context, place string) (sinks.BlobStore, error)

// OpenSignals is OpenBlobs for the log of signals.
type OpenSignals func(ctx context.Context, place string) (sinks.SignalStore, error)

// Caps says what a driver cannot do. Each field is a reason for people, which the skipped cases print; empty means that
// the driver can.
type Caps struct {
	NoRestart    string // what was stored is gone when the last handle is closed
	NoSecond     string // a place cannot be open twice at the same time
	NoLease      string // the driver is no sinks.Leaser
	NoLeaseClose string // closing a handle does not give up its lease at once
}

// A testCase enforces one rule. It returns what broke it.
type testCase[S io.Closer] struct {
	name, rule string
	needs      func(Caps) string // why the case is skipped, or ""; nil needs nothing
	run        func(*place[S]) error
}

// A place is where the handles of one case store.
type place[S io.Closer] struct {
	ctx     context.Context
	dir     string
	opener  func(context.Context, string) (S, error)
	handles []S
}

// open returns a new handle, which is closed at the end of the case at the latest.
func (p *place[S]) open() (S, error) {
	s, err := p.opener(p.ctx, p.dir)
	if err != nil {
		return s, fmt.Errorf("open: %w", err)
	}
	p.handles = append(p.handles, s)
	return s, nil
}

func (p *place[S]) closeAll() error {
	var problems []error
	for _, s := range p.handles {
		if err := s.Close(); err != nil {
			problems = append(problems, fmt.Errorf("close: %w", err))
		}
	}
	return errors.Join(problems...)
}

// patience ends a case that hangs; a slow disk or server may well need a part of it.
const patience = 5 * time.Minute

// try runs a case in an empty directory and returns how the driver breaks the rule, or nil.
func (c *testCase[S]) try(ctx context.Context, dir string, opener func(context.Context, string) (S, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	p := &place[S]{ctx: ctx, dir: dir, opener: opener}
	err := c.run(p)
	if closing := p.closeAll(); err == nil {
		err = closing
	}
	if err != nil {
		return fmt.Errorf("rule: %s\nbroken: %w", c.rule, err)
	}
	return nil
}

func run[S io.Closer](t *testing.T, cases []testCase[S], opener func(context.Context, string) (S, error), caps Caps) {
	t.Helper()
	for i := range cases {
		c := &cases[i]
		t.Run(c.name, func(t *testing.T) {
			if c.needs != nil {
				if reason := c.needs(caps); reason != "" {
					t.Skip(reason)
				}
			}
			if err := c.try(t.Context(), t.TempDir(), opener); err != nil {
				t.Error(err)
			}
		})
	}
}

// Blobs runs every case for a sinks.BlobStore as a subtest.
func Blobs(t *testing.T, open OpenBlobs, caps Caps) {
	t.Helper()
	run(t, blobCases(), open, caps)
}

// Signals runs every case for a sinks.SignalStore as a subtest.
func Signals(t *testing.T, open OpenSignals, caps Caps) {
	t.Helper()
	run(t, signalCases(), open, caps)
}

func blobCases() []testCase[sinks.BlobStore] {
	return concat(blobPutCases, blobReadCases, blobListCases, blobManyCases, blobLifeCases, blobFaultCases,
		commonCases(blobContract))
}

func signalCases() []testCase[sinks.SignalStore] {
	return concat(signalAppendCases, signalHostileCases, signalReadCases, signalTrimCases, signalPruneCases, signalLifeCases,
		signalFaultCases, commonCases(signalContract))
}

func concat[S io.Closer](lists ...[]testCase[S]) (all []testCase[S]) {
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}

func restarts(c Caps) string { return c.NoRestart }

func second(c Caps) string { return c.NoSecond }

// wantErr returns nil if err is want and carries the details that callers rely on.
func wantErr(what string, err, want error) error {
	if !errors.Is(err, want) {
		return fmt.Errorf("%s returned %s, want %s", what, say(err), say(want))
	}
	if known := (*sinks.Error)(nil); !errors.As(err, &known) || known.Op == "" || known.Driver == "" {
		return fmt.Errorf("%s returned %s, which is no *sinks.Error with driver and operation", what, say(err))
	}
	return nil
}

func say(err error) string {
	if err == nil {
		return "nil"
	}
	return fmt.Sprintf("%q", err.Error())
}
