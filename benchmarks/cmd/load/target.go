package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"github.com/ephemera-go/ephemera/benchmarks"
)

// capacity is how many events each stream keeps: the default of our server.
const capacity = 10_000

const (
	streamName = "orders"
	eventType  = "order.placed"
)

// A target is a server and the way to append to it.
type target struct {
	name, what string
	server     string // whose version it has
	start      func(ctx context.Context, w *workplace, dir string) (*process, error)
	connect    func(ctx context.Context, address string, connections int) (*session, error)
}

// A session is a client, or several, with appenders over different connections.
type session struct {
	appenders []appender
	stored    func(context.Context) (uint64, error) // how many events the server got since it began
	close     func()
}

var targets = []target{
	{
		"ephemera", "ephemera serve without snapshots and access log; streams.Client, each append with an idempotency key",
		"ephemera", serveMemory, connectClient,
	},
	{"ephemera-wire", "the same server; the same bytes over and over, as wrk sends them", "ephemera", serveMemory, connectWire},
	{"ephemera-http", "the same server; net/http, POST of one event without a key", "ephemera", serveMemory, connectHTTP},
	{
		"ephemera-saved", "ephemera serve with its defaults, a snapshot each 100,000 events and a line of log a request; net/http",
		"ephemera", serveSaved, connectHTTP,
	},
	{
		"redis", `redis-server --save "" --appendonly no; go-redis, XADD MAXLEN ~ 10000`,
		"redis-server", serveRedis, connectRedis,
	},
	{"nats", "nats-server -js, a stream in memory that keeps 10,000; nats.go, Publish of JetStream", "nats-server", serveNATS, connectNATS},
}

// A workplace has the servers' programs and room for their files.
type workplace struct {
	dir      string
	files    map[string]string // of servers
	versions map[string]string
	serve    []string
}

// prepare finds or builds what the targets need.
func prepare(ctx context.Context, o *options) (w *workplace, err error) {
	w = &workplace{files: map[string]string{}, versions: map[string]string{}, serve: o.serve}
	if w.dir, err = os.MkdirTemp("", "ephemera-load-"); err != nil {
		return nil, err
	}
	needs := func(server string) bool {
		return slices.ContainsFunc(o.targets, func(t target) bool { return t.server == server })
	}
	var failed []error
	for _, s := range []struct {
		name, how, version string
		find               func(name, how string) (string, error)
	}{
		{"redis-server", "apt-get install redis-server", "--version", look},
		{"nats-server", "go install github.com/nats-io/nats-server/v2@v2.15.2", "--version", look},
		{"ephemera", "", "version", func(string, string) (string, error) { return w.build(ctx, o.binary) }},
	} {
		if !needs(s.name) {
			continue
		}
		file, err := s.find(s.name, s.how)
		if err == nil {
			w.files[s.name] = file
			w.versions[s.name], err = firstLine(ctx, file, s.version)
		}
		failed = append(failed, err)
	}
	if err := errors.Join(failed...); err != nil {
		w.clean()
		return nil, err
	}
	return w, nil
}

// build builds our server, unless there is one.
func (w *workplace) build(ctx context.Context, binary string) (string, error) {
	if binary != "" {
		return filepath.Abs(binary)
	}
	file := filepath.Join(w.dir, "ephemera")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", file, "github.com/ephemera-go/ephemera/server/cmd/ephemera").CombinedOutput()
	if err != nil {
		return "", errors.New("go build of the server: " + err.Error() + ": " + string(out))
	}
	return file, nil
}

func (w *workplace) clean() { _ = os.RemoveAll(w.dir) }

// order is the data of every event.
var order = benchmarks.Order(nil, 417)
