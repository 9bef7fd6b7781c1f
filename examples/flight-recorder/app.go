package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// serve is the application: requests that log what they do, and some of them in a row that fail. It knows nothing of the recorder.
func serve(ctx context.Context, log *slog.Logger, requests, failing int) {
	first := requests / 2
	for n := range requests {
		if ctx.Err() != nil {
			return
		}
		l := log.With("request", n)
		l.Debug("cache", "hit", n%3 > 0, "key", fmt.Sprint("user-", n%17))
		if n >= first && n < first+failing {
			l.Error("payment failed", "err", fmt.Errorf("bank %d does not answer", n%2))
			continue
		}
		l.Debug("payment", "took", time.Duration(n%40)*time.Millisecond)
	}
	log.Info("done", "requests", requests)
}
