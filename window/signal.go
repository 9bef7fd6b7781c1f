package window

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ephemera-go/ephemera/sinks"
)

// A Signal is something that happened, under a name. Two signals may be alike in everything but their sequence.
type Signal struct {
	Sequence  uint64    // given by the window, from 1 on; ignored by RaiseSignal
	Time      time.Time // when; UTC in what the window returns. The zero time means now
	Name      string    // what: valid UTF-8 without NUL, up to [sinks.MaxNameBytes]
	Key       string    // to whom or what, the same up to [sinks.MaxKeyBytes]; may be empty
	Operation uint64    // groups the signals of one operation; 0 is none. See [Window.NewOperation]
	Path      []string  // causal path: names of the signals that led to this one, first cause first, up to [sinks.MaxPathNames]
	Data      []byte    // anything else, up to [sinks.MaxDataBytes]; read only in what the window returns
	Restored  bool      // it was raised in an earlier run and came back by Load; ignored by RaiseSignal
}

// Depth returns the length of the causal path.
func (s *Signal) Depth() int { return len(s.Path) }

// WouldCycle reports whether a signal of that name, caused by s, would be among its own causes.
func (s *Signal) WouldCycle(name string) bool { return s.Name == name || slices.Contains(s.Path, name) }

// A record is a signal as the core store keeps it; Window.signal makes a Signal of it.
type record struct {
	sec       int64
	nsec      uint32
	name      uint32
	operation uint64
	key       string
	extra     *extra
}

// extra is what few signals have.
type extra struct {
	path []string
	data []byte
}

func (r *record) at() moment { return moment{r.sec, r.nsec} }

// Time returns the time of the signal, in UTC.
func (r *record) Time() time.Time { return time.Unix(r.sec, int64(r.nsec)).UTC() }

// signal returns a record of the core store as a signal. The sequence is that of the record's position.
func (w *Window) signal(sequence uint64, r *record) Signal {
	var s [1]Signal
	w.fill(s[:], []record{*r}, []uint64{sequence}, w.spelling.list(w.names))
	return s[0]
}

// fill makes signals of records. The list, which has as many, is zero: what few signals have is written only for those,
// because it is the half of a Signal that lies in another cache line.
func (w *Window) fill(list []Signal, records []record, sequences []uint64, names []string) {
	records, sequences = records[:len(list)], sequences[:len(list)]
	for k := range list {
		s, r := &list[k], &records[k]
		t := time.Unix(r.sec, int64(r.nsec)).UTC() // as in record.Time, which is too large to be inlined
		s.Sequence, s.Time, s.Name, s.Key = sequences[k], t, names[r.name], r.key
		if s.Sequence < w.start {
			s.Restored = true
		}
		if r.operation != 0 {
			s.Operation = r.operation
		}
		if r.extra != nil {
			s.Path, s.Data = r.extra.path, r.extra.data
		}
	}
}

// record checks a signal and makes a record of it, with copies of what the caller might change. A name that is known was
// checked before.
func (w *Window) record(s *Signal) (record, error) {
	err := check(s)
	known, ok := w.names.ID(s.Name)
	id := uint32(known)
	if !ok && err == nil {
		var n Name
		if n, err = w.Intern(s.Name); err != nil {
			return record{}, err
		}
		id = n.id
	}
	if err != nil {
		w.refused.invalid.Add(1)
		return record{}, err
	}
	r := record{name: id, operation: s.Operation, key: s.Key}
	if s.Time.IsZero() {
		r.sec, r.nsec = w.now()
	} else {
		m := momentOf(s.Time)
		r.sec, r.nsec = m.sec, m.nsec
	}
	if len(s.Path) > 0 || len(s.Data) > 0 {
		r.extra = &extra{slices.Clone(s.Path), slices.Clone(s.Data)}
	}
	return r, nil
}

// check refuses what a store would refuse, so that no signal can ever block the ones behind it. The name is not looked at.
func check(s *Signal) error {
	if !goodKey(s.Key) {
		return fmt.Errorf("%w: key has %d bytes, holds NUL or is no valid UTF-8", ErrInvalid, len(s.Key))
	}
	if len(s.Path) > sinks.MaxPathNames {
		return fmt.Errorf("%w: causal path has %d names", ErrInvalid, len(s.Path))
	}
	if len(s.Data) > sinks.MaxDataBytes {
		return fmt.Errorf("%w: data has %d bytes", ErrInvalid, len(s.Data))
	}
	if !s.Time.IsZero() {
		if year := s.Time.UTC().Year(); year < 1 || year > 9999 {
			return fmt.Errorf("%w: year %d", ErrInvalid, year)
		}
	}
	for _, name := range s.Path {
		if p := nameProblem(name); p != "" {
			return fmt.Errorf("%w: name in causal path %s", ErrInvalid, p)
		}
	}
	return nil
}

func nameProblem(name string) string {
	switch {
	case name == "":
		return "is empty"
	case len(name) > sinks.MaxNameBytes:
		return fmt.Sprintf("has %d bytes", len(name))
	case strings.IndexByte(name, 0) >= 0:
		return "holds NUL"
	case !utf8.ValidString(name):
		return "is no valid UTF-8"
	}
	return ""
}

// goodKey reports whether a store takes the key. Eight plain bytes at a time: a set high bit is not ASCII, and
// subtracting one from each byte sets it for a zero.
func goodKey(key string) bool {
	if len(key) > sinks.MaxKeyBytes {
		return false
	}
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	rest := key
	for len(rest) >= 8 {
		x := uint64(rest[0]) | uint64(rest[1])<<8 | uint64(rest[2])<<16 | uint64(rest[3])<<24 |
			uint64(rest[4])<<32 | uint64(rest[5])<<40 | uint64(rest[6])<<48 | uint64(rest[7])<<56
		if (x|(x-ones))&highs != 0 {
			return goodText(key)
		}
		rest = rest[8:]
	}
	for i := range len(rest) {
		if c := rest[i]; c == 0 || c >= utf8.RuneSelf {
			return goodText(key)
		}
	}
	return true
}

func goodText(text string) bool { return strings.IndexByte(text, 0) < 0 && utf8.ValidString(text) }
