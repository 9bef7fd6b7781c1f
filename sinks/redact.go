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
		keys = append(keys, url.QueryEscape(key)+"=…")
	}
	if len(keys) > 0 {
		slices.Sort(keys)
		s += "?" + strings.Join(keys, "&")
	}
	return s
}
