// A user of telemetry: the metrics of a store, without an SDK.
package main

import (
	"fmt"
	"log"

	"go.opentelemetry.io/otel/metric/noop"

	"github.com/ephemera-go/ephemera/core"
	"github.com/ephemera-go/ephemera/telemetry"
)

func main() {
	s, err := core.New(core.Options[int]{})
	if err != nil {
		log.Fatal(err)
	}
	registration, err := telemetry.Store(noop.Meter{}, "orders", s)
	if err != nil {
		log.Fatal(err)
	}
	for _, err := range []error{registration.Unregister(), s.Close()} {
		if err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println("ok")
}
