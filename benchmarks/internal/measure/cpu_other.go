//go:build !unix

package measure

import "time"

// processorTime is unknown here.
func processorTime() time.Duration { return 0 }
