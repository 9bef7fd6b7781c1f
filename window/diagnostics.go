package window

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/ephemera-go/ephemera/sinks"
)

// diagnosticsCapacity is how many signals of its own a window keeps.
const diagnosticsCapacity = 1000

// A teller raises the diagnostics of a window in a window of their own. A nil teller says nothing.
type teller struct {
	w     *Window
	raise Name // window.raise
}

func newTeller(clock func() time.Time, c *ticker) (*teller, error) {
	o := Options{Capacity: diagnosticsCapacity, MaxAge: Forever, Clock: clock}
	o.setDefaults()
	w, err := build(o, 1, c, nil)
	if err != nil {
		return nil, err
	}
	n, err := w.Intern("window.raise")
	return &teller{w, n}, err
}

// say raises a signal whose name may carry a number. When there have been too many different numbers the name goes
// without. After Close nothing is raised any more.
func (t *teller) say(name, key string) {
	if t == nil {
		return
	}
	if _, err := t.w.Raise(name, plain(key)); err != nil {
		bare, _, _ := strings.Cut(name, ":")
		_, _ = t.w.Raise(bare, plain(key))
	}
}

func (t *teller) count(name string, n int) { t.say(name+":"+strconv.Itoa(n), "") }

// sampled tells of one raise out of SampleEvery: a record of that moment with the name as its key.
func (t *teller) sampled(sec int64, nsec uint32, name string) {
	r := record{sec: sec, nsec: nsec, name: t.raise.id, key: name}
	if pos, err := t.w.store.Append(r); err == nil {
		t.w.raised(pos.Sequence, 1)
	}
}

// sample tells of a record that was raised.
func (w *Window) tellRaise(sec int64, nsec, name uint32) {
	text, _ := w.names.Name(keyID(name))
	w.told.sampled(sec, nsec, text)
}

// plain makes a key of any text.
func plain(text string) string {
	text = strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "\uFFFD")
	if len(text) <= sinks.MaxKeyBytes {
		return text
	}
	n := sinks.MaxKeyBytes
	for !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

// tellDrops tells of signals that were dropped since it did so last.
func (w *Window) tellDrops() {
	w.mu.Lock()
	total := w.account.overflow + w.refused.overloaded.Load()
	n := total - w.account.told
	w.account.told = total
	w.mu.Unlock()
	if n > 0 {
		w.told.say("window.dropped", strconv.FormatUint(n, 10))
	}
}
