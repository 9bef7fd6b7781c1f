module github.com/ephemera-go/ephemera/streams

go 1.25.0

require (
	github.com/ephemera-go/ephemera/core v0.1.0
	github.com/google/go-cmp v0.7.0
)
