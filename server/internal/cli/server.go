package cli

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/ephemera-go/ephemera/server/internal/config"
	"github.com/ephemera-go/ephemera/server/internal/serve"
	"github.com/ephemera-go/ephemera/server/internal/state"
	"github.com/ephemera-go/ephemera/server/internal/web"
	"github.com/ephemera-go/ephemera/streams"
)

// serverFlags configure a server. Each of them is an EPHEMERA_ variable and a key of the config file too.
type serverFlags struct {
	Listen string `group:"Where" default:"127.0.0.1:7070" placeholder:"ADDR" env:"EPHEMERA_LISTEN" help:"Address to serve on (${default})."`
	placeFlags
	Restore string `group:"Where" default:"newest" enum:"newest,older,empty" env:"EPHEMERA_RESTORE" help:"Start from the newest snapshot and refuse if it is damaged, from the newest one that is whole (older), or from none (empty)."`

	TokenFile       string `group:"Access" placeholder:"FILE" env:"EPHEMERA_TOKEN_FILE" help:"File with the token that clients must send. Or EPHEMERA_TOKEN."`
	GenerateToken   bool   `group:"Access" env:"EPHEMERA_GENERATE_TOKEN" help:"Take the token in the file token of the data directory; make it at the first start."`
	InsecureNoToken bool   `group:"Access" env:"EPHEMERA_INSECURE_NO_TOKEN" help:"Listen beyond loopback although everybody there may do everything."`
	TLSCert         string `name:"tls-cert" group:"Access" placeholder:"FILE" env:"EPHEMERA_TLS_CERT" help:"Certificate, PEM."`
	TLSKey          string `name:"tls-key" group:"Access" placeholder:"FILE" env:"EPHEMERA_TLS_KEY" help:"Its key, PEM."`
	PprofListen     string `group:"Access" placeholder:"ADDR" env:"EPHEMERA_PPROF_LISTEN" help:"Loopback address to serve profiles on (none)."`

	keepFlags
	signalFlags
	SnapshotInterval time.Duration `group:"Saving" default:"1m" env:"EPHEMERA_SNAPSHOT_INTERVAL" help:"Time between snapshots (0: time starts none)."`
	SnapshotEvents   int           `group:"Saving" default:"100000" env:"EPHEMERA_SNAPSHOT_EVENTS" help:"Events that start one earlier (0: events start none)."`

	MaxBody        config.Size   `group:"Limits" default:"1MiB" env:"EPHEMERA_MAX_BODY" help:"Body of a request; more is 413."`
	MaxHeader      config.Size   `group:"Limits" default:"16KiB" env:"EPHEMERA_MAX_HEADER" help:"Header of a request; more is 431."`
	MaxInFlight    int           `group:"Limits" default:"1024" env:"EPHEMERA_MAX_IN_FLIGHT" help:"Requests at once; more are 503."`
	MaxReaders     int           `group:"Limits" default:"1024" env:"EPHEMERA_MAX_READERS" help:"Subscriptions at once; more are 503."`
	MaxConnections int           `group:"Limits" default:"8192" env:"EPHEMERA_MAX_CONNECTIONS" help:"Connections at once; more are 503."`
	HeaderTimeout  time.Duration `group:"Limits" default:"5s" env:"EPHEMERA_HEADER_TIMEOUT" help:"For the header of a request."`
	BodyTimeout    time.Duration `group:"Limits" default:"8s" env:"EPHEMERA_BODY_TIMEOUT" help:"For the body of a request."`
	WriteTimeout   time.Duration `group:"Limits" default:"10s" env:"EPHEMERA_WRITE_TIMEOUT" help:"For each piece of a reply."`
	IdleTimeout    time.Duration `group:"Limits" default:"60s" env:"EPHEMERA_IDLE_TIMEOUT" help:"Of a connection between requests."`

	DrainTimeout time.Duration `group:"Stopping" default:"10s" env:"EPHEMERA_DRAIN_TIMEOUT" help:"For requests that are being answered."`
	endFlags
}

// placeFlags say where a server keeps what it has.
type placeFlags struct {
	Data      string `group:"Where" default:"./data" placeholder:"DIR" env:"EPHEMERA_DATA" help:"Directory that is this server's own (${default})."`
	Snapshots string `group:"Where" placeholder:"URL" env:"EPHEMERA_SNAPSHOTS" help:"Where snapshots are kept: file, s3, postgres, sqlite or mem, as docs/urls.md has them (files below DIR)."`
	Signals   string `group:"Where" placeholder:"URL" env:"EPHEMERA_SIGNALS" help:"Where signals are kept (SQLite below DIR)."`
}

// keepFlags say how much of it there is, but for signals.
type keepFlags struct {
	StreamEvents int           `group:"What is kept" default:"10000" env:"EPHEMERA_STREAM_EVENTS" help:"Events of each stream without limits of its own."`
	StreamAge    time.Duration `group:"What is kept" default:"0" env:"EPHEMERA_STREAM_AGE" help:"Age beyond which its events are gone (0: none)."`
	StreamBytes  config.Size   `group:"What is kept" default:"0" env:"EPHEMERA_STREAM_BYTES" help:"Bytes of each stream (0: no limit)."`
	MaxStreams   int           `group:"What is kept" default:"100000" env:"EPHEMERA_MAX_STREAMS" help:"Streams at once."`
	MaxKeys      int           `group:"What is kept" default:"10000" env:"EPHEMERA_MAX_KEYS" help:"Idempotency keys remembered per stream."`
	KeyAge       time.Duration `group:"What is kept" default:"1h" env:"EPHEMERA_KEY_AGE" help:"How long they are remembered."`
	MetricEvents int           `group:"What is kept" default:"100000" env:"EPHEMERA_METRIC_EVENTS" help:"Metrics events in all."`

	SnapshotKeep int `group:"Saving" default:"5" env:"EPHEMERA_SNAPSHOT_KEEP" help:"Snapshots that are kept."`
}

// signalFlags say how many signals there are.
type signalFlags struct {
	SignalCapacity int           `group:"What is kept" default:"10000" env:"EPHEMERA_SIGNAL_CAPACITY" help:"Signals in the window."`
	SignalAge      time.Duration `group:"What is kept" default:"1h" env:"EPHEMERA_SIGNAL_AGE" help:"Age beyond which they are not shown."`
	SignalKeep     uint64        `group:"What is kept" default:"1000000" env:"EPHEMERA_SIGNAL_KEEP" help:"Signals kept in their store, the newest; 0: all."`
}

// endFlags are those of the final snapshot and of the log.
type endFlags struct {
	FinalTimeout time.Duration `group:"Stopping" default:"30s" env:"EPHEMERA_FINAL_TIMEOUT" help:"For saving."`

	LogLevel  string `group:"Log" default:"info" enum:"debug,info,warn,error" env:"EPHEMERA_LOG_LEVEL" help:"debug, info (one line for each request), warn or error."`
	LogFormat string `group:"Log" default:"text" enum:"text,json" env:"EPHEMERA_LOG_FORMAT" help:"text or json."`
}

const (
	heartbeat    = 15 * time.Second
	hurryTimeout = 2 * time.Second
)

type serveCmd struct {
	serverFlags
}

func (serveCmd) Help() string {
	return `Serves until SIGTERM or Ctrl-C; then it answers what it has begun, saves everything and ends. A second signal hurries it.
The token is in --token-file or EPHEMERA_TOKEN, or --generate-token makes one and keeps it in the data directory.

Examples:

  ephemera serve
  ephemera serve --data /var/lib/ephemera --config /etc/ephemera.yaml
  ephemera serve --listen 0.0.0.0:7070 --token-file token --tls-cert cert.pem --tls-key key.pem
  ephemera serve --listen :7070 --generate-token
  ephemera serve --snapshots 's3://bucket/events' --signals 'postgres://db.internal/app'
  ephemera serve --restore older`
}

func (c *serveCmd) Run(w *world) error {
	o, err := c.options(w)
	if err != nil {
		return err
	}
	return serve.Run(w.ctx, o)
}

// options turns flags into what serve.Run wants.
func (c *serverFlags) options(w *world) (serve.Options, error) {
	token, err := readToken(c.TokenFile)
	if err == nil {
		err = c.oneAccess(token)
	}
	if err != nil {
		return serve.Options{}, err
	}
	return serve.Options{
		Listen: c.Listen, TLSCert: c.TLSCert, TLSKey: c.TLSKey, Pprof: c.PprofListen,
		MaxConnections: c.MaxConnections, HeaderTimeout: c.HeaderTimeout, IdleTimeout: c.IdleTimeout,
		DrainTimeout: c.DrainTimeout, HurryTimeout: hurryTimeout,
		GenerateToken: c.GenerateToken, NotifySocket: os.Getenv("NOTIFY_SOCKET"),
		Web: web.Options{
			Token: token, Insecure: c.InsecureNoToken, Version: version(), MaxHeader: int(c.MaxHeader), MaxBody: int64(c.MaxBody), MaxInFlight: c.MaxInFlight,
			MaxReaders: c.MaxReaders, BodyTimeout: c.BodyTimeout, WriteTimeout: c.WriteTimeout, Heartbeat: heartbeat,
		},
		State:   c.state(),
		Signals: w.signals, Out: w.stdout, Logger: c.logger(w.stderr),
	}, nil
}

func (c *serverFlags) state() state.Options {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	o := stateOptions(&c.keepFlags)
	o.Data, o.Snapshots, o.Signals, o.Restore = c.Data, c.Snapshots, c.Signals, state.Restore(c.Restore)
	o.SignalCount, o.SignalAge, o.SignalKeep = c.SignalCapacity, c.SignalAge, c.SignalKeep
	o.Owner = fmt.Sprintf("ephemera on %s, process %d, %s", host, os.Getpid(), c.Listen)
	o.SnapshotInterval, o.SnapshotEvents, o.FinalTimeout = c.SnapshotInterval, c.SnapshotEvents, c.FinalTimeout
	return o
}

// stateOptions is what all that open the state of a server say about it.
func stateOptions(keep *keepFlags) state.Options {
	return state.Options{
		Streams: streams.Options{
			Limits:     streams.Limits{Events: keep.StreamEvents, Age: keep.StreamAge, Bytes: int64(keep.StreamBytes)},
			MaxStreams: keep.MaxStreams, MaxKeys: keep.MaxKeys, KeyAge: keep.KeyAge,
		},
		MetricEvents: keep.MetricEvents, Keep: keep.SnapshotKeep,
	}
}

func (c *endFlags) logger(out io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.LogLevel)) // one of the enum
	o := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(out, o))
	}
	return slog.New(slog.NewTextHandler(out, o))
}

// oneAccess refuses a token from two places, and one for everybody who may come without.
func (c *serverFlags) oneAccess(token string) error {
	other := "EPHEMERA_TOKEN"
	if c.TokenFile != "" {
		other = "--token-file"
	}
	switch {
	case c.GenerateToken && token != "":
		return fmt.Errorf("%w: --generate-token and %s together", errUsage, other)
	case c.GenerateToken && c.InsecureNoToken:
		return fmt.Errorf("%w: --generate-token and --insecure-no-token together", errUsage)
	}
	return nil
}

// readToken returns the token of a file or of EPHEMERA_TOKEN, or none.
func readToken(file string) (string, error) {
	variable, set := os.LookupEnv("EPHEMERA_TOKEN")
	if file == "" {
		if set && variable == "" {
			return "", fmt.Errorf("%w: EPHEMERA_TOKEN is empty", errUsage)
		}
		if set {
			return variable, tokenError("EPHEMERA_TOKEN", web.CheckToken(variable))
		}
		return "", nil
	}
	if set {
		return "", fmt.Errorf("%w: --token-file and EPHEMERA_TOKEN together", errUsage)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("%w: --token-file: %w", errUsage, err)
	}
	token := strings.TrimSpace(string(text))
	return token, tokenError(file, web.CheckToken(token))
}

func tokenError(where string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", where, err)
}
