package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ephemera-go/ephemera/server/internal/state"
	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/snapshot"
)

type snapshotCmd struct {
	Ls      snapshotLsCmd      `cmd:"" help:"List snapshots."`
	Verify  snapshotVerifyCmd  `cmd:"" help:"Read everything and compare checksums."`
	Show    snapshotShowCmd    `cmd:"" help:"Show what a snapshot holds."`
	Restore snapshotRestoreCmd `cmd:"" help:"Go back to a snapshot."`
	Prune   snapshotPruneCmd   `cmd:"" help:"Remove old snapshots."`
}

// place is where snapshots lie. Looking does not disturb a server that uses it.
type place struct {
	Data      string `default:"./data" placeholder:"DIR" env:"EPHEMERA_DATA" help:"Data directory of a server (${default})."`
	Snapshots string `placeholder:"URL" env:"EPHEMERA_SNAPSHOTS" help:"Where the snapshots are instead."`
}

// open looks for a place that is there: it makes none.
func (p *place) open(ctx context.Context, write bool) (sinks.BlobStore, error) {
	at := p.Snapshots
	if at == "" {
		var err error
		if at, err = state.SnapshotsURL(p.Data); err != nil {
			return nil, err
		}
		if write {
			if err := state.CheckData(p.Data); err != nil {
				return nil, err
			}
		}
	}
	looked, err := sinks.OpenBlobs(ctx, readOnly(at))
	switch {
	case !write:
		return looked, err
	case err == nil:
		if err := looked.Close(); err != nil {
			return nil, err
		}
	case !errors.Is(err, sinks.ErrReadOnly): // what an older version has written is there
		return nil, err
	}
	return sinks.OpenBlobs(ctx, at)
}

// check fails for a place that is not there, or may not be changed.
func (p *place) check(ctx context.Context) error {
	blobs, err := p.open(ctx, true)
	if err != nil {
		return err
	}
	return blobs.Close()
}

// readOnlyKeys are those of URLs, by scheme, that keep a place from being made, as docs/urls.md has them.
var readOnlyKeys = map[string]string{
	"file": "read_only", "sqlite": "read_only", "s3": "read_only", "postgres": "ephemera_read_only", "postgresql": "ephemera_read_only",
}

// readOnly is for a place that must be there already, unless the URL says so itself.
func readOnly(at string) string {
	scheme, _, _ := strings.Cut(at, ":")
	key, mark := readOnlyKeys[strings.ToLower(scheme)], "?"
	if key == "" || strings.Contains(at, key+"=") {
		return at
	}
	if strings.Contains(at, "?") {
		mark = "&"
	}
	return at + mark + key + "=true"
}

// each opens the place and calls f for every name of snapshots there.
func (p *place) each(ctx context.Context, write bool, f func(blobs sinks.BlobStore, name string) error) error {
	blobs, err := p.open(ctx, write)
	if err != nil {
		return err
	}
	defer func() { _ = blobs.Close() }()
	names, err := snapshot.Names(ctx, blobs)
	if err != nil {
		return err
	}
	var failed []error
	for _, name := range names {
		failed = append(failed, f(blobs, name))
	}
	return errors.Join(failed...)
}

type snapshotLsCmd struct{ place }

func (snapshotLsCmd) Help() string {
	return `Examples:

  ephemera snapshot ls
  ephemera snapshot ls --data /var/lib/ephemera --json
  ephemera snapshot ls --snapshots 's3://bucket/events'`
}

// listed is a line of ls.
type listed struct {
	Name    string     `json:"name"`
	Ordinal uint64     `json:"ordinal"`
	TakenAt *time.Time `json:"takenAt,omitempty"`
	Final   bool       `json:"final"`
	Events  uint64     `json:"events"`
	Objects int        `json:"objects"`
	Bytes   int64      `json:"bytes"`
	Error   string     `json:"error,omitempty"`
}

func toListed(name string, s *snapshot.Info) listed {
	l := listed{Name: name, Ordinal: s.Ordinal}
	if s.Err != nil {
		l.Error = s.Err.Error()
	}
	if m := s.Manifest; m != nil {
		l.TakenAt, l.Final, l.Events, l.Objects = &m.TakenAt, m.Final, m.Events(), len(m.Objects)
		for _, o := range m.Objects {
			l.Bytes += o.Bytes
		}
	}
	return l
}

func (w *world) listed(l listed) error {
	switch {
	case w.json:
		return w.line(l)
	case l.TakenAt == nil:
		w.say("%s %d: %s", l.Name, l.Ordinal, l.Error)
	default:
		final := ""
		if l.Final {
			final = ", final"
		}
		w.say("%s %d: %s, %d events, %d objects of %d bytes%s %s", l.Name, l.Ordinal, l.TakenAt.Format(time.RFC3339), l.Events,
			l.Objects, l.Bytes, final, l.Error)
	}
	return nil
}

func (c *snapshotLsCmd) Run(w *world) error {
	return c.each(w.ctx, false, func(blobs sinks.BlobStore, name string) error {
		list, err := snapshot.List(w.ctx, blobs, name)
		for i := range list {
			if err := w.listed(toListed(name, &list[i])); err != nil {
				return err
			}
		}
		return err
	})
}

type snapshotVerifyCmd struct{ place }

func (snapshotVerifyCmd) Help() string {
	return `Ends with exit code 5 if anything is damaged, and with 1 if there is no snapshot.

Examples:

  ephemera snapshot verify
  ephemera snapshot verify --snapshots 's3://bucket/events' --json`
}

func (c *snapshotVerifyCmd) Run(w *world) error {
	some := false
	err := c.each(w.ctx, false, func(blobs sinks.BlobStore, name string) error {
		some = true
		found, err := snapshot.Verify(w.ctx, blobs, name, w.progress)
		if found == nil {
			return err
		}
		for i := range found.Snapshots {
			if err := w.listed(toListed(name, &found.Snapshots[i])); err != nil {
				return err
			}
		}
		if !w.json {
			w.say("%s: %d snapshots, %d objects, %d bytes read; %d objects unused, %d foreign", name, len(found.Snapshots),
				found.Objects, found.Bytes, len(found.Unused), len(found.Foreign))
		}
		return lacking(err)
	})
	if err == nil && !some { // of a backup that is not where it should be, nothing is wrong
		return fmt.Errorf("%w there", snapshot.ErrNoSnapshot)
	}
	return err
}

// lacking says that a snapshot without one of its objects is damaged. That it was pruned meanwhile would be no error.
func lacking(err error) error {
	if errors.Is(err, sinks.ErrNotFound) {
		return fmt.Errorf("%w: %w", snapshot.ErrCorrupt, err)
	}
	return err
}

// progress is shown on a terminal only.
func (w *world) progress(p snapshot.Progress) {
	if w.terminal {
		_, _ = fmt.Fprintf(w.stderr, "\r%s: %d of %d bytes \r", p.Operation, p.Done, p.Total)
	}
}

type snapshotShowCmd struct {
	place
	Name    string `arg:"" help:"streams or metrics, as ls says."`
	Ordinal uint64 `arg:"" help:"Its number."`
}

func (snapshotShowCmd) Help() string {
	return `Prints the manifest as JSON: partitions with their sequences, objects, lineage, sizes of sections.

Examples:

  ephemera snapshot show streams 12 | jq .ledger`
}

func (c *snapshotShowCmd) Run(w *world) error {
	blobs, err := c.open(w.ctx, false)
	if err != nil {
		return err
	}
	defer func() { _ = blobs.Close() }()
	list, err := snapshot.List(w.ctx, blobs, c.Name)
	if err != nil && len(list) == 0 {
		return err
	}
	for _, s := range list {
		switch {
		case s.Ordinal != c.Ordinal:
			continue
		case s.Err != nil:
			return s.Err
		}
		for i := range s.Manifest.Sections {
			size, err := json.Marshal(fmt.Sprintf("%d bytes", len(s.Manifest.Sections[i].Data)))
			if err != nil {
				return err
			}
			s.Manifest.Sections[i].Data = size
		}
		return w.line(s.Manifest)
	}
	return fmt.Errorf("%w with number %d of %s", snapshot.ErrNoSnapshot, c.Ordinal, c.Name)
}

type snapshotRestoreCmd struct {
	place
	keepFlags
	endFlags
	Name    string `arg:"" enum:"streams,metrics" help:"streams or metrics."`
	Ordinal uint64 `arg:"" help:"Its number, as ls says."`
}

func (snapshotRestoreCmd) Help() string {
	return `Makes an older snapshot the newest one: what it holds is restored and saved again under the next number. The server must not be
running. Nothing that came later is deleted until newer snapshots push it out. Signals stay as they are. Flags are those of serve that
say where snapshots are and what is kept; say them as serve is told them, because events beyond a limit are left out of the new snapshot.

Examples:

  ephemera snapshot ls
  ephemera snapshot restore streams 12 --data /var/lib/ephemera`
}

func (c *snapshotRestoreCmd) Run(w *world) (err error) {
	o := stateOptions(&c.keepFlags)
	o.Data, o.Snapshots, o.NoSignals = c.Data, c.Snapshots, true
	o.Restore, o.Ordinals = state.Newest, map[string]uint64{c.Name: c.Ordinal}
	o.Owner, o.FinalTimeout, o.Logger = "ephemera snapshot restore", c.FinalTimeout, c.logger(w.stderr)
	if err := state.CheckData(c.Data); err != nil {
		return err
	}
	if err := c.check(w.ctx); err != nil {
		return err
	}
	s, err := state.Open(w.ctx, o)
	if err != nil {
		return err
	}
	report, stats := s.Events.Report(), s.Events.Stats
	if c.Name == state.MetricsName {
		report, stats = s.Metrics.Report(), s.Metrics.Stats
	}
	if err := s.Close(w.ctx); err != nil {
		return err
	}
	if w.json {
		return w.line(map[string]any{"name": c.Name, "restored": report.Ordinal, "events": report.Events, "ordinal": stats().Ordinal})
	}
	w.say("%s: %d events of snapshot %d are the newest now, as snapshot %d", c.Name, report.Events, report.Ordinal, stats().Ordinal)
	return nil
}

type snapshotPruneCmd struct {
	place
	Keep int `default:"5" help:"Snapshots of each name that stay."`
}

func (snapshotPruneCmd) Help() string {
	return `The server must not be running: it prunes by itself. Where a snapshot is in doubt no object is removed.

Examples:

  ephemera snapshot prune --keep 2
  ephemera snapshot prune --snapshots 's3://bucket/events' --keep 10 --json`
}

func (c *snapshotPruneCmd) Run(w *world) error {
	if c.Keep < 1 {
		return fmt.Errorf("%w: --keep %d; at least 1", errUsage, c.Keep)
	}
	return c.each(w.ctx, true, func(blobs sinks.BlobStore, name string) error {
		p, err := snapshot.Prune(w.ctx, blobs, name, c.Keep)
		if err != nil {
			return err
		}
		if w.json {
			return w.line(map[string]any{
				"name": name, "snapshots": p.Snapshots, "objects": p.Objects, "kept": p.Kept, "doubtful": p.Doubtful,
			})
		}
		w.say("%s: %d snapshots and %d objects removed, %d kept, %d of them in doubt", name, p.Snapshots, p.Objects, p.Kept, p.Doubtful)
		return nil
	})
}
