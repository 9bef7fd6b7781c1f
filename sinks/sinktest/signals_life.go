package sinktest

import (
	"context"
	"errors"
	"fmt"

	"github.com/ephemera-go/ephemera/sinks"
	"github.com/ephemera-go/ephemera/sinks/faultstore"
)

var signalLifeCases = []testCase[sinks.SignalStore]{
	{name: "restart", rule: "what was acknowledged is there after a restart, and repeating it stores nothing twice", needs: restarts, run: signalRestart},
	{name: "second-handle", rule: "what one handle stores the other sees at once, and both may write", needs: second, run: signalSecond},
	{name: "second-race", rule: "concurrent appends of the same batches through two handles store each signal once, in order", needs: second, run: secondSignalRace},
	{name: "verify", rule: "a sound store verifies, unless the driver cannot", run: with(func(ctx context.Context, s sinks.SignalStore) error {
		if err := s.Append(ctx, series(1, 20)); err != nil {
			return err
		}
		if err := sinks.Verify(ctx, s); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
		return log(ctx, s, series(1, 20))
	})},
}

func signalRestart(p *place[sinks.SignalStore]) error {
	for round := range uint64(4) {
		s, err := p.open()
		if err != nil {
			return err
		}
		other := signal(2)
		other.Name = "other"
		err = all(
			log(p.ctx, s, series(1, round*10)),
			s.Append(p.ctx, series(1, round*10+10)),
			wantErr("Append of a stored sequence with another name", s.Append(p.ctx, []sinks.Signal{other}), sinks.ErrConflict),
			log(p.ctx, s, series(1, round*10+10)),
			s.Close(),
		)
		if err != nil {
			return fmt.Errorf("start %d: %w", round+1, err)
		}
	}
	return nil
}

func signalSecond(p *place[sinks.SignalStore]) error {
	a, err := p.open()
	if err != nil {
		return err
	}
	b, err := p.open()
	if err != nil {
		return err
	}
	return all(
		a.Append(p.ctx, series(1, 5)),
		log(p.ctx, b, series(1, 5)),
		b.Append(p.ctx, series(4, 9)),
		log(p.ctx, a, series(1, 9)),
		a.Append(p.ctx, series(1, 10)),
		b.Trim(p.ctx, 3),
		log(p.ctx, a, series(4, 10)),
		b.Append(p.ctx, series(1, 12)),
		a.Trim(p.ctx, 12),
		log(p.ctx, b, nil),
		last(p.ctx, b, 12),
		b.Append(p.ctx, series(12, 14)),
		log(p.ctx, a, series(13, 14)),
	)
}

func secondSignalRace(p *place[sinks.SignalStore]) error {
	a, err := p.open()
	if err != nil {
		return err
	}
	b, err := p.open()
	if err != nil {
		return err
	}
	return raceSignals(p.ctx, func(writer int) sinks.SignalStore { return []sinks.SignalStore{a, b}[writer%2] })
}

var signalFaultCases = []testCase[sinks.SignalStore]{
	{name: "lost-reply", rule: "a batch whose reply was lost can be repeated", run: with(func(ctx context.Context, s sinks.SignalStore) error {
		broken, err := faultySignals(s, "append:2 lost-reply; trim:1 lost-reply")
		if err != nil {
			return err
		}
		return all(
			broken.Append(ctx, series(1, 3)),
			wantErr("Append whose reply is lost", broken.Append(ctx, series(4, 8)), sinks.ErrUnknownOutcome),
			broken.Append(ctx, series(4, 8)),
			log(ctx, s, series(1, 8)),
			wantErr("Trim whose reply is lost", broken.Trim(ctx, 5), sinks.ErrUnknownOutcome),
			broken.Trim(ctx, 5),
			log(ctx, s, series(6, 8)),
		)
	})},
	{name: "part-again", rule: "a batch of which a part is stored can be repeated", run: with(func(ctx context.Context, s sinks.SignalStore) error {
		broken, err := faultySignals(s, "append:1 partial 3 signals unknown")
		if err != nil {
			return err
		}
		return all(
			wantErr("Append of a part", broken.Append(ctx, series(1, 8)), sinks.ErrUnknownOutcome),
			broken.Append(ctx, series(1, 8)),
			log(ctx, s, series(1, 8)),
		)
	})},
}

func faultySignals(s sinks.SignalStore, rules string) (sinks.SignalStore, error) {
	plan, err := faultstore.Parse(rules)
	if err != nil {
		return nil, err
	}
	return faultstore.Signals(s, plan), nil
}
