package main

import "regexp"

// Lines of Apache's error log, 2.2 and 2.4, and of its access log, common and combined.
var (
	apacheError = regexp.MustCompile(
		`^\[([^\]]+)\] \[(?:[^\]:]*:)?(emerg|alert|crit|error|warn|notice|info|debug|trace[1-8])\] ` +
			`(?:\[pid [^\]]*\] )?(?:\[client ([^\]]+)\] )?`)
	apacheAccess = regexp.MustCompile(
		`^(\S+) \S+ .+? \[([^\]]+)\] "(?:[^"\\]|\\.)*" (\d{3}) (?:\d+|-)(?: |$)`)
	apachePort = regexp.MustCompile(`^(\d+\.\d+\.\d+\.\d+):\d+$`)
)

// apache names a line of the error log apache.LEVEL and one of the access log apache.status.CODE. The key is the client.
type apache struct{ times *timeReader }

func (*apache) format() string { return formatApache }

func (p *apache) parse(line string) (entry, error) {
	var name, key, when string
	if m := apacheError.FindStringSubmatch(line); m != nil {
		name, key, when = "apache."+m[2], m[3], m[1]
		if a := apachePort.FindStringSubmatch(key); a != nil {
			key = a[1]
		}
	} else if m := apacheAccess.FindStringSubmatch(line); m != nil {
		name, key, when = "apache.status."+m[3], m[1], m[2]
	} else {
		return entry{}, errNoMatch
	}
	at, err := p.times.at(when)
	return entry{name, key, at}, err
}
