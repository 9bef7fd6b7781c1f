package main

import (
	"context"
	"net"
	"regexp"

	"github.com/redis/go-redis/v9"
)

var redisReady = regexp.MustCompile(`Ready to accept connections`)

func serveRedis(ctx context.Context, w *workplace, dir string) (*process, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0") // it cannot choose a free port itself
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	return start(ctx, program{
		file: w.files["redis-server"], ready: redisReady,
		args: []string{"--bind", host, "--port", port, "--save", "", "--appendonly", "no", "--dir", dir},
	}, address)
}

func connectRedis(_ context.Context, address string, connections int) (*session, error) {
	c := redis.NewClient(&redis.Options{Addr: address, PoolSize: connections})
	one := func(ctx context.Context) error {
		return c.XAdd(ctx, &redis.XAddArgs{
			Stream: streamName, MaxLen: capacity, Approx: true, Values: []any{"type", eventType, "data", order},
		}).Err()
	}
	stored := func(ctx context.Context) (uint64, error) {
		i, err := c.XInfoStream(ctx, streamName).Result()
		if err != nil {
			return 0, err
		}
		return uint64(i.EntriesAdded), nil
	}
	return &session{repeat(one, connections), stored, func() { _ = c.Close() }}, nil
}
