package window

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

// loadPage is how many signals are read from the store at once.
const loadPage = 1000

// LoadOptions configures Load.
type LoadOptions struct {
	MaxAge time.Duration // > 0: older signals stay in the store; 0: no limit but the MaxAge of the window, whose own 0 is ten minutes
	Replay bool          // deliver the restored signals to the watchers that exist now, marked as Restored; they wait outside of Buffer
}

// A LoadReport says what Load found. Read = Restored + Known + TooOld + Expired + NoRoom + Refused.
type LoadReport struct {
	Read     int  // signals read from the store
	Restored int  // now in the window again
	Known    int  // in the window already
	TooOld   int  // older than LoadOptions.MaxAge
	Expired  int  // not older than that, but older than the MaxAge of the window
	NoRoom   int  // newer signals fill the capacity
	Refused  int  // their names are new and MaxNames is reached
	More     bool // the store holds older signals that were not read
}

// Load brings the newest signals of earlier runs back into the window: those that it would hold if the process had gone
// on. They stand before everything that this run raised, keep their sequences and are marked as Restored. At most
// Capacity signals are read. Loading again adds what is missing and nothing twice. Nothing is written. When the context
// ends, the store fails, or what it gives makes no sense (sinks.ErrCorrupt), the window is as before.
func (w *Window) Load(ctx context.Context, o LoadOptions) (LoadReport, error) {
	if w.o.Store == nil {
		return LoadReport{}, ErrNoStore
	}
	if o.MaxAge < 0 {
		return LoadReport{}, fmt.Errorf("%w: age %v", ErrOption, o.MaxAge)
	}
	select {
	case w.loading <- struct{}{}:
	case <-ctx.Done():
		return LoadReport{}, fmt.Errorf("window: load: %w", ctx.Err())
	}
	defer func() { <-w.loading }()
	l := loader{w: w, o: o, number: map[string]uint32{}}
	if err := l.read(ctx); err != nil {
		return LoadReport{}, fmt.Errorf("window: load: %w", err)
	}
	fresh := l.merge()
	if w.told.count("window.load.done", l.report.Restored); o.Replay {
		w.watchers.replay(fresh)
	}
	return l.report, nil
}

type loader struct {
	w      *Window
	o      LoadOptions
	report LoadReport
	rows   []row // newest first; their names are numbers of names until they are merged
	names  []string
	number map[string]uint32 // where a name stands in names
	known  []uint32          // its number in the window, once somebody needed it
}

type row struct {
	sequence uint64
	record   record
}

// read collects the candidates, page by page from the newest on.
func (l *loader) read(ctx context.Context) error {
	age := earliest
	if l.o.MaxAge > 0 {
		age = ago(l.w.reading(), l.o.MaxAge)
	}
	before := l.w.start
	for left := l.w.Capacity(); left > 0 && before > 1; {
		page, err := l.page(ctx, before, min(left, loadPage))
		if err != nil {
			return err
		}
		for i := range slices.Backward(page) {
			l.take(&page[i], age)
		}
		if left -= len(page); len(page) == 0 {
			return nil
		}
		before = page[0].Sequence
	}
	if before <= 1 {
		return nil
	}
	older, err := l.page(ctx, before, 1)
	l.report.More = len(older) > 0
	return err
}

// page reads from the store and believes nothing: what is out of order or twice would be so in the window for ever.
func (l *loader) page(ctx context.Context, before uint64, limit int) ([]sinks.Signal, error) {
	page, err := l.w.o.Store.ReadNewest(ctx, before, limit)
	if err != nil {
		return nil, err
	}
	if len(page) > limit {
		return nil, fmt.Errorf("%w: the store gave %d signals instead of at most %d", sinks.ErrCorrupt, len(page), limit)
	}
	for i := range slices.Backward(page) {
		if err := sinks.CheckSignal(&page[i]); err != nil {
			return nil, fmt.Errorf("%w: the store gave a bad signal: %w", sinks.ErrCorrupt, err)
		}
		if page[i].Sequence >= before {
			return nil, fmt.Errorf("%w: the store gave sequence %d below %d", sinks.ErrCorrupt, page[i].Sequence, before)
		}
		before = page[i].Sequence
	}
	return page, nil
}

func (l *loader) take(s *sinks.Signal, age moment) {
	l.report.Read++
	m := momentOf(s.Time)
	if m.before(age) {
		l.report.TooOld++
		return
	}
	name, ok := l.number[s.Name]
	if !ok {
		name = uint32(len(l.names))
		l.names, l.number[s.Name] = append(l.names, s.Name), name
	}
	r := record{sec: m.sec, nsec: m.nsec, name: name, operation: s.Operation, key: s.Key}
	if len(s.Path) > 0 || len(s.Data) > 0 {
		r.extra = &extra{s.Path, s.Data}
	}
	l.rows = append(l.rows, row{s.Sequence, r})
}

// learn gives a record the number that its name has in the window. Only signals that are restored make the window learn
// names, so that those of others do not fill it.
func (l *loader) learn(r *record) bool {
	if l.known == nil {
		l.known = make([]uint32, len(l.names))
	}
	id := &l.known[r.name]
	if *id == 0 {
		k, err := l.w.names.Intern(l.names[r.name])
		if err != nil {
			return false
		}
		*id = uint32(k)
	}
	r.name = *id
	return true
}

// merge puts aside what the window does not have and has room for, at one moment for all reads. It returns what is new,
// oldest first.
func (l *loader) merge() []row {
	w := l.w
	w.mu.Lock()
	defer w.mu.Unlock()
	f := w.open()
	defer f.cut.Close()
	w.settleFrame(&f)
	var known []row
	for i, c := range f.state.aside {
		for k := range c.records {
			if i > 0 || k >= f.state.skip {
				known = append(known, row{c.sequences[k], c.records[k]})
			}
		}
	}
	fresh := l.fresh(&f, known)
	if len(fresh) == 0 {
		return nil
	}
	all := fresh
	if len(known) > 0 {
		all = slices.Concat(known, fresh)
		sort.Slice(all, func(i, k int) bool { return all[i].sequence < all[k].sequence })
	}
	var g gather
	for i := range all {
		g.add(all[i].sequence, &all[i].record)
	}
	s := *f.state
	s.aside, s.skip = g.chunks, 0
	w.account.restored += uint64(len(fresh))
	w.state.Store(&s)
	return fresh
}

// fresh returns the rows to add, oldest first.
func (l *loader) fresh(f *frame, known []row) []row {
	room := f.state.capacity - int(f.next-f.lo) - len(known)
	fresh := l.rows[:0] // in place: there may be millions
	for _, r := range l.rows {
		at := sort.Search(len(known), func(i int) bool { return known[i].sequence >= r.sequence })
		switch {
		case at < len(known) && known[at].sequence == r.sequence:
			l.report.Known++
		case r.record.at().before(f.age):
			l.report.Expired++
		case room <= 0:
			l.report.NoRoom++
		case !l.learn(&r.record):
			l.report.Refused++
		default:
			room--
			fresh = append(fresh, r)
		}
	}
	slices.Reverse(fresh)
	l.report.Restored = len(fresh)
	return fresh
}
