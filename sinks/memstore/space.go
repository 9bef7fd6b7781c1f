// Package memstore keeps blobs and signals in memory: for tests, for trials, and for programs that want the contracts
// of package sinks without a disk. It registers the scheme mem:
//
//	mem://name   a Space that all of the process shares by that name until the process ends
//	mem://       a Space of its own, gone when the store is closed
//
// "Durable" means here: as long as the Space lives.
package memstore

import (
	"sync"

	"github.com/ephemera-go/ephemera/sinks"
)

// A Space holds what a directory or a database holds for other drivers: blobs, one log of signals and a lease for each.
// It outlives the stores that are opened on it, so closing a store and opening another one is a restart. The zero value
// is empty and ready. It is safe for concurrent use and must not be copied.
type Space struct {
	blobs   blobSpace
	signals signalSpace
}

// OpenBlobs returns a handle to the blobs.
func (s *Space) OpenBlobs() sinks.BlobStore {
	return sinks.CheckedBlobs(scheme, &blobStore{leased{mu: &s.blobs.mu, lease: &s.blobs.lease}, &s.blobs})
}

// OpenSignals returns a handle to the log of signals.
func (s *Space) OpenSignals() sinks.SignalStore {
	return sinks.CheckedSignals(scheme, &signalStore{leased{mu: &s.signals.mu, lease: &s.signals.lease}, &s.signals})
}

var shared = struct {
	mu     sync.Mutex
	spaces map[string]*Space
}{spaces: make(map[string]*Space)}

// named returns the Space that the process shares under a name; "" is a new one each time.
func named(name string) *Space {
	if name == "" {
		return new(Space)
	}
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.spaces[name] == nil {
		shared.spaces[name] = new(Space)
	}
	return shared.spaces[name]
}
