package benchmarks

import "testing"

func BenchmarkRaise(b *testing.B) {
	b.Run("by=name", func(b *testing.B) { manyWriters(b, at(Raised), single) })
	b.Run("by=string", func(b *testing.B) { manyWriters(b, at(RaisedByString), single) })
}

func BenchmarkRaiseBatch64(b *testing.B) { manyWriters(b, at(Raised), batch) }

func BenchmarkReferenceStampedAppend(b *testing.B) { manyWriters(b, at(Stamped), single) }

func BenchmarkReferenceStampedAppendBatch64(b *testing.B) { manyWriters(b, at(Stamped), batch) }
