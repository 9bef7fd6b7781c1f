package dashboard

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/server/internal/state"
	"github.com/ephemera-go/ephemera/snapshot"
	"github.com/ephemera-go/ephemera/streams"
	"github.com/ephemera-go/ephemera/window"
)

// What a page shows at most.
const (
	maxStreams = 100
	maxSignals = 50
	maxTop     = 10
	listWithin = 2 * time.Second // for a list of snapshots, which may lie far away
)

var errBad = errors.New("bad request")

// A view is what the page shows.
type view struct {
	Version, Epoch string
	Login          bool
	Problem        string
	Losses         []string
	Rate           float64 // appends per second
	Visible        uint64  // events
	AtRisk         uint64  // events and signals that came since they were saved; some may have been forgotten meanwhile
	Streams        []streams.Info
	MoreStreams    bool
	Chosen         choice
	Chart          chart
	Pattern        string
	Signals        []window.Signal // newest first
	Labels         []core.Ranked[string]
	Stores         []store
	Window         window.Stats
}

// A choice is what the query of the page asks for.
type choice struct{ Stream, Span, Field, By string }

// A store is what is known of events of one kind.
type store struct {
	Name      string
	Ledger    core.Ledger
	Rate      float64
	Saver     snapshot.Stats
	Snapshots []snapshot.Info // newest first
	ListError error
}

// A savedList is what was found when the counters of a saver were these.
type savedList struct {
	ordinal, pruned uint64
	list            []snapshot.Info
}

// view collects everything. With an error it is what could be collected.
func (d *Dashboard) view(r *http.Request) (*view, error) {
	s := d.state
	v := &view{Version: d.o.Version, Epoch: s.Log.Epoch().String(), Login: d.o.Login, Window: s.Signals.Stats()}
	ctx := r.Context()
	v.Stores = []store{
		d.store(ctx, state.StreamsName, s.Events.Store().Ledger(), s.Events.Store().Stats().Rate, s.Events.Stats()),
		d.store(ctx, state.MetricsName, s.Metrics.Store().Ledger(), s.Metrics.Store().Stats().Rate, s.Metrics.Stats()),
	}
	v.AtRisk = v.Window.Pending
	for i := range v.Stores {
		v.Rate += v.Stores[i].Rate
		v.Visible += v.Stores[i].Ledger.Visible
		v.AtRisk += v.Stores[i].Saver.AtRisk
	}
	v.Losses = losses(s, v)
	q, err := query(r)
	if err != nil {
		return v, err
	}
	return v, errors.Join(d.viewStreams(ctx, v, q), d.viewSignals(v, q), d.viewLabels(v))
}

// query refuses parameters that nobody reads.
func query(r *http.Request) (url.Values, error) {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, fmt.Errorf("%w: malformed query", errBad)
	}
	for name, values := range q {
		if !slices.Contains([]string{"stream", "span", "field", "by", "pattern"}, name) || len(values) > 1 {
			return nil, fmt.Errorf("%w: parameter %q is unknown or given twice", errBad, name)
		}
	}
	return q, nil
}

func (d *Dashboard) viewStreams(ctx context.Context, v *view, q url.Values) (err error) {
	v.Chosen = choice{Stream: q.Get("stream"), Span: q.Get("span"), Field: q.Get("field"), By: q.Get("by")}
	if v.Streams, err = d.state.Log.List(ctx, "", "", maxStreams+1); err != nil {
		return err
	}
	if v.MoreStreams = len(v.Streams) > maxStreams; v.MoreStreams {
		v.Streams = v.Streams[:maxStreams]
	}
	if v.Chosen.Stream == "" && len(v.Streams) > 0 {
		v.Chosen.Stream = v.Streams[0].Stream
	}
	if v.Chosen.Stream == "" {
		return nil
	}
	v.Chart, err = d.chart(ctx, &v.Chosen, time.Now())
	return err
}

func (d *Dashboard) viewSignals(v *view, q url.Values) (err error) {
	v.Pattern = q.Get("pattern")
	v.Signals, err = d.state.Signals.Find(v.Pattern).Newest(maxSignals).Signals()
	slices.Reverse(v.Signals)
	if errors.Is(err, window.ErrPattern) {
		return fmt.Errorf("%w: %w", errBad, err)
	}
	return err
}

func (d *Dashboard) viewLabels(v *view) (err error) {
	cut := d.state.Metrics.Store().Cut()
	defer cut.Close()
	v.Labels, err = core.TopK(cut.Between(time.Time{}, time.Time{}), maxTop,
		func(m *state.Metric) string { return m.Label }, func(m *state.Metric) float64 { return m.Value })
	return err
}

func (d *Dashboard) store(ctx context.Context, name string, l core.Ledger, rate float64, saver snapshot.Stats) store {
	list, err := d.snapshots(ctx, name, saver)
	return store{name, l, rate, saver, list, err}
}

// snapshots lists what is kept, newest first. It asks the place again only when the saver has done something.
func (d *Dashboard) snapshots(ctx context.Context, name string, now snapshot.Stats) ([]snapshot.Info, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if known, ok := d.saved[name]; ok && known.ordinal == now.Ordinal && known.pruned == now.Pruned {
		return known.list, nil
	}
	ctx, cancel := context.WithTimeout(ctx, listWithin)
	defer cancel()
	list, err := d.state.Snapshots(ctx, name)
	if err != nil {
		return nil, err
	}
	slices.Reverse(list)
	d.saved[name] = savedList{now.Ordinal, now.Pruned, list}
	return list, nil
}
