package main

const maxFileLines = 500

func (c *checker) checkSizes() {
	for _, f := range c.tree.goFiles {
		c.checkLength(f.path, f.lines)
	}
	for path, lines := range c.tree.scripts {
		c.checkLength(path, lines)
	}
}

func (c *checker) checkLength(path string, lines int) {
	if lines > maxFileLines {
		c.problem(path, "has %d lines, more than %d", lines, maxFileLines)
	}
}
