module github.com/ephemera-go/ephemera/benchmarks

go 1.25.0

require (
	github.com/ephemera-go/ephemera/core v0.1.0
	github.com/puzpuzpuz/xsync/v4 v4.5.0
)
