package verify

import (
	"slices"
	"strings"
)

// protocolMistakes are what a protocol might do instead: each changes the steps of a trace and returns how often.
func protocolMistakes() map[string]func(*trace) int {
	return map[string]func(*trace) int{
		"manifest before objects":          manifestFirst,
		"one object behind the manifest":   objectLate,
		"acknowledged before the manifest": ackEarly,
		"pruned before the manifest":       pruneEarly,
		"objects pruned before manifests":  objectsFirst,
		"newest pruned":                    pruneNewest,
		"objects of a kept one pruned":     pruneShared,
		"objects under way swept":          sweepUnderWay,
		"opened without a mark":            markNever,
		"marked after the first append":    markLate,
		"manifest under a number again":    ordinalAgain,
	}
}

// move takes the step at from away and puts it in front of the one that was at to.
func (h *trace) move(from, to int) {
	s := h.steps[from]
	h.steps = slices.Delete(h.steps, from, from+1)
	if to > from {
		to--
	}
	h.steps = slices.Insert(h.steps, to, s)
}

// each calls f with the index of every step of a kind.
func (h *trace) each(kind, part string, f func(i int) bool) (n int) {
	for i := 0; i < len(h.steps); i++ {
		if h.steps[i].about(kind, part) && f(i) {
			n++
		}
	}
	return n
}

// back returns the first index of the run of steps of a kind before i.
func (h *trace) back(i int, kind, part string) int {
	for i > 0 && h.steps[i-1].about(kind, part) {
		i--
	}
	return i
}

func manifestFirst(h *trace) int {
	return h.each("put", "/manifests/", func(i int) bool {
		to := h.back(i, "put", "/objects/")
		h.move(i, to)
		return to < i
	})
}

func objectLate(h *trace) int {
	return h.each("put", "/manifests/", func(i int) bool {
		if h.back(i, "put", "/objects/") == i {
			return false
		}
		h.move(i-1, i+1)
		return true
	})
}

func ackEarly(h *trace) int {
	return h.each("put", "/manifests/", func(i int) bool {
		for ack := i; ack < len(h.steps); ack++ {
			if h.steps[ack].kind == "saved" {
				h.move(ack, i)
				return true
			}
		}
		return false
	})
}

func pruneEarly(h *trace) int {
	return h.each("delete", "/manifests/", func(i int) bool {
		for at := i; at > 0; at-- {
			if h.steps[at].about("put", "/manifests/") {
				h.move(i, at)
				return true
			}
		}
		return false
	})
}

func objectsFirst(h *trace) int {
	return h.each("delete", "/objects/", func(i int) bool {
		for at := i; at > 0 && h.steps[at].kind == "delete"; at-- {
			if h.steps[at].about("delete", "/manifests/") {
				h.move(i, at)
				return true
			}
		}
		return false
	})
}

func pruneNewest(h *trace) int {
	newest := ""
	n := 0
	for i := range h.steps {
		switch s := &h.steps[i]; {
		case s.about("put", "/manifests/"):
			newest = s.name
		case s.about("delete", "/manifests/"):
			s.name = newest
			n++
		}
	}
	return n
}

// pruneShared deletes an object that the newest snapshot shares with the one before.
func pruneShared(h *trace) int {
	deleted := map[string]bool{}
	h.each("delete", "/objects/", func(i int) bool { deleted[h.steps[i].name] = true; return true })
	object := ""
	for i, s := range h.steps {
		if s.about("put", "/objects/") && !deleted[s.name] && i < len(h.steps)*3/4 {
			object = s.name
		}
	}
	if object == "" {
		return 0
	}
	at := slices.IndexFunc(h.steps, func(s step) bool { return s.name == object })
	for ; at < len(h.steps); at++ {
		if h.steps[at].kind == "saved" {
			h.steps = slices.Insert(h.steps, at, step{kind: "delete", name: object})
			return 1
		}
	}
	return 0
}

func sweepUnderWay(h *trace) int {
	return h.each("put", "/manifests/", func(i int) bool {
		if !h.steps[max(i-1, 0)].about("put", "/objects/") {
			return false
		}
		h.steps = slices.Insert(h.steps, i, step{kind: "delete", name: h.steps[i-1].name})
		return true
	})
}

func markNever(h *trace) int {
	n := len(h.steps)
	h.steps = slices.DeleteFunc(h.steps, func(s step) bool { return strings.Contains(s.name, "/opened/") })
	return n - len(h.steps)
}

func markLate(h *trace) (n int) {
	for i := len(h.steps) - 1; i >= 0; i-- {
		if !h.steps[i].about("put", "/opened/") {
			continue
		}
		for at := i; at < len(h.steps); at++ {
			if h.steps[at].kind == "saving" {
				h.move(i, at+1)
				n++
				break
			}
		}
	}
	return n
}

// ordinalAgain lets every second manifest have the name of the one before.
func ordinalAgain(h *trace) int {
	last, n := "", 0
	for i := range h.steps {
		if s := &h.steps[i]; s.about("put", "/manifests/") {
			if n++; n%2 == 0 {
				s.name = last
			}
			last = s.name
		}
	}
	return n / 2
}
