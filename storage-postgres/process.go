package pgstore

// A process is somebody who may have ended.
type process struct {
	host string // where; "" is unknown
	id   string // which one, never given twice there
}
