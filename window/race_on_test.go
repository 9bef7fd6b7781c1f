//go:build race

package window

// raceDetector says that the race detector is on: it allocates on its own, and is slow.
const raceDetector = true
