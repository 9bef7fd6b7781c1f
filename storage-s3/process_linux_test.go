package s3store

import "testing"

// TestGone: who is known to have ended, and who is not.
func TestGone(t *testing.T) {
	me := thisProcess()
	me.handle = "open"
	handles.Store(me.handle, true)
	defer handles.Delete(me.handle)
	closed, elsewhere, nobody, other := me, me, process{}, me
	closed.handle = "closed"
	elsewhere.host = "another machine"
	other.id = "1@0" // the first process, of another start
	for _, c := range []struct {
		name string
		p    process
		want bool
	}{
		{"this store", me, false},
		{"a store of this process that was closed", closed, true},
		{"somebody elsewhere", elsewhere, false},
		{"somebody unknown", nobody, false},
		{"a number that was given again", other, me.host != ""},
		{"no process", process{host: me.host, id: "x@y"}, false},
		{"a number beyond all", process{host: me.host, id: "99999999@1"}, true},
	} {
		if got := c.p.gone(); got != c.want {
			t.Errorf("%s: gone is %v", c.name, got)
		}
	}
}
