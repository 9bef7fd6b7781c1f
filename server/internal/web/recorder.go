package web

import (
	"net/http"
	"time"
)

// A recorder notes what is replied, and gives each piece of it a deadline, so that a client that does not read holds no
// request for ever.
type recorder struct {
	http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration
	armed   time.Time
	hasBody bool          // of the request
	rest    time.Duration // for it to come, when the request is refused
	status  int
	bytes   int64
}

// Unwrap lets http.ResponseController reach what is beneath.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// WriteHeader notes the status.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
		r.expect(status)
	}
	r.arm()
	r.ResponseWriter.WriteHeader(status)
}

// expect limits how long net/http may wait for what a refused request still has to send. It reads that before it goes on.
func (r *recorder) expect(status int) {
	switch {
	case !r.hasBody || status < http.StatusBadRequest:
	case status == http.StatusRequestTimeout:
		_ = r.control.SetReadDeadline(time.Now())
	default:
		_ = r.control.SetReadDeadline(time.Now().Add(r.rest))
	}
}

// Write notes how much.
func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	r.arm()
	n, err := r.ResponseWriter.Write(b)
	r.bytes += int64(n)
	return n, err
}

// arm sets the deadline anew when an eighth of it has passed: setting it for every write costs more than the write.
func (r *recorder) arm() {
	if now := time.Now(); now.Sub(r.armed) >= r.timeout/8 {
		r.armed = now
		_ = r.control.SetWriteDeadline(now.Add(r.timeout)) // a writer without deadlines is one of tests
	}
}

// SetWriteDeadline replaces the deadline until the next write. None is for replies that pause: HTTP/2 ends a stream whose
// deadline passes, also one on which there is nothing to write.
func (r *recorder) SetWriteDeadline(at time.Time) error {
	r.armed = time.Time{}
	return r.control.SetWriteDeadline(at)
}

// code is what was replied; a handler that wrote nothing replied 200.
func (r *recorder) code() int {
	if r.status == 0 {
		return http.StatusOK
	}
	return r.status
}
