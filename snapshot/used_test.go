package snapshot

import (
	"testing"

	"github.com/ephemera-go/ephemera/core"
)

// TestNumbersAreNotUsedAgain: an epoch that goes on gives no position twice, although the partitions that had the last
// numbers were removed before anything was saved.
func TestNumbersAreNotUsedAgain(t *testing.T) {
	for _, keep := range []bool{false, true} {
		var p place
		s := open(t, p.handle(t), one(), manual())
		epoch := s.Store().Epoch()
		if keep {
			_, err := s.Store().AddPartition(core.PartitionOptions{Capacity: 3})
			must(t, err)
		}
		given := map[core.Position]bool{}
		for round := range 4 {
			for range 2 {
				number, err := s.Store().AddPartition(core.PartitionOptions{Capacity: 3})
				must(t, err)
				pos, err := s.Store().AppendTo(number, nth(round))
				must(t, err)
				if given[pos] {
					t.Fatalf("round %d: %v is given twice", round, pos)
				}
				given[pos] = true
				must(t, s.Store().RemovePartition(number))
			}
			next, before := s.Store().NextPartition(), s.Store().Ledger()
			s = reopen(t, &p, s, one())
			same(t, "epoch", s.Store().Epoch(), epoch)
			same(t, "next number", s.Store().NextPartition(), next)
			same(t, "partitions", len(s.Store().PartitionNumbers()), len(p.newest(t).Partitions))
			same(t, "visible", s.Store().Ledger().Visible, before.Visible)
			if _, seen := s.Section(numbersSection); seen {
				t.Error("the section waits for a part")
			}
			balanced(t, s)
		}
		fails(t, s.Attach(&textPart{name: numbersSection}), ErrSection)
		must(t, s.Close())
	}
}

// TestForgedNumbers: a section that contradicts its manifest, or what numbers there are, is damage.
func TestForgedNumbers(t *testing.T) {
	for name, data := range map[string][]byte{
		"empty": {}, "in use": {1}, "zero": {0}, "too great": {0x81, 0x80, 0x80, 0x01}, "more than a number": {2, 0}, "malformed": {0x80},
	} {
		var p place
		s := open(t, p.handle(t), one(), manual())
		fill(t, s.Store(), 0, 1)
		save(t, s)
		m := p.newest(t)
		m.Ordinal, m.Sections = 2, []Section{{numbersSection, data}}
		crash(t, s)
		putManifest(t, &p, m)
		again := open(t, p.handle(t), one(), manual())
		if r := again.Report(); r.Ordinal != 1 || len(r.Skipped) != 1 || !damaged(r.Skipped[0].Err) {
			t.Errorf("%s: %v", name, r)
		}
	}
}

// TestGreatestNumber: whatever number a partition can have, a snapshot with it can be restored.
func TestGreatestNumber(t *testing.T) {
	var p place
	s := open(t, p.handle(t), one(), manual())
	_, err := s.Store().AddPartition(core.PartitionOptions{Capacity: 3})
	must(t, err)
	save(t, s)
	m := p.newest(t)
	m.Ordinal, m.Partitions[1].Number = 2, core.MaxPartitionNumbers-2
	crash(t, s)
	putManifest(t, &p, m)
	again := open(t, p.handle(t), one(), manual())
	same(t, "skipped", len(again.Report().Skipped), 0)
	number, err := again.Store().AddPartition(core.PartitionOptions{Capacity: 3})
	must(t, err)
	same(t, "number", number, core.MaxPartitionNumbers-1)
	must(t, again.Store().RemovePartition(number))
	again = reopen(t, &p, again, one())
	same(t, "skipped", len(again.Report().Skipped), 0)
	same(t, "next number", again.Store().NextPartition(), core.MaxPartitionNumbers)
	fillPartition(t, again.Store(), core.MaxPartitionNumbers-2, 0, 2)
	_ = reopen(t, &p, again, one())
}
