// Package dashboard shows in a browser what a server keeps. The page is rendered by the server and needs no JavaScript;
// with it, tables and charts follow what happens. Everything is part of the program; nothing is loaded from elsewhere.
package dashboard

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"sync"
	"time"

	"github.com/ephemera-go/ephemera/server/internal/state"
)

//go:embed page.html
var pageText string

//go:embed static
var static embed.FS

// policy lets the page load and send from and to its own origin only, and run no script that is not a file.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'"

// Options configures a Dashboard.
type Options struct {
	Version string // of the program
	Login   bool   // a token is set, so that there is something to log out of
}

// A Dashboard serves / and /static/. Its methods are safe for concurrent use.
type Dashboard struct {
	state *state.State
	o     Options
	page  *template.Template
	mux   *http.ServeMux

	mu    sync.Mutex
	saved map[string]savedList // by name of snapshots
}

// New makes the dashboard of a state.
func New(s *state.State, o Options) (*Dashboard, error) {
	page, err := template.New("page").Funcs(functions).Parse(pageText)
	if err != nil {
		return nil, err
	}
	d := &Dashboard{state: s, o: o, page: page, mux: http.NewServeMux(), saved: map[string]savedList{}}
	d.mux.HandleFunc("GET /{$}", d.show)
	return d, fs.WalkDir(static, "static", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := static.ReadFile(name)
		d.mux.HandleFunc("GET /"+name, file(name, content))
		return err
	})
}

// ServeHTTP answers one request.
func (d *Dashboard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy", policy)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Referrer-Policy", "no-referrer")
	d.mux.ServeHTTP(w, r)
}

// file serves a file that browsers keep and ask after, because another version of the program has another one.
func file(name string, content []byte) http.HandlerFunc {
	sum := sha256.Sum256(content)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", tag)
		w.Header().Set("Cache-Control", "no-cache")
		http.ServeContent(w, r, path.Base(name), time.Time{}, bytes.NewReader(content))
	}
}

func (d *Dashboard) show(w http.ResponseWriter, r *http.Request) {
	v, err := d.view(r)
	status := http.StatusOK
	if errors.Is(err, errBad) {
		v.Problem, status = err.Error(), http.StatusBadRequest
	} else if err != nil {
		v.Problem, status = err.Error(), http.StatusInternalServerError
	}
	var b bytes.Buffer
	if err := d.page.Execute(&b, v); err != nil {
		http.Error(w, "the page cannot be rendered", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the client has gone: nobody to tell
}
