package main

import (
	"slices"

	"github.com/ephemera-go/ephemera/tools/internal/budget"
	"github.com/ephemera-go/ephemera/tools/internal/collect"
	"github.com/ephemera-go/ephemera/tools/internal/gate"
)

// globsOf returns all names that the budgets mention.
func globsOf(budgets []budget.Budget) []string {
	var globs []string
	for _, b := range budgets {
		for _, name := range []string{b.Name, b.Reference} {
			if name != "" && !slices.Contains(globs, name) {
				globs = append(globs, name)
			}
		}
	}
	return globs
}

// casesOf returns what to measure: the benchmarks of head that a budget judges on this machine, each with the references
// that it needs behind it. What is timed and counted stands there twice.
func casesOf(budgets []budget.Budget, names collect.Names, machine string) []collect.Case {
	var cases []collect.Case
	add := func(name string, b budget.Budget, base bool) {
		if !slices.Contains(names.Head, name) {
			return
		}
		instructions := b.Unit == gate.UnitInstructions
		i := slices.IndexFunc(cases, func(c collect.Case) bool { return c.Name == name && c.Instructions == instructions })
		if i < 0 {
			i = len(cases)
			cases = append(cases, collect.Case{Name: name, Instructions: instructions})
		}
		c := &cases[i]
		c.Base = c.Base || base
		c.Twice = c.Twice || b.Kind != budget.Absolute
	}
	for _, name := range names.Head {
		for _, b := range budgets {
			if b.Match(name) && b.OnMachine(machine, names.CPU) {
				add(name, b, b.Kind == budget.VersusBase && slices.Contains(names.Base, name))
			}
		}
		for _, b := range budgets {
			if b.Reference != "" && b.Match(name) && b.OnMachine(machine, names.CPU) {
				add(b.Reference, b, false)
			}
		}
	}
	return cases
}

// brokenOf returns those that failed at the base for which a budget needs the base.
func brokenOf(budgets []budget.Budget, names collect.Names, machine string) []collect.Failure {
	return slices.DeleteFunc(slices.Clone(names.Broken), func(f collect.Failure) bool {
		return !slices.ContainsFunc(budgets, func(b budget.Budget) bool {
			return b.Kind == budget.VersusBase && b.Match(f.Name) && b.OnMachine(machine, names.CPU)
		})
	})
}
