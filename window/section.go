package window

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
)

// A window can travel in the snapshots of a store: it has the methods of a part of a snapshot, which use standard types
// only. Without a Store the section holds the signals that the window shows; with one, these are there already, and the
// section holds how far they are.

const (
	sectionVersion = 1
	sectionSignals = 1 // kinds
	sectionStore   = 2
)

// SectionName is "window".
func (w *Window) SectionName() string { return "window" }

// SaveSection returns the window as it is now, for Options.Restored of a later one. With SectionName and LoadSection it
// makes the window a snapshot.Part, for Attach of a snapshot.Saver. A Part is told which sequences [first, next) of each
// partition of the saved store are in the snapshot; a window does not depend on that store and does not use it, so
// without a Saver nil will do.
func (w *Window) SaveSection(_ func(partition int) (first, next uint64)) ([]byte, error) {
	if w.o.Store != nil {
		s := w.Stats() // of one moment: more must not be durable than there is
		b := binary.AppendUvarint([]byte{sectionVersion, sectionStore}, s.LastSequence)
		return binary.AppendUvarint(b, s.LastDurable), nil
	}
	last := w.next() - 1 // before the signals: what is raised meanwhile may be among them, and must not be given again
	list, err := w.Find("").Signals()
	if err != nil {
		return nil, err
	}
	if n := len(list); n > 0 {
		last = max(last, list[n-1].Sequence)
	}
	b := binary.AppendUvarint([]byte{sectionVersion, sectionSignals}, last)
	b = binary.AppendUvarint(b, uint64(len(list)))
	for i := range list {
		b = appendSignal(b, &list[i])
	}
	return b, nil
}

// LoadSection accepts the section that the window was made with: pass it to Options.Restored, because sequences go on from
// it. Any other is refused.
func (w *Window) LoadSection(data []byte) error {
	if !bytes.Equal(data, w.o.Restored) {
		return fmt.Errorf("%w: the window was not made with this section; pass it to Options.Restored", ErrOption)
	}
	return nil
}

func appendSignal(b []byte, s *Signal) []byte {
	b = binary.AppendUvarint(b, s.Sequence)
	b = binary.AppendVarint(b, s.Time.Unix())
	b = binary.AppendUvarint(b, uint64(s.Time.Nanosecond()))
	b = binary.AppendUvarint(b, s.Operation)
	for _, text := range []string{s.Name, s.Key, string(s.Data)} {
		b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
	}
	b = binary.AppendUvarint(b, uint64(len(s.Path)))
	for _, name := range s.Path {
		b = append(binary.AppendUvarint(b, uint64(len(name))), name...)
	}
	return b
}

// section is what a section says.
type section struct {
	stored  bool
	last    uint64 // sequence
	durable uint64
	signals []sinks.Signal
}

// readSection reads what SaveSection wrote.
func readSection(data []byte) (s section, err error) {
	d := sectionReader{rest: data}
	version, kind := d.byte(), d.byte()
	switch {
	case version != sectionVersion || kind != sectionSignals && kind != sectionStore:
		d.fail("version or kind")
	case kind == sectionStore:
		s.stored, s.last, s.durable = true, d.uvarint(), d.uvarint()
	default:
		s.last = d.uvarint()
		s.signals = d.signals(s.last)
	}
	if d.err == nil && (len(d.rest) > 0 || s.last >= sinks.MaxSequence || s.durable > s.last) {
		d.fail("sequences, or bytes left over")
	}
	return s, d.err
}

// sectionReader takes fields from bytes until the first that is wrong.
type sectionReader struct {
	rest []byte
	err  error
}

func (d *sectionReader) fail(what string) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: Restored is no section of a window: %s", sinks.ErrCorrupt, what)
	}
	d.rest = nil
}

func (d *sectionReader) byte() byte {
	if len(d.rest) == 0 {
		d.fail("truncated")
		return 0
	}
	v := d.rest[0]
	d.rest = d.rest[1:]
	return v
}

func (d *sectionReader) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.fail("malformed number")
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *sectionReader) varint() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.fail("malformed number")
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *sectionReader) text() string {
	n := d.uvarint()
	if n > uint64(len(d.rest)) {
		d.fail("truncated")
		return ""
	}
	v := string(d.rest[:n])
	d.rest = d.rest[n:]
	return v
}

// signals reads as many as are announced, in the order of their sequences, none above last.
func (d *sectionReader) signals(last uint64) []sinks.Signal {
	const least = 8 // bytes of a signal
	n, before := d.uvarint(), uint64(0)
	if n > uint64(len(d.rest)/least) {
		d.fail("too many signals")
	}
	var list []sinks.Signal
	for ; n > 0 && d.err == nil; n-- {
		s := sinks.Signal{Sequence: d.uvarint()}
		sec, nsec := d.varint(), d.uvarint()
		s.Operation, s.Name, s.Key = d.uvarint(), d.text(), d.text()
		if data := d.text(); data != "" {
			s.Data = []byte(data)
		}
		for k := d.uvarint(); k > 0 && d.err == nil; k-- {
			s.Path = append(s.Path, d.text())
		}
		s.Time = time.Unix(sec, int64(nsec%1e9)).UTC()
		if d.err != nil {
			return nil
		}
		if err := sinks.CheckSignal(&s); err != nil || s.Sequence <= before || s.Sequence > last || nsec >= 1e9 {
			d.fail("a signal out of order or range")
			return nil
		}
		before, list = s.Sequence, append(list, s)
	}
	return list
}

// restored reads Options.Restored and compares it with what the store says of itself.
func (o *Options) restored(stat sinks.SignalStat) (section, error) {
	if len(o.Restored) == 0 {
		return section{}, nil
	}
	s, err := readSection(o.Restored)
	switch {
	case err != nil:
		return s, err
	case s.stored != (o.Store != nil):
		return s, errors.Join(ErrOption, errors.New("window: Restored is of a window with a Store, and this one has none, or the other way round"))
	case s.stored && stat.Last < s.durable:
		return s, fmt.Errorf("%w: signals up to %d were stored, and the store says %d: it is not the same one", sinks.ErrConflict, s.durable, stat.Last)
	}
	return s, nil
}

// putAside makes restored signals part of a new window.
func (w *Window) putAside(s section) error {
	l := loader{w: w, number: map[string]uint32{}}
	for i := len(s.signals) - 1; i >= 0; i-- {
		l.take(&s.signals[i], earliest)
	}
	l.merge()
	if l.report.Refused > 0 {
		return fmt.Errorf("%w: Restored has more names than MaxNames", ErrOption)
	}
	return nil
}
