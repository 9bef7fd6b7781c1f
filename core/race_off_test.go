//go:build !explore && !race

package core

const raceDetector = false
