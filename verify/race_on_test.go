//go:build race

package verify

// raceEnabled is set under the race detector, where everything takes about ten times as long and sync.Pool drops
// items at random.
const raceEnabled = true
