// Package state holds what a server keeps: streams of events, metrics events and signals, where they are saved, and the
// leases that keep other processes away from it.
//
// Open restores everything or fails without having changed anything; Run saves now and then; Close saves a last time.
package state
