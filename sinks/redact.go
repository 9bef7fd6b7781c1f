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
	if strings.Contains(u.Opaque, "@") { // scheme:user:password@host parses as opaque
		shown.Opaque = hidden
	}
	// An '@' behind the host may be the end of a user and password that were not escaped, or that a wrong number of
	// slashes made a path. Then what looks like host, port and path is a piece of them.
	if strings.Contains(u.Path+u.RawQuery+u.Fragment, "@") && strings.Contains(u.Host+u.Path, ":") {
		shown = url.URL{Scheme: u.Scheme, Host: hidden}
	}
	s := shown.String()
	var keys []string
	for key := range u.Query() {
		keys = append(keys, shownKey(key)+"=…")
	}
	if len(keys) > 0 {
		slices.Sort(keys)
		s += "?" + strings.Join(keys, "&")
	}
	return s
}

const hidden = "(hidden)"

// shownKey is a query key as it may stand in messages.
func shownKey(key string) string {
	for _, r := range key {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_' && r != '-' && r != '.' {
			return hidden
		}
	}
	if key == "" {
		return hidden
	}
	return key
}
