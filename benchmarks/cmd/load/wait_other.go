//go:build !linux

package main

import "time"

func sleeper() (wait func(time.Time), end func()) {
	return func(at time.Time) { time.Sleep(time.Until(at)) }, func() {}
}
