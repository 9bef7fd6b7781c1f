package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

// A result is what the charging came to.
type result struct {
	charged int
	err     error
}

// serve is the service's life. Its context ends with the first signal; then follows what the usage lists as 1 to 3, and 4 is
// done by snapshot.Host when serve has returned.
func (s *service) serve(ctx context.Context, listener net.Listener, signals <-chan os.Signal) error {
	hurry, stop := context.WithCancel(context.Background())
	defer stop()
	go func() {
		for range 2 {
			select {
			case <-signals:
			case <-hurry.Done():
				return
			}
		}
		stop()
	}()
	orders := s.orders()
	fmt.Fprintf(s.out, "ready: http://%v, %d orders restored, %d of them to be charged\n", listener.Addr(), len(orders), len(s.queue))
	charging := make(chan result, 1)
	go func() {
		n, err := s.charge(hurry)
		charging <- result{n, err}
	}()
	server := &http.Server{Handler: s, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	var broken error
	select {
	case <-ctx.Done():
	case broken = <-failed:
	}
	patience, cancel := context.WithTimeout(hurry, s.o.drain)
	defer cancel()
	context.AfterFunc(patience, stop)
	stopped := s.stopTaking(patience, server)
	drained := s.drain(charging)
	return errors.Join(broken, stopped, drained, s.flush())
}

// stopTaking closes the port and waits for the requests under way.
func (s *service) stopTaking(patience context.Context, server *http.Server) error {
	err := server.Shutdown(patience)
	if patience.Err() != nil {
		err = server.Close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	close(s.queue)
	fmt.Fprintf(s.out, "1 stopped taking: %d orders wait\n", len(s.queue))
	return err
}

// drain waits until every order is charged, or there is a hurry.
func (s *service) drain(charging <-chan result) error {
	r := <-charging
	for _, e := range s.orders() {
		if !e.Charged {
			s.left++
		}
	}
	fmt.Fprintf(s.out, "2 drained: %d orders charged in this run, %d left\n", r.charged, s.left)
	return r.err
}

// flush writes the signals that are pending. It has time of its own, hurry or not.
func (s *service) flush() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := s.window.Shutdown(ctx)
	st := s.window.Stats()
	fmt.Fprintf(s.out, "3 flushed: %d signals written, %d not\n", st.Persisted, st.Pending+st.Dropped)
	return err
}
