package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"time"
)

// Terminal control: each picture is drawn over the one before.
const (
	toTop     = "\x1b[H"
	clearLine = "\x1b[K\n"
	clearRest = "\x1b[J"
)

// A dashboard posts and draws, one after the other.
type dashboard struct {
	o      options
	server *server
	out    io.Writer

	posted, unknown int // metrics
}

func (d *dashboard) run(ctx context.Context) error {
	if _, err := d.figures(ctx); err != nil && ctx.Err() == nil {
		return err // a server that is not there to begin with
	}
	terminal := isTerminal(d.out)
	posts, pictures := time.NewTicker(max(time.Second/time.Duration(max(d.o.rate, 1)), 20*time.Millisecond)), time.NewTicker(d.o.every)
	defer posts.Stop()
	defer pictures.Stop()
	begin, due := time.Now(), 0
	for round := 0; ; {
		var now time.Time
		draw := false
		select {
		case <-ctx.Done():
			return d.draw(terminal, d.picture(context.WithoutCancel(ctx)))
		case now = <-posts.C:
		case now = <-pictures.C:
			draw = true
		}
		sent, err := d.post(ctx, due, int(now.Sub(begin).Seconds()*float64(d.o.rate)))
		if err != nil {
			return err
		}
		due += sent
		if !draw {
			continue
		}
		if err := d.draw(terminal, d.picture(ctx)); err != nil {
			return err
		}
		if round++; round == d.o.rounds {
			return nil
		}
	}
}

// post sends metrics that are due, one label after the other, at most 1000 in a request, and returns how many. Those of a failed
// request may have arrived or not.
func (d *dashboard) post(ctx context.Context, from, to int) (sent int, err error) {
	var list []Metric
	for n := from; n < to && len(list) < 1000; n++ {
		i := n % len(d.o.labels)
		list = append(list, Metric{d.o.labels[i], float64(10*(i+1)) + rand.NormFloat64(), time.Now().UTC()})
	}
	if len(list) == 0 {
		return 0, nil
	}
	err = d.server.post(ctx, list)
	if errors.Is(err, errUnreachable) {
		d.unknown += len(list)
		return len(list), nil
	}
	if err == nil {
		d.posted += len(list)
	}
	return len(list), err
}

// picture returns the lines to draw. A server that is away for a while is one of them.
func (d *dashboard) picture(ctx context.Context) []string {
	head := fmt.Sprintf("%s, last %d min; posted %d, unknown %d", d.o.url, d.o.minutes, d.posted, d.unknown)
	lines, err := d.figures(ctx)
	if err != nil {
		return []string{head, err.Error()}
	}
	return append([]string{head}, lines...)
}

// figures asks the server.
func (d *dashboard) figures(ctx context.Context) ([]string, error) {
	from := time.Now().Add(-time.Duration(d.o.minutes) * time.Minute).UTC()
	lines := []string{fmt.Sprintf("%-16s %8s %12s %8s %8s %8s", "label", "count", "sum", "min", "max", "avg")}
	for _, label := range d.o.labels {
		sum, err := d.server.sumWindow(ctx, label, d.o.minutes)
		if err != nil {
			return nil, err
		}
		w, err := d.server.window(ctx, label, from)
		if err != nil {
			return nil, err
		}
		lines = append(lines, fmt.Sprintf("%-16s %8d %12.2f %8s %8s %8s", label, w.Count, sum, decimal(w.Min), decimal(w.Max), decimal(w.Avg)))
	}
	top, err := d.server.top(ctx, d.o.top, from)
	if err != nil {
		return nil, err
	}
	for i, x := range top {
		lines = append(lines, fmt.Sprintf("top %d: %s, sum %.2f of %d", i+1, x.Label, x.Sum, x.Count))
	}
	return lines, nil
}

func (d *dashboard) draw(terminal bool, lines []string) error {
	text := strings.Join(lines, "\n") + "\n\n"
	if terminal {
		text = toTop + strings.Join(lines, clearLine) + clearLine + clearRest
	}
	_, err := io.WriteString(d.out, text)
	return err
}

func decimal(f *float64) string {
	if f == nil {
		return "-"
	}
	return fmt.Sprintf("%.2f", *f)
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
