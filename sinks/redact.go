package sinks

import (
	"net/url"
	"slices"
	"strings"
)

// Redact returns a URL as it may stand in messages and logs: without user, password, fragment and the values of query
// keys. Of a URL that does not parse only a valid scheme is left.
func Redact(rawURL string) string {
	u, err := url.Parse(rawURL)
	if err != nil {
		scheme, _, found := strings.Cut(rawURL, "://")
		if _, err := url.Parse(scheme + "://x"); !found || err != nil {
			return "(malformed URL)"
		}
		return scheme + "://(malformed)"
	}
	return redact(u)
}

func redact(u *url.URL) string {
	shown := url.URL{Scheme: u.Scheme, Opaque: u.Opaque, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	if u.Scheme != "" && strings.Contains(u.Opaque, "@") {
		shown.Opaque = "(hidden)" // scheme:user:password@host parses as opaque
	}
	s := shown.String()
	var keys []string
	for key := range u.Query() {
		if !plainKey(key) {
			key = "(hidden)" // no key of ours: it may be a piece of a URL that was put together wrongly
		}
		keys = append(keys, key+"=…")
	}
	if len(keys) > 0 {
		slices.Sort(keys)
		s += "?" + strings.Join(keys, "&")
	}
	return s
}

// plainKey reports whether a query key looks like one that a driver might know.
func plainKey(key string) bool {
	for _, r := range key {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' && r != '-' && r != '.' {
			return false
		}
	}
	return key != ""
}
