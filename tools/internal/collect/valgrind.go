package collect

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

const (
	// InstructionRounds is how many values of instructions per operation each side gets: they hardly differ.
	InstructionRounds = 3

	// A program executes some hundred thousand instructions more or fewer from run to run (the runtime's own threads, its
	// timers), so the two loops whose difference is the figure lie this far apart: then that is a few thousandths.
	spanInstructions = 200_000_000
	// A difference from which the cost of an operation can be guessed.
	probeInstructions = 20_000_000
	mostIterations    = 2_000_000_000
	// Under valgrind a program takes over a second to begin, and each instruction 1 ns.
	probeStep = 100

	valgrindSlowdown = 10
)

// loops are the two iteration counts of a measurement. The rest of the program costs the same in both.
type loops struct{ short, long int }

// loopsFor finds loops that are long enough for the benchmark but not longer. count returns the instructions of the
// whole program when it runs the benchmark so often.
func loopsFor(count func(iterations int) (uint64, error)) (loops, error) {
	// One iteration would be a run of its own, with one set-up less than all others.
	const least = 2
	begin, err := count(least)
	if err != nil {
		return loops{}, err
	}
	for n := 10 * least; n <= mostIterations; n *= probeStep {
		end, err := count(n)
		if err != nil {
			return loops{}, err
		}
		if end < begin+probeInstructions {
			continue
		}
		each := float64(end-begin) / float64(n-least)
		short := max(least, int(spanInstructions/each/10))
		return loops{short, short + max(1, int(spanInstructions/each))}, nil
	}
	return loops{}, fmt.Errorf("%w: %d iterations cost fewer than %d instructions", ErrProcess, mostIterations, probeInstructions)
}

// perOperation returns the instructions that one operation costs.
func perOperation(l loops, count func(iterations int) (uint64, error)) (float64, error) {
	short, err := count(l.short)
	if err != nil {
		return 0, err
	}
	long, err := count(l.long)
	if err != nil {
		return 0, err
	}
	if long < short {
		return 0, fmt.Errorf("%w: %d iterations cost more instructions than %d", ErrProcess, l.short, l.long)
	}
	return float64(long-short) / float64(l.long-l.short), nil
}

var reported = regexp.MustCompile(`(?m)^==\d+== I +refs: +([\d,]+)`)

// counter counts the instructions of a program of one side.
func (p *Program) counter(ctx context.Context, name string) func(iterations int) (uint64, error) {
	return func(iterations int) (uint64, error) {
		// One processor: what goroutines on several do to each other differs from run to run. And no signals that preempt
		// goroutines: their number depends on time. Cachegrind, because callgrind 3.19 follows signals and aborts when one
		// arrives while it handles another.
		settings := strings.Trim(os.Getenv("GODEBUG")+",asyncpreemptoff=1", ",")
		args := []string{
			"GOMAXPROCS=1", "GODEBUG=" + settings, "valgrind", "--tool=cachegrind", "--cache-sim=no",
			"--cachegrind-out-file=/dev/null", p.file,
		}
		args = append(args, benchArgs(exactly(name), strconv.Itoa(iterations)+"x", 1)...)
		stdout, stderr, err := p.exec(ctx, name, valgrindSlowdown*p.limit, "env", args...)
		if err != nil {
			return 0, err
		}
		if results := parseOutput(stdout, 1); failed(stdout) || len(results) != 1 || results[0].name != name {
			return 0, processError(p, name, errors.New("want its result and no other under valgrind"), stdout)
		}
		found := reported.FindSubmatch(stderr)
		if found == nil {
			return 0, processError(p, name, errors.New("valgrind printed no count"), stderr)
		}
		return strconv.ParseUint(strings.ReplaceAll(string(found[1]), ",", ""), 10, 64)
	}
}

// countAll measures the instructions per operation of the cases, as many at once as there are processors: what else runs
// changes no count. The figures of a case are kept when all are there.
func (s *Session) countAll(ctx context.Context, cases []Case, log *Log, inTime func() bool) ([]Failure, error) {
	if len(cases) == 0 {
		return nil, nil
	}
	s.options.Progress("counting instructions of " + count(len(cases), "benchmark"))
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	turns := make(chan struct{}, s.procs)
	counts := make([]chan counted, len(cases))
	for i, c := range cases {
		counts[i] = make(chan counted, 1)
		all.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			figures, err := s.instructions(ctx, c, inTime)
			counts[i] <- counted{figures, err}
		})
	}
	var failures []Failure
	for i, c := range cases {
		result := <-counts[i]
		switch err := result.err; {
		case errors.Is(err, ErrProcess), errors.Is(err, ErrTime), errors.Is(err, ErrNoValgrind):
			failures = append(failures, Failure{Name: c.Name, Instructions: true, Err: err})
			s.options.Progress(fmt.Sprintf("the instructions of %s are not counted", c.Name))
		case err != nil:
			return nil, err
		}
		for _, f := range result.figures {
			if err := log.write(f.side, f.round, 1, f.result); err != nil {
				return nil, err
			}
		}
	}
	return failures, nil
}

type counted struct {
	figures []figure
	err     error
}

// instructions measures one benchmark on its sides, with the loops that suit head. There are all figures or none.
func (s *Session) instructions(ctx context.Context, c Case, inTime func() bool) ([]figure, error) {
	if _, err := exec.LookPath("valgrind"); err != nil {
		return nil, fmt.Errorf("collect: count instructions of %s: %w", c.Name, ErrNoValgrind)
	}
	l, err := loopsFor(s.head.counter(ctx, c.Name))
	if err != nil {
		return nil, err
	}
	var figures []figure
	for round := 1; round <= InstructionRounds; round++ {
		for _, slot := range order(c, round) {
			if slot.number == 2 {
				continue
			}
			if !inTime() {
				return nil, fmt.Errorf("collect: count instructions of %s: %w", c.Name, ErrTime)
			}
			value, err := perOperation(l, s.program(slot.side).counter(ctx, c.Name))
			if err != nil {
				return nil, err
			}
			r := s.listed[c.Name]
			r.line = fmt.Sprintf("%s%s %d %.6g %s", c.Name, r.suffix, l.long, value, UnitInstructions)
			figures = append(figures, figure{slot.side, round, r})
		}
	}
	return figures, nil
}

type figure struct {
	side   Side
	round  int
	result result
}
