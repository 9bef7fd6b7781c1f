package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"
)

// The groups that a pattern may have.
const (
	groupName = "name"
	groupKey  = "key"
	groupTime = "time"
)

// compilePattern checks the groups too. A group of another name is most likely a misspelt one.
func compilePattern(text string) (*regexp.Regexp, error) {
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, err
	}
	var all []error
	if re.SubexpIndex(groupName) < 0 {
		all = append(all, errors.New("group name is missing: write (?P<name>...)"))
	}
	for i, group := range re.SubexpNames() {
		if group != "" && re.SubexpIndex(group) != i {
			all = append(all, fmt.Errorf("group %d is the second one called %q: put the alternatives into one group", i, group))
		}
		if group != "" && !slices.Contains([]string{groupName, groupKey, groupTime}, group) {
			all = append(all, fmt.Errorf("group %d is called %q: name, key and time are known, others go without a name", i, group))
		}
	}
	return re, errors.Join(all...)
}

// pattern is the format that the user describes.
type pattern struct {
	re              *regexp.Regexp
	name, key, time int // indexes of the groups; -1: none
	times           *timeReader
	now             func() time.Time
}

func newPattern(re *regexp.Regexp, times *timeReader) *pattern {
	return &pattern{
		re: re, times: times, now: time.Now,
		name: re.SubexpIndex(groupName), key: re.SubexpIndex(groupKey), time: re.SubexpIndex(groupTime),
	}
}

func (*pattern) format() string { return formatRegexp }

func (p *pattern) parse(line string) (entry, error) {
	m := p.re.FindStringSubmatch(line)
	if m == nil {
		return entry{}, errNoMatch
	}
	e := entry{name: m[p.name]}
	if p.key >= 0 {
		e.key = m[p.key]
	}
	if p.time < 0 {
		e.at = p.now()
		return e, nil
	}
	var err error
	e.at, err = p.times.at(m[p.time])
	return e, err
}
