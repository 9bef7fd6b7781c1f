// Package faultstore puts failures made to order between a caller and a store.
//
//	plan, err := faultstore.Parse("append:3 error full; append:5 lost-reply; *:10+ delay 20ms")
//	store := faultstore.Signals(inner, plan)
//
// # Rules
//
// A plan is rules between semicolons or line ends. A rule is
//
//	operation:calls action
//
// The operations are put, open, list, delete for blobs, append, read, newest, trim, stat, prune for signals, verify,
// acquire, renew, release and close for both, and * for any. Calls are counted from 1, for each operation by itself and
// for * all together, over all stores that share the plan. Calls are a number (3), a range (3-5), a number and all after
// it (3+), or every call (*). The actions are
//
//	error [kind]            fail without calling the store
//	lost-reply              call the store, forget what it says, and return ErrUnknownOutcome
//	partial N bytes [kind]  put: the reader fails after N bytes; open: the content does
//	partial N signals [kind]  append: only the first N signals are stored, then it fails. No store may do that; it
//	                        shows whether the caller repeats the whole batch
//	delay duration          wait, or until the context ends; then go on
//	stall                   wait until Clear is called, then go on, or until the context ends
//
// The kinds are the sentinels of package sinks in lower case (notfound, exists, conflict, corrupt, closed, invalid,
// leased, fenced, readonly, replaced, denied, toonew, foreign, unknown, unsupported, full), and io, which is the system's
// error for a failed transfer; full is also the system's for a full disk. Every injected error is also ErrInjected. All
// rules that match a call act in their order, and the first one that makes it fail ends it.
package faultstore
