// Package slug stands for the package of a user whose hot path should not get slower. It knows nothing of ephemera: copy this
// folder without ci_test.go into an empty repository, and the README does the rest.
package slug

// Make turns a title into a part of a URL: letters and digits of ASCII, in lower case, with single dashes between them.
func Make(title string) string {
	b := make([]byte, 0, len(title))
	dash := false
	for i := range len(title) {
		c := title[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			dash = len(b) > 0
			continue
		}
		if dash {
			b, dash = append(b, '-'), false
		}
		b = append(b, c)
	}
	return string(b)
}
