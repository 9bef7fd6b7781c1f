//go:build !explore

package core

import (
	"reflect"
	"testing"
)

// What different processors write stands on different cache lines. That rests on sizes: the allocator aligns objects of
// a size that is a multiple of the line, up to 512 bytes.
func TestLayout(t *testing.T) {
	const line = 64
	for _, x := range []struct {
		name string
		typ  reflect.Type
	}{
		{"partition", reflect.TypeFor[partition[int]]()},
		{"segment", reflect.TypeFor[segment[int]]()},
		{"leash", reflect.TypeFor[leash]()},
		{"Producer", reflect.TypeFor[Producer[int]]()},
	} {
		if n := x.typ.Size(); reflect.TypeFor[uintptr]().Size() == 8 && (n%line != 0 || n > 512) {
			t.Errorf("%s has %d bytes", x.name, n)
		}
	}
	offset := func(typ reflect.Type, field string) uintptr {
		f, ok := typ.FieldByName(field)
		if !ok {
			t.Fatalf("no field %s", field)
		}
		return f.Offset
	}
	p, s := reflect.TypeFor[partition[int]](), reflect.TypeFor[segment[int]]()
	if reflect.TypeFor[uintptr]().Size() == 8 && (offset(p, "head") != line || offset(s, "id") != line || offset(s, "pub") != 2*line) {
		t.Errorf("head at %d, id at %d, pub at %d", offset(p, "head"), offset(s, "id"), offset(s, "pub"))
	}
}
