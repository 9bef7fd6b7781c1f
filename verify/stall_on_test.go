//go:build stall

package verify

import "runtime/pprof"

// forcedStalls is set with the build tag stall: core then stops a writer now and then between reservation and
// publication.
const forcedStalls = true

// behindStall is about how many events others append while one writer is stopped.
const behindStall = 1 << 21

// stalls returns how many writers were stopped so far. core counts them in a profile of this name.
func stalls() uint64 { return uint64(pprof.Lookup("ephemera.stalls").Count()) }
