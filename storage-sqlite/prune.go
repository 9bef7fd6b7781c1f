package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// deleteAtOnce is how many signals one transaction removes, so that neither the log nor other writers' waiting grows with
// what there is to remove.
const deleteAtOnce = 2000

// Trim implements sinks.SignalStore.
func (s *signalStore) Trim(ctx context.Context, through uint64) error {
	for first := true; ; first = false {
		removed := int64(0)
		err := s.db.write(ctx, s.lease, func(tx *Tx) (err error) {
			if first {
				_, err = tx.Exec("UPDATE signal_log SET trimmed = max(trimmed, min(last, ?))", int64(through))
			}
			if err == nil {
				removed, err = deleteOldest(tx, int64(through), deleteAtOnce)
			}
			return err
		})
		if err != nil {
			return err
		}
		if removed < deleteAtOnce {
			s.db.shrink(ctx)
			return nil
		}
	}
}

func deleteOldest(tx *Tx, through int64, most int) (removed int64, err error) {
	return tx.Exec("DELETE FROM signals WHERE id IN (SELECT id FROM signals WHERE id <= ? ORDER BY id LIMIT ?)", through, most)
}

// Prune implements sinks.Pruner.
func (s *signalStore) Prune(ctx context.Context, before time.Time, keep uint64, atMost int) (removed int, err error) {
	for removed < atMost {
		n, step := 0, min(deleteAtOnce, atMost-removed)
		err := s.db.write(ctx, s.lease, func(tx *Tx) (err error) {
			n, err = pruneStep(tx, before, keep, step)
			return err
		})
		if err != nil {
			return removed, err
		}
		removed += n
		if n < step {
			break
		}
	}
	if removed > 0 {
		s.db.shrink(ctx)
	}
	return removed, nil
}

func pruneStep(tx *Tx, before time.Time, keep uint64, most int) (removed int, err error) {
	excess := uint64(0)
	if keep > 0 {
		var count uint64
		if err := tx.Get([]any{&count}, "SELECT count FROM signal_log"); err != nil {
			return 0, damaged(err)
		}
		if count > keep {
			excess = count - keep
		}
	}
	if n := int(min(excess, uint64(most))); n > 0 {
		deleted, err := deleteOldest(tx, 1<<63-1, n)
		if removed = int(deleted); err != nil {
			return 0, err
		}
	}
	if removed == most || before.IsZero() {
		return removed, nil
	}
	aged, err := countAged(tx, before, most-removed) // of what is left: an old signal may stand behind a young one
	if err != nil || aged == 0 {
		return removed, err
	}
	deleted, err := deleteOldest(tx, 1<<63-1, aged)
	return removed + int(deleted), err
}

// countAged counts how many signals at the low end are older than before. Text order is time order. The rows cannot be
// counted past a young one: it may hide behind none, so the first young one among the oldest is looked for.
func countAged(tx *Tx, before time.Time, most int) (n int, err error) {
	bound := "9999-12-31T23:59:59.9999999999" // above every time that is stored
	if year := before.UTC().Year(); year < 1 {
		return 0, nil
	} else if year <= 9999 {
		bound = formatTime(before)
	}
	const oldest = "(SELECT id, timestamp FROM signals ORDER BY id LIMIT ?)"
	var young int64
	err = tx.Get([]any{&young}, "SELECT id FROM "+oldest+" WHERE timestamp >= ? ORDER BY id LIMIT 1", most, bound)
	if errors.Is(err, sql.ErrNoRows) {
		young = 1<<63 - 1
	} else if err != nil {
		return 0, err
	}
	err = tx.Get([]any{&n}, "SELECT count(*) FROM "+oldest+" WHERE id < ?", most, young)
	return n, err
}

const (
	// Below this many free pages, or a quarter of the file, they are kept for what comes.
	keepFreePages = 256
	freeAtOnce    = 512
)

// shrink gives some free pages at the end of the file back, so that a file that was large once does not stay so. What
// cannot be given back now is tried again after the next removal. A file of the predecessor cannot shrink; it uses its
// free pages again.
func (db *database) shrink(ctx context.Context) {
	var free, pages int
	err := db.writer.run(ctx, func(tx *Tx) error {
		return tx.Get([]any{&free, &pages}, "SELECT f.freelist_count, p.page_count FROM pragma_freelist_count f, pragma_page_count p")
	})
	if err == nil && free >= keepFreePages && free >= pages/4 {
		err = db.writer.run(ctx, func(tx *Tx) error {
			return tx.script(fmt.Sprintf("PRAGMA incremental_vacuum(%d)", freeAtOnce))
		})
	}
	if err != nil && ctx.Err() == nil {
		db.options.Logger.Warn("sqlite: free pages were not given back", "error", err)
	}
}
