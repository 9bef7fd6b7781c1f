// Package verify holds the tests that are too big or too random for the packages they test, and those that join several
// modules: exact conservation of millions of events, with the build tag stall under forced stalls, linearizability, memory
// under load, the signal window and snapshots with every driver, failing stores and processes that are killed, and the
// programme that repeats all of it for hours. It has no code of its own.
package verify
