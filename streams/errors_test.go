package streams_test

import (
	"errors"
	"testing"
	"time"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/streams"
)

// TestConstructorsWrap: who makes a log, reaches one or serves one gets one *Error around ErrOption.
func TestConstructorsWrap(t *testing.T) {
	bad := streams.Options{MaxKeys: -1, KeyAge: -1}
	so, err := streams.StoreOptions(streams.Options{})
	if err != nil {
		t.Fatal(err)
	}
	store, err := core.New(so)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	_, errNew := streams.New(bad)
	_, errStore := streams.StoreOptions(bad)
	_, errOver := streams.Over(store, bad)
	_, errHandler := streams.NewHandler(nil, streams.HandlerOptions{MaxBody: -1})
	_, errURL := streams.NewClient("http://user:secret@host", streams.ClientOptions{})
	_, errClient := streams.NewClient("http://host", streams.ClientOptions{RetryTimeout: -time.Second})
	for name, err := range map[string]error{
		"New": errNew, "StoreOptions": errStore, "Over": errOver, "NewHandler": errHandler, "URL": errURL, "NewClient": errClient,
	} {
		var e *streams.Error
		if !errors.Is(err, streams.ErrOption) || !errors.As(err, &e) || err != error(e) || errors.As(e.Err, new(*streams.Error)) {
			t.Errorf("%s: %#v", name, err)
		}
	}
}
