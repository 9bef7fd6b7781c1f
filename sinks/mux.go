package sinks

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// Opener is a driver: it opens stores that a URL names. It must refuse query keys that it does not know (see Params),
// and its errors must not repeat secrets of the URL. It must return checked stores.
type Opener interface {
	OpenBlobs(ctx context.Context, u *url.URL) (BlobStore, error)
	OpenSignals(ctx context.Context, u *url.URL) (SignalStore, error)
}

// A Mux finds the driver for a URL by its scheme. The zero value is ready. It is safe for concurrent use.
type Mux struct {
	mu      sync.RWMutex
	openers map[string]Opener
}

// ours names what to import for the schemes of this project.
var ours = map[string]string{
	"file":       "github.com/ephemera-go/ephemera/sinks/filestore",
	"mem":        "github.com/ephemera-go/ephemera/sinks/memstore",
	"sqlite":     "github.com/ephemera-go/ephemera/storage-sqlite",
	"s3":         "github.com/ephemera-go/ephemera/storage-s3",
	"postgres":   "github.com/ephemera-go/ephemera/storage-postgres",
	"postgresql": "github.com/ephemera-go/ephemera/storage-postgres",
}

// Register makes o the driver for scheme. It panics if the scheme is malformed or has a driver already.
func (m *Mux) Register(scheme string, o Opener) {
	if u, err := url.Parse(scheme + "://x"); err != nil || u.Scheme != scheme {
		panic(fmt.Sprintf("sinks: register %q: not a scheme in lower case", scheme))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, taken := m.openers[scheme]; taken {
		panic("sinks: register " + scheme + ": it has a driver already")
	}
	if m.openers == nil {
		m.openers = make(map[string]Opener)
	}
	m.openers[scheme] = o
}

// Schemes returns what is registered, sorted.
func (m *Mux) Schemes() []string {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return slices.Sorted(maps.Keys(m.openers))
}

// OpenBlobs opens the blob store that a URL names.
func (m *Mux) OpenBlobs(ctx context.Context, rawURL string) (BlobStore, error) {
	u, o, err := m.find(ctx, rawURL)
	if err != nil {
		return nil, err
	}
	s, err := o.OpenBlobs(ctx, u)
	if err != nil {
		return nil, wrap(u.Scheme, "open", redact(u), err)
	}
	return CheckedBlobs(u.Scheme, s), nil
}

// OpenSignals opens the signal store that a URL names.
func (m *Mux) OpenSignals(ctx context.Context, rawURL string) (SignalStore, error) {
	u, o, err := m.find(ctx, rawURL)
	if err != nil {
		return nil, err
	}
	s, err := o.OpenSignals(ctx, u)
	if err != nil {
		return nil, wrap(u.Scheme, "open", redact(u), err)
	}
	return CheckedSignals(u.Scheme, s), nil
}

func (m *Mux) find(ctx context.Context, rawURL string) (*url.URL, Opener, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		// The error of url.Parse repeats the URL, secrets included.
		return nil, nil, wrap(self, "open", "", fmt.Errorf("%w: malformed URL", ErrInvalid))
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, wrap(u.Scheme, "open", redact(u), err)
	}
	m.mu.RLock()
	o := m.openers[u.Scheme]
	m.mu.RUnlock()
	if o == nil {
		return nil, nil, wrap(self, "open", redact(u), m.unknown(u.Scheme))
	}
	return u, o, nil
}

func (m *Mux) unknown(scheme string) error {
	registered := strings.Join(m.Schemes(), ", ")
	if registered == "" {
		registered = "none"
	}
	text := "no driver for scheme " + show(scheme) + " (registered: " + registered + ")"
	if scheme == "" {
		text = "a URL such as file:///dir is needed (registered: " + registered + ")"
	}
	if path := ours[scheme]; path != "" {
		text += "; import _ \"" + path + "\""
	}
	return fmt.Errorf("%w: %s", ErrInvalid, text)
}

var defaultMux Mux

// Register makes o the driver for scheme on the default mux; drivers call it in init. It panics if the scheme is
// malformed or has a driver already.
func Register(scheme string, o Opener) { defaultMux.Register(scheme, o) }

// Schemes returns what is registered on the default mux, sorted.
func Schemes() []string { return defaultMux.Schemes() }

// OpenBlobs opens the blob store that a URL names, with the drivers that the program imports.
func OpenBlobs(ctx context.Context, rawURL string) (BlobStore, error) {
	return defaultMux.OpenBlobs(ctx, rawURL)
}

// OpenSignals opens the signal store that a URL names, with the drivers that the program imports.
func OpenSignals(ctx context.Context, rawURL string) (SignalStore, error) {
	return defaultMux.OpenSignals(ctx, rawURL)
}
