package web

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

const (
	sessionCookie = "ephemera_session"
	sessionFor    = 12 * time.Hour
)

// access decides who may do what. With a token: whoever sends it, or a cookie that a login with it has given. Without one:
// whoever reaches the server under a name of this machine, for a page of somebody else can lead a browser here by a name of
// its own. Changes with a cookie, or without a token, must not come from pages of others.
type access struct {
	token    [sha256.Size]byte // its digest
	needed   bool
	insecure bool
	secure   bool
	key      []byte // signs the cookies of this process
	origins  *http.CrossOriginProtection
}

func newAccess(o Options) access {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // it never fails
	return access{
		token: sha256.Sum256([]byte(o.Token)), needed: o.Token != "", insecure: o.Insecure, secure: o.Secure,
		key: key, origins: http.NewCrossOriginProtection(),
	}
}

// free are the paths that need no token.
func free(path string) bool {
	return path == "/login" || path == "/logout" || strings.HasPrefix(path, "/static/")
}

// admit lets a request pass, or replies why not.
func (a *access) admit(w http.ResponseWriter, r *http.Request) bool {
	if !a.needed {
		if !a.insecure && !isLocal(r.Host) {
			refuseHost(w)
			return false
		}
		return a.sameOrigin(w, r)
	}
	if free(r.URL.Path) {
		return a.sameOrigin(w, r)
	}
	if header := r.Header.Get("Authorization"); header != "" {
		scheme, token, _ := strings.Cut(header, " ")
		if strings.EqualFold(scheme, "Bearer") && a.matches(strings.TrimSpace(token)) {
			return true // a page of somebody else cannot send it
		}
		a.refuse(w, r, "the token is not the right one")
		return false
	}
	if c, err := r.Cookie(sessionCookie); err == nil && a.session(c.Value) {
		return a.sameOrigin(w, r)
	}
	a.refuse(w, r, "a token is needed: Authorization: Bearer …, or log in at /login")
	return false
}

// matches takes the same time for every token.
func (a *access) matches(token string) bool {
	digest := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(digest[:], a.token[:]) == 1
}

func (a *access) sameOrigin(w http.ResponseWriter, r *http.Request) bool {
	if err := a.origins.Check(r); err != nil {
		fail(w, http.StatusForbidden, "a page of another origin may change nothing here")
		return false
	}
	return true
}

func (a *access) refuse(w http.ResponseWriter, r *http.Request, why string) {
	if r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/html") {
		http.Redirect(w, r, "/login", http.StatusSeeOther)
		return
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="ephemera"`)
	fail(w, http.StatusUnauthorized, why)
}

func refuseHost(w http.ResponseWriter) {
	fail(w, http.StatusForbidden, "without a token only localhost, 127.0.0.1 and [::1] are served")
}

// OnlyLocal serves requests for names of this machine and refuses all others.
func OnlyLocal(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLocal(r.Host) {
			refuseHost(w)
			return
		}
		h.ServeHTTP(w, r)
	})
}

func isLocal(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.Trim(host, "[]")
	if strings.EqualFold(strings.TrimSuffix(host, "."), "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

func (a *access) sign(expires string) string {
	m := hmac.New(sha256.New, a.key)
	m.Write([]byte(expires))
	return hex.EncodeToString(m.Sum(nil))
}

// session reports whether a cookie is one of this process that has not run out.
func (a *access) session(value string) bool {
	expires, sum, ok := strings.Cut(value, ".")
	if !ok || !hmac.Equal([]byte(sum), []byte(a.sign(expires))) {
		return false
	}
	at, err := strconv.ParseInt(expires, 10, 64)
	return err == nil && time.Now().Unix() < at
}

// cookie returns one for a session from now on, or with no duration what ends it.
func (a *access) cookie(lasting time.Duration) *http.Cookie {
	c := &http.Cookie{
		Name: sessionCookie, Path: "/", HttpOnly: true, Secure: a.secure, SameSite: http.SameSiteStrictMode, MaxAge: -1,
	}
	if lasting > 0 {
		expires := strconv.FormatInt(time.Now().Add(lasting).Unix(), 10)
		c.Value, c.MaxAge = expires+"."+a.sign(expires), int(lasting/time.Second)
	}
	return c
}
