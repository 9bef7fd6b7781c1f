package filestore

import (
	"context"
	"fmt"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

// Trim implements sinks.SignalStore.
func (s *signalStore) Trim(ctx context.Context, through uint64) error {
	return s.change(ctx, func() error { return s.trim(ctx, through) })
}

func (s *signalStore) trim(ctx context.Context, through uint64) error {
	through = min(through, s.last())
	if through > s.trimmed {
		if _, err := s.put(trimPayload(through)); err != nil {
			return err
		}
		s.newest().cleared = through
		// The trim is done; the end of the context must not make it look as if it were not.
		if err := s.hide(context.WithoutCancel(ctx), through); err != nil {
			s.forget()
			return err
		}
	}
	return s.clean()
}

// hide stops counting what was trimmed and gives up the files that hold nothing else.
func (s *signalStore) hide(ctx context.Context, through uint64) error {
	if through <= s.trimmed {
		return nil
	}
	for len(s.files) > 1 && s.files[0].last <= through {
		s.remove = append(s.remove, logName(s.files[0].number))
		s.files = s.files[1:]
	}
	for _, l := range s.files {
		if l.count == 0 || l.first > through {
			continue
		}
		f, done, err := s.open(l)
		if err != nil {
			return err
		}
		if err := l.trim(ctx, f, through); err != nil {
			_ = done() // the damage is worth more than this
			return err
		}
		if err := done(); err != nil {
			return err
		}
	}
	s.trimmed = through
	return nil
}

// clean removes files that hold nothing any more. Should a crash bring one back, the next start removes it again.
func (s *signalStore) clean() error {
	for len(s.remove) > 0 {
		if err := removeIfThere(s.fs, s.remove[0]); err != nil {
			return fmt.Errorf("removing a trimmed log file: %w", err)
		}
		s.remove = s.remove[1:]
	}
	return nil
}

// Prune implements sinks.Pruner.
func (s *signalStore) Prune(ctx context.Context, before time.Time, keep uint64, atMost int) (removed int, err error) {
	err = s.change(ctx, func() error {
		var count, through uint64
		for _, l := range s.files {
			count += l.count
		}
		n := 0
		err := s.visit(ctx, 0, func(signal *sinks.Signal) bool {
			tooMany := keep > 0 && count-uint64(n) > keep
			if !tooMany && (before.IsZero() || !signal.Time.Before(before)) {
				return false
			}
			through = signal.Sequence
			n++
			return n < atMost
		})
		if err == nil {
			err = s.trim(ctx, through)
		}
		if err == nil {
			removed = n
		}
		return err
	})
	return removed, err
}
