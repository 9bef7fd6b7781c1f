//go:build mutants

package core_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// An edit replaces a text that must stand exactly once in a file of this package.
type edit struct{ file, old, new string }

// mutants are mistakes that somebody could make in the protocol. TestProtocol must notice each.
var mutants = []struct {
	name  string
	edits []edit
}{
	{"publish before write", []edit{{
		"partition.go",
		"			atomicx.Writing(&ev[i])\n			ev[i] = e\n",
		"			s.mark(i)\n			atomicx.Writing(&ev[i])\n			ev[i] = e\n",
	}}},
	{"publish before write in Store.Append", []edit{{
		"append.go",
		"a quarter of the time\n		g, ev, i := p.reserve()\n		if i < uint64(len(ev)) {\n",
		"a quarter of the time\n		g, ev, i := p.reserve()\n		if i < uint64(len(ev)) {\n			g.mark(i)\n",
	}}},
	{"publish before write in Store.AppendTo", []edit{{
		"append.go",
		"{ // as in Append\n		g, ev, i := p.reserve()\n		if i < uint64(len(ev)) {\n",
		"{ // as in Append\n		g, ev, i := p.reserve()\n		if i < uint64(len(ev)) {\n			g.mark(i)\n",
	}}},
	{"touch the slot after publishing", []edit{{
		"partition.go",
		"	s.pub[i>>atomicx.WordShift%words].Or(1 << (i & atomicx.WordMask))\n}",
		"	s.pub[i>>atomicx.WordShift%words].Or(1 << (i & atomicx.WordMask))\n	atomicx.Reading(&s.ev[i])\n}",
	}}},
	{"publish the whole word", []edit{{
		"segment.go", "s.pub[lo>>atomicx.WordShift].Or(m & wordBits)", "_ = m\n		s.pub[lo>>atomicx.WordShift%words].Or(wordBits)\n		s.pub[(lo+1)>>atomicx.WordShift%words].Or(wordBits)",
	}}},
	{"a batch publishes what stands before it", []edit{{
		"partition.go", "s.done.Load() != i || !s.done.CompareAndSwap(i, i+n)", "!s.done.CompareAndSwap(s.done.Load(), i+n)",
	}}},
	{"reuse without the published test", []edit{{"maintain.go", "|| !s.seal() ||", "||"}}},
	{"reuse without looking at pins", []edit{{"maintain.go", " || p.pins.of(s.id.Load()) != unpinned {", " {"}}},
	{"pins read before the segment is unlinked", []edit{
		{"maintain.go", "		p.head.Store(nx)\n", "		p.early = p.pins.of(s.id.Load()) == unpinned\n		p.head.Store(nx)\n"},
		{"maintain.go", " || p.pins.of(s.id.Load()) != unpinned {", " || !p.early {"},
		{"maintain.go", "	wiped ", "	early bool\n	wiped "},
	}},
	{"open by store instead of compare-and-swap", []edit{{
		"roll.go",
		"v&(ownedMark|deadMark) != 0 || nx.resv.CompareAndSwap(v, openWord(id)) {\n			break\n		}",
		"v&(ownedMark|deadMark) != 0 {\n			break\n		}\n		nx.resv.Store(openWord(id))",
	}}},
	{"successor open before its predecessor is full", []edit{{
		"maintain.go", "		s.resv.Store(closedWord(id))\n", "		s.resv.Store(openWord(id))\n",
	}}},
	{"roll without a pin", []edit{{
		"roll.go",
		"func (p *partition[E]) roll(room int) error {\n	h := p.pin()",
		"func (p *partition[E]) roll(room int) error {\n	h := new(hazard)",
	}}},
	{"cut without a pin", []edit{{"section.go", "	h := p.pin()", "	h := new(hazard)"}}},
	{"link cut although a cut is being opened", []edit{{
		"maintain.go", "case k&(interior|transient) == 0:", "case k&interior == 0:",
	}}},
	{"link cut under a cut that walks on", []edit{{
		"maintain.go", "case k&(interior|transient) == 0:", "case k&transient == 0:",
	}}},
	{"cut pins only its newest segment", []edit{{
		"section.go", "h.narrow(f.id.Load(), t.id.Load(), flag)", "h.narrow(t.id.Load(), t.id.Load(), flag)",
	}}},
	{"cut loads the head before it pins", []edit{{
		"section.go",
		"	h := p.pin()\n	f := p.head.Load()",
		"	f := p.head.Load()\n	h := p.pin()",
	}}},
	{"watermark passes an unpublished slot", []edit{{
		"maintain.go", "m != t && m.seal() {", "m != t {",
	}}},
	{"batch published from the front", []edit{{
		"segment.go",
		"	for b > a {\n		lo := max(a, (b-1)&^atomicx.WordMask)",
		"	for ; a < b; a++ {\n		s.pub[a>>atomicx.WordShift].Or(1 << (a & atomicx.WordMask))\n	}\n	for b > a {\n		lo := max(a, (b-1)&^atomicx.WordMask)",
	}}},
	{"producer publishes before it writes", []edit{{
		"producer.go",
		"	atomicx.Writing(&w.ev[i])\n	w.ev[i] = e\n",
		"	w.s.done.Store(i + 1)\n	atomicx.Writing(&w.ev[i])\n	w.ev[i] = e\n",
	}}},
	{"producer ends its segment before it owns the next", []edit{{
		"producer.go",
		"		p.own(nx, ownedMark) // nobody else opens it: s does not look full\n		s.finish(w.i)\n",
		"		s.finish(w.i)\n		p.own(nx, ownedMark)\n",
	}}},
	{"producer takes over without looking for a close", []edit{{
		"producer.go", "	w.leash.limit.Store(uint64(len(s.ev)))\n	if w.p.state.Load() != stateOpen {\n		w.leash.limit.Store(0)\n	}\n}",
		"	w.leash.limit.Store(uint64(len(s.ev)))\n}",
	}}},
	{"closing leaves the end to an owner that has given it back", []edit{{
		"producer.go", "kill() { p.claim(deadMark) }",
		"kill() {\n	if p.owner.CompareAndSwap(0, 1) {\n		p.claim(deadMark)\n	}\n}",
	}}},
	{"a closed partition still opens segments", []edit{{
		"roll.go",
		"	if p.state.Load() != stateOpen {\n		return 0, p.refusal() // closing: nothing opens any more\n	}\n",
		"",
	}}},
	{"floor lowered by a late store", []edit{{
		"forget.go", "		if f >= q || p.floor.CompareAndSwap(f, q) {\n			return\n		}",
		"		_ = f\n		p.floor.Store(q)\n		return",
	}}},
	{"segment reused when the settler only reached its end", []edit{{
		"account.go", "s.id.Load() < p.atID.Load()", "s.next.Load().base.Load() <= p.settled.Load()",
	}}},
	{"conditional append without the second look at the tag", []edit{{
		"partition.go", "			if s.resv.Load()>>tagShift != w>>tagShift {\n				continue // reused in between: base belongs to another life than w\n			}\n", "",
	}}},
	{"head may pass the newest segment's border too early", []edit{{
		"maintain.go", "		if nx.base.Load() > low {\n			return\n		}\n", "		if nx.base.Load() > low+1 {\n			return\n		}\n",
	}}},
}

// TestMutants builds TestProtocol with each mistake in turn and expects it to fail.
func TestMutants(t *testing.T) {
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			bin := filepath.Join(t.TempDir(), "mutant.test")
			build := exec.Command("go", "test", "-c", "-tags", "explore", "-overlay", overlay(t, m.edits), "-o", bin, ".")
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("the mutant does not build: %v\n%s", err, out)
			}
			run := exec.Command(bin, "-test.run", "^TestProtocol$", "-test.failfast")
			out, err := run.CombinedOutput()
			if err == nil {
				t.Fatal("SURVIVED: TestProtocol passes with this mistake")
			}
			if !strings.Contains(string(out), "--- FAIL: TestProtocol/") {
				t.Fatalf("died of something else: %v\n%s", err, out)
			}
			t.Log(cause(string(out)))
		})
	}
}

// cause returns the program that noticed, and the first line of what it says.
func cause(out string) string {
	lines := strings.Split(out, "\n")
	for i, l := range lines {
		if strings.Contains(l, "trace:") && i > 0 {
			return strings.TrimSpace(lines[i-1])
		}
	}
	return strings.TrimSpace(lines[0])
}

// overlay writes the changed files and the map that tells the go command about them.
func overlay(t *testing.T, edits []edit) string {
	dir := t.TempDir()
	texts := map[string]string{}
	for _, e := range edits {
		if _, ok := texts[e.file]; !ok {
			b, err := os.ReadFile(e.file)
			if err != nil {
				t.Fatal(err)
			}
			texts[e.file] = string(b)
		}
		if n := strings.Count(texts[e.file], e.old); n != 1 {
			t.Fatalf("%s has the text %d times, want once:\n%s", e.file, n, e.old)
		}
		texts[e.file] = strings.Replace(texts[e.file], e.old, e.new, 1)
	}
	replace := map[string]string{}
	for file, text := range texts {
		abs, err := filepath.Abs(file)
		if err != nil {
			t.Fatal(err)
		}
		replace[abs] = filepath.Join(dir, file)
		if err := os.WriteFile(replace[abs], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
