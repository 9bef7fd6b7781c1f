module github.com/ephemera-go/ephemera/telemetry

go 1.25.0

require (
	github.com/ephemera-go/ephemera/core v0.1.0
	github.com/ephemera-go/ephemera/sinks v0.1.0
	github.com/ephemera-go/ephemera/snapshot v0.1.0
	github.com/ephemera-go/ephemera/window v0.1.0
	github.com/google/go-cmp v0.7.0
	go.opentelemetry.io/otel v1.46.0
	go.opentelemetry.io/otel/metric v1.46.0
	go.opentelemetry.io/otel/trace v1.46.0
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/klauspost/compress v1.20.3 // indirect
)
