//go:build !explore && race

package core

// raceDetector says that the race detector is on: it allocates on its own.
const raceDetector = true
