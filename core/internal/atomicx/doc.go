// Package atomicx names the atomic types and the mutex of the store. They are
// aliases of the standard ones. With the build tag "explore" the same names are
// types driven by the scheduler of package explore, so that the real code can
// be run under every interleaving. With the build tag "stall" writers stop now
// and then between reserving a slot and writing it.
package atomicx
