package serve

import "errors"

// What can go wrong beside the errors of package state, to be tested with errors.Is.
var (
	ErrOption  = errors.New("bad option")
	ErrListen  = errors.New("cannot listen")
	ErrExposed = errors.New("refusing to listen beyond loopback without a token")
	ErrTLS     = errors.New("the certificate cannot be used")
	ErrToken   = errors.New("the token of the data directory cannot be used")
	// ErrDrain: requests were still being answered when the time for them was over; their connections were cut.
	ErrDrain = errors.New("requests were cut off")
)
