package serve

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestProfilesAreForThisMachine: a page of somebody else may lead a browser to a loopback address, by a name of its own.
func TestProfilesAreForThisMachine(t *testing.T) {
	h := profiles()
	for host, status := range map[string]int{
		"127.0.0.1:6060": 200, "localhost:6060": 200, "[::1]:6060": 200,
		"evil.example:6060": http.StatusForbidden, "127.0.0.1.evil.example": http.StatusForbidden, "": http.StatusForbidden,
	} {
		for _, path := range []string{"/debug/pprof/", "/debug/pprof/cmdline"} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
			r.Host = host
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != status {
				t.Errorf("%s of %q: %d, want %d", path, host, w.Code, status)
			}
		}
	}
}
