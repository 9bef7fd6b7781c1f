package pgstore

import (
	"context"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ephemera-go/ephemera/sinks"
)

const (
	// defaultPoll is how often the log is looked at without a notification.
	defaultPoll = time.Second
	tailPage    = 500
	// listenAgain is how long to do without notifications after they could not be had.
	listenAgain = 30 * time.Second
)

// Tail yields the signals above the sequence after in order, those that are stored and then those that come, each once.
// It ends when the loop is left, or with an error: that of ctx, of a Read, or sinks.ErrClosed. Signals that are trimmed
// before they were reached are left out.
//
// Appends tell of themselves, so that signals usually come within milliseconds; where that does not work, as behind a
// pooler of transactions or on a standby, they come within a second. Each loop takes a connection besides the pool.
func (s *Signals) Tail(ctx context.Context, after uint64) iter.Seq2[sinks.Signal, error] {
	return func(yield func(sinks.Signal, error) bool) {
		l := listener{db: s.inner.db, poll: s.inner.poll}
		defer l.close()
		for {
			l.listen(ctx) // before reading: what is stored afterwards ends the waiting
			for more := true; more; {
				page, err := s.Read(ctx, after, tailPage)
				if err != nil {
					yield(sinks.Signal{}, err)
					return
				}
				for _, signal := range page {
					if !yield(signal, nil) {
						return
					}
					after = signal.Sequence
				}
				more = len(page) == tailPage
			}
			l.wait(ctx, s.inner.closing)
		}
	}
}

// A listener hears of appends, if it can.
type listener struct {
	db   *database
	poll time.Duration
	conn *pgx.Conn // nil: none
	next time.Time // when to try again to get one
}

func (l *listener) listen(ctx context.Context) {
	if l.conn != nil || time.Now().Before(l.next) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, defaultPoll)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, l.db.pool.Config().ConnConfig)
	if err == nil {
		l.conn = conn
		_, err = conn.Exec(ctx, "LISTEN "+pgx.Identifier{l.db.options.Schema}.Sanitize())
	}
	if err != nil {
		l.close()
		l.next = time.Now().Add(listenAgain)
	}
}

// wait returns after a notification, after the time for polling, or when one of the contexts ends.
func (l *listener) wait(ctx, closing context.Context) {
	ctx, cancel := context.WithTimeout(ctx, l.poll)
	defer cancel()
	defer context.AfterFunc(closing, cancel)()
	if l.conn != nil {
		_, err := l.conn.WaitForNotification(ctx)
		if err == nil {
			return
		}
		if l.conn.IsClosed() {
			l.close()
		}
	}
	<-ctx.Done()
}

func (l *listener) close() {
	if l.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = l.conn.Close(ctx) // nothing was written through it
	l.conn = nil
}
