package web

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Options configures a Site. Bad values are refused together by New.
type Options struct {
	Token    string // what clients must send; empty: none is needed
	Insecure bool   // without a token: any Host is fine, for whoever listens beyond loopback on purpose
	Secure   bool   // it is reached over TLS; cookies say so
	Version  string // of the program

	MaxHeader    int           // bytes of a request's header; more is 431
	MaxBody      int64         // bytes of a request's body; more is 413
	MaxInFlight  int           // requests at once; more are 503
	MaxReaders   int           // subscriptions at once; more are 503
	BodyTimeout  time.Duration // for the whole of a request's body
	WriteTimeout time.Duration // for each piece of a reply
	Heartbeat    time.Duration // between comments on a silent subscription

	Logger *slog.Logger // one line for each request, and failures; nil means silence
}

// MinTokenBytes is the shortest token.
const MinTokenBytes = 16

// ErrOption says that an option is wrong.
var ErrOption = errors.New("bad option")

// CheckToken returns an error that says why a text is no token, or nil. It does not repeat the text.
func CheckToken(token string) error {
	if len(token) < MinTokenBytes || len(token) > 1024 {
		return fmt.Errorf("%w: a token of %d bytes; %d to 1024", ErrOption, len(token), MinTokenBytes)
	}
	for _, b := range []byte(token) {
		if b <= ' ' || b > '~' {
			return fmt.Errorf("%w: a token with a blank, or what is not ASCII", ErrOption)
		}
	}
	return nil
}

// Validate returns everything that is wrong with the options. New does so too.
func (o *Options) Validate() error {
	var p []error
	add := func(bad bool, text string) {
		if bad {
			p = append(p, fmt.Errorf("%w: %s", ErrOption, text))
		}
	}
	if o.Token != "" {
		p = append(p, CheckToken(o.Token))
	}
	add(o.MaxHeader < 1024, "MaxHeader is less than 1024")
	add(o.MaxBody < 1, "MaxBody is less than 1")
	add(o.MaxInFlight < 1, "MaxInFlight is less than 1")
	add(o.MaxReaders < 1, "MaxReaders is less than 1")
	add(o.BodyTimeout <= 0, "BodyTimeout is not positive")
	add(o.WriteTimeout <= 0, "WriteTimeout is not positive")
	add(o.Heartbeat <= 0, "Heartbeat is not positive")
	return errors.Join(p...)
}
