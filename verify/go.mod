module github.com/ephemera-go/ephemera/verify

go 1.25.0

require (
	github.com/anishathalye/porcupine v1.3.1
	github.com/ephemera-go/ephemera/core v0.1.0
	go.uber.org/goleak v1.3.0
)
