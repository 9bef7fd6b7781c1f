//go:build !explore && !stall

package atomicx

// Reading announces a plain read of *p to the race check of an exploration.
func Reading[T any](*T) {}

// Writing announces a plain write of *p.
func Writing[T any](*T) {}

// ReadingRange announces a plain read of every element.
func ReadingRange[T any]([]T) {}

// WritingRange announces a plain write of every element.
func WritingRange[T any]([]T) {}
