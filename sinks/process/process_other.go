//go:build !linux

package process

import "sync"

var this = sync.OnceValue(unknown)

func ended(string) bool { return false }
