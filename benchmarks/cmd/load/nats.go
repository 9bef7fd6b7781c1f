package main

import (
	"context"
	"regexp"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

var natsReady = regexp.MustCompile(`Listening for client connections on (127\.0\.0\.1:\d+)`)

func serveNATS(ctx context.Context, w *workplace, dir string) (*process, error) {
	return start(ctx, program{
		file: w.files["nats-server"], ready: natsReady, args: []string{"-a", "127.0.0.1", "-p", "-1", "-js", "-sd", dir},
	}, "")
}

// connectNATS makes a stream, and connections of which each waits for the acknowledgement of its append.
func connectNATS(ctx context.Context, address string, connections int) (s *session, err error) {
	var open []*nats.Conn
	s = &session{close: func() {
		for _, c := range open {
			c.Close()
		}
	}}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	for range connections {
		c, err := nats.Connect(address)
		if err != nil {
			return nil, err
		}
		open = append(open, c)
		js, err := jetstream.New(c)
		if err != nil {
			return nil, err
		}
		s.appenders = append(s.appenders, func(ctx context.Context) error {
			_, err := js.PublishMsg(ctx, &nats.Msg{Subject: streamName, Header: nats.Header{"Type": {eventType}}, Data: order})
			return err
		})
		if s.stored != nil {
			continue
		}
		stream, err := js.CreateStream(ctx, jetstream.StreamConfig{
			Name: streamName, Subjects: []string{streamName}, Storage: jetstream.MemoryStorage, MaxMsgs: capacity,
			Discard: jetstream.DiscardOld,
		})
		if err != nil {
			return nil, err
		}
		s.stored = func(ctx context.Context) (uint64, error) {
			i, err := stream.Info(ctx)
			if err != nil {
				return 0, err
			}
			return i.State.LastSeq, nil
		}
	}
	return s, nil
}
