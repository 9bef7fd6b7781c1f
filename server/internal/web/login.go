package web

import (
	"net/http"
	"strings"
)

const loginPage = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>ephemera: log in</title>
<style>:root{color-scheme:light dark}body{font:16px system-ui,sans-serif;max-width:24rem;margin:10vh auto;padding:0 1rem}
label,input,button{display:block;width:100%;box-sizing:border-box;margin:.5rem 0;padding:.5rem;font:inherit}
label{padding:0}</style>
<h1>ephemera</h1>
<form method="post" action="/login"><label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>Log in</button></form>
`

func (s *Site) loginForm(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'")
	_, _ = w.Write([]byte(loginPage))
}

// login turns a token in a form into a cookie.
func (s *Site) login(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	if err := r.ParseForm(); err != nil {
		fail(w, http.StatusBadRequest, "a form with the field token is wanted")
		return
	}
	if s.access.needed && !s.access.matches(r.PostForm.Get("token")) {
		s.figures.limited.WithLabelValues("login").Inc()
		fail(w, http.StatusUnauthorized, "the token is not the right one")
		return
	}
	if s.access.needed {
		http.SetCookie(w, s.access.cookie(sessionFor))
	}
	s.leave(w, r, "/")
}

func (s *Site) logout(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, s.access.cookie(0))
	s.leave(w, r, "/login")
}

// leave sends browsers on, and tells programs that it is done.
func (s *Site) leave(w http.ResponseWriter, r *http.Request, to string) {
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		http.Redirect(w, r, to, http.StatusSeeOther)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
