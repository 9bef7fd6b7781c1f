package memstore

import (
	"context"
	"fmt"
	"net/url"

	"github.com/ephemera-go/ephemera/sinks"
)

const scheme = "mem"

func init() { sinks.Register(scheme, Opener{}) }

// Opener opens mem URLs; importing this package registers it.
type Opener struct{}

// OpenBlobs opens the blobs of the Space that u names.
func (Opener) OpenBlobs(_ context.Context, u *url.URL) (sinks.BlobStore, error) {
	name, err := parse(u)
	if err != nil {
		return nil, err
	}
	return named(name).OpenBlobs(), nil
}

// OpenSignals opens the signals of the Space that u names.
func (Opener) OpenSignals(_ context.Context, u *url.URL) (sinks.SignalStore, error) {
	name, err := parse(u)
	if err != nil {
		return nil, err
	}
	return named(name).OpenSignals(), nil
}

func parse(u *url.URL) (name string, err error) {
	if u.Opaque != "" || u.User != nil || u.Path != "" || u.Fragment != "" {
		return "", fmt.Errorf("%w: only mem://name and mem:// are allowed", sinks.ErrInvalid)
	}
	return u.Host, sinks.NewParams(u).Err()
}
