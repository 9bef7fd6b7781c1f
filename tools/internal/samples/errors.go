package samples

import "errors"

// Reasons why output is no ground for a verdict.
var (
	// ErrEmpty marks output without any benchmark line.
	ErrEmpty = errors.New("no benchmark line")
	// ErrSyntax marks a line that starts like a benchmark's and is not one.
	ErrSyntax = errors.New("unreadable benchmark line")
	// ErrFailed marks output of a test program that failed.
	ErrFailed = errors.New("the test program failed")
	// ErrValue marks a figure that is no number.
	ErrValue = errors.New("not a finite number")
	// ErrMixed marks figures of one benchmark that may not be taken together.
	ErrMixed = errors.New("figures of two origins")
	// ErrTwice marks two figures for the same turn, or of the same unit in one line.
	ErrTwice = errors.New("measured twice")
	// ErrSides marks output whose lines belong to the wrong side.
	ErrSides = errors.New("wrong side")
)
