package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/ephemera-go/ephemera/core"
)

// Terminal control: the live view has the alternate screen, so that the final report follows what was there before.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l"
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	toTop       = "\x1b[H"
	clearLine   = "\x1b[K\n"
	clearBelow  = "\x1b[J"
)

// screen shows a replay while it runs: a terminal is redrawn, anything else gets a line per second.
type screen struct {
	player   *player
	out      io.Writer
	options  options
	terminal bool
	every    time.Duration

	magnitudes  *core.Rollup[quake, core.Summary]
	percentiles *core.Rollup[quake, core.Histogram]
}

// newScreen registers the rollups that answer the windows without a walk over the events.
func newScreen(p *player, out io.Writer, o options) (*screen, error) {
	s := &screen{player: p, out: out, options: o, terminal: isTerminal(out), every: time.Second}
	var err error
	s.magnitudes, err = core.NewRollup(p.store, core.Summaries(magnitude), core.RollupOptions{Name: "magnitudes"})
	if err != nil {
		return nil, err
	}
	s.percentiles, err = core.NewRollup(p.store, core.Percentiles(magnitude), core.RollupOptions{Name: "percentiles"})
	if err != nil {
		return nil, err
	}
	if s.terminal {
		s.every = 200 * time.Millisecond
		return s, writeString(out, enterScreen)
	}
	return s, nil
}

func (s *screen) close() error {
	if s.terminal {
		return writeString(s.out, leaveScreen)
	}
	return nil
}

// frame is what one drawing shows; all of it but the counters comes from one cut.
type frame struct {
	windows windows
	groups  []group
	ledger  ledger
	rate    float64
	sent    int
	events  int
	seen    time.Time
}

func (s *screen) draw() error {
	f, err := s.frame()
	if err != nil {
		return err
	}
	if s.terminal {
		return writeString(s.out, toTop+strings.Join(f.screenLines(s.options), clearLine)+clearLine+clearBelow)
	}
	return writeString(s.out, f.line()+"\n")
}

func (s *screen) frame() (*frame, error) {
	store := s.player.store
	cut := store.Cut()
	defer cut.Close()
	f := &frame{
		ledger: ledgerOf(store.Ledger()), rate: store.Stats().Rate,
		sent: s.player.sent, events: len(s.player.quakes), seen: s.player.newest,
	}
	if _, newest, ok := cut.View().Span(); ok {
		for _, span := range spans {
			w, err := s.window(cut, newest.Add(-span.length), newest)
			if err != nil {
				return nil, err
			}
			*span.of(&f.windows) = w
		}
	}
	groups, err := networks(cut.View())
	if err != nil {
		return nil, err
	}
	f.groups = groups[:min(s.options.top, len(groups))]
	return f, nil
}

// window asks the rollups for the events of the cut, both ends inclusive.
func (s *screen) window(cut *core.Cut[quake], from, to time.Time) (window, error) {
	sum, err := s.magnitudes.On(cut, from, to)
	if err != nil {
		return window{}, err
	}
	percentiles, err := s.percentiles.On(cut, from, to)
	if err != nil {
		return window{}, err
	}
	w := windowOf(sum.Value)
	if p95, ok := percentiles.Value.Percentile(95); ok {
		w.P95 = &p95
	}
	return w, nil
}

func (f *frame) screenLines(o options) []string {
	order := "file order"
	if o.byTime {
		order = "time order"
	}
	lines := []string{
		fmt.Sprintf("ephemera: earthquakes at %g times their speed, %s, capacity %s", o.speed, order, thousands(o.capacity)),
		fmt.Sprintf("%s of %s events, newest seen %s", thousands(f.sent), thousands(f.events), feedTime(f.seen)),
		fmt.Sprintf("append rate %.1f/s, discarded %s", f.rate, thousands(f.ledger.Discarded)),
		"",
	}
	lines = append(lines, f.windows.lines("~p95")...)
	lines = append(lines, "", "top networks")
	lines = append(lines, groupLines(f.groups)...)
	lines = append(lines, "")
	lines = append(lines, strings.Split(f.ledger.String(), "\n")...)
	return append(lines, "", "Ctrl-C ends with the final report")
}

// line is the frame for a log or a pipe.
func (f *frame) line() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s/%s %s rate %.1f/s", thousands(f.sent), thousands(f.events), feedTime(f.seen), f.rate)
	for _, span := range spans {
		w := span.of(&f.windows)
		fmt.Fprintf(&b, " | %s %s max %s avg %s ~p95 %s", span.name, thousands(w.Count), decimals(w.Max), decimals(w.Avg), decimals(w.P95))
	}
	b.WriteString(" | top")
	for _, g := range f.groups[:min(3, len(f.groups))] {
		fmt.Fprintf(&b, " %s %s", g.Key, thousands(g.Count))
	}
	fmt.Fprintf(&b, " | discarded %s | ", thousands(f.ledger.Discarded))
	b.WriteString(strings.Join(strings.Fields(f.ledger.String()), " "))
	return b.String()
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
