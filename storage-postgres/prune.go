package pgstore

import (
	"context"
	"time"
)

// deleteAtOnce is how many signals one transaction removes, so that appends never wait long.
const deleteAtOnce = 2000

// Trim implements sinks.SignalStore.
func (s *signalStore) Trim(ctx context.Context, through uint64) error {
	for removed := int64(deleteAtOnce); removed == deleteAtOnce; {
		err := s.db.write(ctx, s.lease, func(t *tx) error {
			if target := min(through, t.log.last); target > t.log.trimmed {
				if _, err := t.change("UPDATE @signal_log SET trimmed = $1", int64(target)); err != nil {
					return err
				}
			}
			var err error
			removed, err = t.change(`DELETE FROM @signals WHERE sequence <= (
				SELECT max(sequence) FROM (SELECT sequence FROM @signals WHERE sequence <= $1 ORDER BY sequence LIMIT $2) AS oldest)`,
				int64(through), int64(deleteAtOnce))
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Prune implements sinks.Pruner.
func (s *signalStore) Prune(ctx context.Context, before time.Time, keep uint64, atMost int) (removed int, err error) {
	for removed < atMost {
		p := pruning{before: before, keep: keep, most: min(deleteAtOnce, atMost-removed)}
		if err := s.db.write(ctx, s.lease, p.step); err != nil {
			return removed, err
		}
		removed += p.removed
		if p.removed < p.most {
			break
		}
	}
	return removed, nil
}

// A pruning is one transaction of Prune.
type pruning struct {
	before time.Time
	keep   uint64
	most   int

	removed int
	through uint64 // up to which one they were removed
}

func (p *pruning) step(t *tx) error {
	if p.through > 0 { // there was an earlier attempt
		var left bool
		err := t.get([]any{&left}, "SELECT EXISTS (SELECT FROM @signals WHERE sequence <= $1)", int64(p.through))
		if err != nil || !left {
			return err // it has done the work
		}
	}
	excess := uint64(0)
	if p.keep > 0 && t.log.count > p.keep {
		excess = min(t.log.count-p.keep, uint64(p.most))
	}
	aged, before, nanos := p.age()
	if excess == 0 && !aged {
		return nil
	}
	// Of the oldest rows, those before the first one that is neither too many nor too old.
	const removable = `SELECT count(*), coalesce(max(sequence), 0) FROM (
		SELECT sequence, bool_or(number > $2 AND NOT ($3 AND (time, nanos) < ($4, $5))) OVER (ORDER BY sequence) AS stays FROM (
			SELECT sequence, time, nanos, row_number() OVER (ORDER BY sequence) AS number
			FROM @signals ORDER BY sequence LIMIT $1) AS oldest) AS judged
		WHERE NOT stays`
	var n int
	var through uint64
	err := t.get([]any{&n, &through}, removable, int64(p.most), int64(excess), aged, before, nanos)
	if err != nil || n == 0 {
		return err
	}
	deleted, err := t.change("DELETE FROM @signals WHERE sequence <= $1", int64(through))
	if err == nil {
		p.removed, p.through = int(deleted), through
	}
	return err
}

// age returns the bound as the table has times, and whether any time can lie before it.
func (p *pruning) age() (aged bool, before time.Time, nanos int16) {
	switch year := p.before.UTC().Year(); {
	case p.before.IsZero() || year < 1:
		return false, time.Unix(0, 0), 0
	case year > 9999:
		return true, time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), 0
	}
	rest := p.before.Nanosecond() % 1000
	return true, p.before.Add(-time.Duration(rest)), int16(rest)
}
