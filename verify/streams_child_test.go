package verify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ephemera-go/ephemera/sinks"
	_ "github.com/ephemera-go/ephemera/sinks/filestore"
	"github.com/ephemera-go/ephemera/snapshot"
	"github.com/ephemera-go/ephemera/streams"
)

func init() { childJobs["streams"] = childStreams }

// A streamServer is a log over HTTP whose snapshots go to a blob store.
type streamServer struct {
	blobs sinks.BlobStore
	saver *snapshot.Saver[streams.Record]
	log   *streams.Local
	http  http.Server
}

func openStreamServer(ctx context.Context, url string, o streams.Options) (*streamServer, error) {
	s := &streamServer{}
	var err error
	if s.blobs, err = sinks.OpenBlobs(ctx, url); err != nil {
		return nil, err
	}
	so, err := streams.StoreOptions(o)
	if err != nil {
		return nil, err
	}
	s.saver, err = snapshot.Open(ctx, s.blobs, so, snapshot.Options[streams.Record]{
		Codec: streams.Codec{}, Manual: true, NoLease: true, FinalTimeout: time.Minute,
	})
	if err != nil {
		return nil, err
	}
	if s.log, err = streams.Over(s.saver.Store(), o); err != nil {
		return nil, err
	}
	if err := s.saver.Attach(lateSection{s.log}); err != nil {
		return nil, err
	}
	s.http.Handler, err = streams.NewHandler(s.log, streams.HandlerOptions{})
	return s, err
}

// A lateSection lets time pass between the cuts of a snapshot and the section that belongs to them, for appends of which
// the section must not know.
type lateSection struct{ *streams.Local }

func (l lateSection) SaveSection(saved func(partition int) (first, next uint64)) ([]byte, error) {
	time.Sleep(2 * time.Millisecond)
	return l.Local.SaveSection(saved)
}

// close ends what is under way, then takes the final snapshot.
func (s *streamServer) close(ctx context.Context) error {
	err := s.log.Close() // ends subscriptions, which Shutdown would wait for
	return errors.Join(err, s.http.Shutdown(ctx), s.saver.Close(), s.blobs.Close())
}

// childStreams serves streams until it is killed or asked to end, and saves again and again. It says what it found and what
// was saved. Arguments: URL of the blobs, names of streams, events that each keeps, pause between two snapshots.
func childStreams(ctx context.Context, args []string) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
	defer stop()
	limit, err1 := strconv.Atoi(args[2])
	pause, err2 := time.ParseDuration(args[3])
	s, err3 := openStreamServer(ctx, args[0], streams.Options{Limits: streams.Limits{Events: limit}})
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	names := strings.Split(args[1], " ")
	found, err := s.states(ctx, names)
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println("OPENED", s.log.Epoch(), listener.Addr(), found)
	failed := make(chan error, 1)
	go func() { failed <- s.http.Serve(listener) }()
	for ctx.Err() == nil && len(failed) == 0 {
		before, err := s.states(ctx, names)
		if err == nil {
			err = s.saver.Save(ctx)
		}
		if err != nil && ctx.Err() == nil {
			return err
		}
		if err == nil {
			fmt.Println("SAVED", before)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	if err := s.close(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	fmt.Println("CLOSED", os.Getpid())
	return nil
}

// states lists version and existence of streams: "3 true 0 false".
func (s *streamServer) states(ctx context.Context, names []string) (string, error) {
	var words []string
	for _, name := range names {
		i, err := s.log.Info(ctx, name)
		if err != nil {
			return "", err
		}
		words = append(words, fmt.Sprint(i.Version), fmt.Sprint(i.Exists))
	}
	return strings.Join(words, " "), nil
}
