module github.com/ephemera-go/ephemera/core

go 1.25.0
