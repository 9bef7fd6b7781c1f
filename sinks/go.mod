module github.com/ephemera-go/ephemera/sinks

go 1.25.0
