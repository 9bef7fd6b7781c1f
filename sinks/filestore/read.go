package filestore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ephemera-go/ephemera/sinks"
)

// open returns a log file for reading.
func (s *signalStore) open(l *logFile) (f file, done func() error, err error) {
	if l == s.newest() && s.tail != nil {
		return s.tail, func() error { return nil }, nil
	}
	f, err = s.fs.Open(logName(l.number))
	if err != nil {
		return nil, nil, fmt.Errorf("log file %s: %w", logName(l.number), err)
	}
	return f, f.Close, nil
}

// in runs f on the records of a log file between two offsets.
func (s *signalStore) in(ctx context.Context, l *logFile, begin, end int64, f func(offset int64, signal *sinks.Signal) bool) error {
	from, done, err := s.open(l)
	if err != nil {
		return err
	}
	return errors.Join(l.visit(ctx, from, begin, end, f), done())
}

// visit calls f with the signals above a sequence, ascending, until it returns false.
func (s *signalStore) visit(ctx context.Context, after uint64, f func(*sinks.Signal) bool) error {
	after = max(after, s.trimmed)
	more := true
	for _, l := range s.files {
		if l.last <= after || l.count == 0 {
			continue
		}
		err := s.in(ctx, l, max(l.start, l.seek(after)), l.end, func(_ int64, signal *sinks.Signal) bool {
			more = signal.Sequence <= after || f(signal)
			return more
		})
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// Read implements sinks.SignalStore.
func (s *signalStore) Read(ctx context.Context, after uint64, limit int) (signals []sinks.Signal, err error) {
	err = s.read(ctx, func() error {
		return s.visit(ctx, after, func(signal *sinks.Signal) bool {
			signals = append(signals, *signal)
			return len(signals) < limit
		})
	})
	return signals, err
}

// ReadNewest implements sinks.SignalStore. It reads backward, from mark to mark.
func (s *signalStore) ReadNewest(ctx context.Context, before uint64, limit int) ([]sinks.Signal, error) {
	if before == 0 {
		before = sinks.MaxSequence + 1
	}
	var runs [][]sinks.Signal
	found := 0
	err := s.read(ctx, func() error {
		for _, l := range slices.Backward(s.files) {
			if l.count == 0 || l.first >= before {
				continue
			}
			end := l.end
			for _, m := range slices.Backward(l.marks) {
				if found >= limit || end <= l.start {
					break
				}
				if m.sequence >= before {
					end = m.offset
					continue
				}
				run, err := s.run(ctx, l, m.offset, end, before)
				if err != nil {
					return err
				}
				runs = append(runs, run)
				found += len(run)
				end = m.offset
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.Reverse(runs)
	signals := slices.Concat(runs...)
	// Those in front are more than was asked for; they must not stay in memory behind the result.
	return slices.Clone(signals[max(0, len(signals)-limit):]), nil
}

// run returns what is not trimmed and lies below a sequence, of the records between two offsets.
func (s *signalStore) run(ctx context.Context, l *logFile, begin, end int64, before uint64) (run []sinks.Signal, err error) {
	err = s.in(ctx, l, begin, end, func(_ int64, signal *sinks.Signal) bool {
		if signal.Sequence > s.trimmed && signal.Sequence < before {
			run = append(run, *signal)
		}
		return signal.Sequence < before
	})
	return run, err
}

// Stat implements sinks.SignalStore. Bytes is the size of the log files.
func (s *signalStore) Stat(ctx context.Context) (stat sinks.SignalStat, err error) {
	err = s.read(ctx, func() error {
		stat.Last = s.last()
		for _, l := range s.files {
			if stat.First == 0 {
				stat.First = l.first
			}
			stat.Count += l.count
			stat.Bytes += l.end
		}
		return nil
	})
	return stat, err
}

// Verify implements sinks.Verifier: it reads everything anew.
func (s *signalStore) Verify(ctx context.Context) error {
	return s.read(ctx, func() error {
		s.forget()
		return s.refresh(ctx)
	})
}
