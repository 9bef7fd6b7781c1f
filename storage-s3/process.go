package s3store

// A process is somebody who may have ended.
type process struct {
	host   string // where; "" is unknown
	id     string // which one, never given twice there
	handle string // which store in it
}

// closed reports whether p is a store of this process that was closed.
func (p process) closed() bool {
	me := thisProcess()
	if me.host == "" || p.host != me.host || p.id != me.id {
		return false
	}
	_, open := handles.Load(p.handle)
	return !open
}

// gone reports whether p is known to have ended.
func (p process) gone() bool { return p.closed() || p.ended() }
