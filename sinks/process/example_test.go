package process_test

import (
	"fmt"

	"github.com/ephemera-go/ephemera/sinks/process"
)

// A lease says who holds it. Who comes later waits for it to run out, unless its holder has ended.
func Example() {
	lease := struct {
		holder process.Process
	}{process.This()}
	fmt.Println(lease.holder.Gone())
	// Output: false
}
