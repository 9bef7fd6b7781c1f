//go:build !stall

package verify

const (
	forcedStalls = false
	behindStall  = 0
)

func stalls() uint64 { return 0 }
