package main

import (
	"regexp"
	"strings"
)

// sshHeader is what syslog writes before the message of an sshd process, with either kind of time.
var sshHeader = regexp.MustCompile(
	`^([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\S+) \S+ sshd(?:-session|-auth)?\[\d+\]: (.*)$`)

// sshRule gives messages with a prefix their name. The key is the first group of the expression.
type sshRule struct {
	name, prefix string
	key          *regexp.Regexp
}

// Where the address stands. What a client sends comes before it, so the last place that fits is the right one.
var (
	sshFrom       = regexp.MustCompile(`.* from (\S+)(?: port \d+)?(?: ssh\d)?(?:: .*)?$`)
	sshFirstFrom  = regexp.MustCompile(` from (\S+?)(?: port \d+:|: )`)
	sshBy         = regexp.MustCompile(` (\S+)(?: port \d+)?(?: \[preauth\])?$`)
	sshRemoteHost = regexp.MustCompile(` rhost=(\S*)`)
	sshBracket    = regexp.MustCompile(`.* \[([^\]]+)\] failed`)
)

// sshRules are asked in this order; docs and usage list them.
var sshRules = []sshRule{
	{"sshd.failed_password", "Failed password for ", sshFrom},
	{"sshd.failed_other", "Failed ", sshFrom},
	{"sshd.accepted", "Accepted ", sshFrom},
	{"sshd.invalid_user", "Invalid user ", sshFrom},
	{"sshd.invalid_user_request", "input_userauth_request: invalid user ", nil},
	{"sshd.auth_failure", "pam_unix(sshd:auth): authentication failure;", sshRemoteHost},
	{"sshd.max_retries", "PAM service(sshd) ignoring max retries", nil},
	{"sshd.more_auth_failures", "PAM ", sshRemoteHost},
	{"sshd.unknown_user", "pam_unix(sshd:auth): check pass; user unknown", nil},
	{"sshd.disconnected", "Received disconnect from ", sshFirstFrom},
	{"sshd.disconnected", "error: Received disconnect from ", sshFirstFrom},
	{"sshd.closed", "Connection closed by ", sshBy},
	{"sshd.reset", "Connection reset by ", sshBy},
	{"sshd.too_many_failures", "Disconnecting: Too many authentication failures", nil},
	{"sshd.no_identification", "Did not receive identification string from ", sshFrom},
	{"sshd.reverse_mapping", "reverse mapping checking getaddrinfo for ", sshBracket},
	{"sshd.session_opened", "pam_unix(sshd:session): session opened", nil},
	{"sshd.session_closed", "pam_unix(sshd:session): session closed", nil},
	{"sshd.error", "error: ", nil},
	{"sshd.fatal", "fatal: ", nil},
	{"sshd.other", "", nil},
}

type openSSH struct{ times *timeReader }

func (*openSSH) format() string { return formatOpenSSH }

func (p *openSSH) parse(line string) (entry, error) {
	m := sshHeader.FindStringSubmatch(line)
	if m == nil {
		return entry{}, errNoMatch
	}
	at, err := p.times.at(m[1])
	if err != nil {
		return entry{}, err
	}
	name, key := sshSignal(repeated(m[2]))
	return entry{name, key, at}, nil
}

// repeated returns the message inside of "message repeated 5 times: [ ... ]".
func repeated(message string) string {
	if rest, ok := strings.CutPrefix(message, "message repeated "); ok {
		if _, inner, ok := strings.Cut(rest, " times: [ "); ok && strings.HasSuffix(inner, "]") {
			return strings.TrimSuffix(inner, "]")
		}
	}
	return message
}

func sshSignal(message string) (name, key string) {
	for _, r := range sshRules {
		if !strings.HasPrefix(message, r.prefix) {
			continue
		}
		if r.key != nil {
			// Another version may word it otherwise: then the signal has no key.
			if m := r.key.FindStringSubmatch(message); m != nil {
				key = m[1]
			}
		}
		return r.name, key
	}
	return "", ""
}
