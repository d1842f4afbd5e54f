package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

func main() {
	var o options
	flag.Uint64Var(&o.seed, "seed", 1, "seed of the sample")
	flag.IntVar(&o.count, "n", 200, "mutants to run")
	flag.IntVar(&o.workers, "p", max(1, runtime.GOMAXPROCS(0)/2), "mutants to run at a time")
	flag.Float64Var(&o.share, "share", 90,
		"share in percent that must be noticed; below it the exit status is 1")
	flag.StringVar(&o.equivalents, "equivalent", "tools/mutants/equivalent.txt",
		"file with mutants that no test can notice")
	flag.StringVar(&o.skip, "skip", "",
		"regular expression of tests to leave out; what they alone notice counts as not noticed")
	flag.Parse()
	o.patterns = flag.Args()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	enough, err := run(ctx, o)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(2)
	}
	if !enough {
		os.Exit(1)
	}
}

// options are the flags and arguments of the command.
type options struct {
	seed        uint64
	count       int
	workers     int
	share       float64
	equivalents string
	skip        string
	patterns    []string
}

// run plays a sample of the mutants, and reports whether enough were noticed.
func run(ctx context.Context, o options) (enough bool, err error) {
	packages, err := list(ctx, o.patterns)
	if err != nil {
		return false, err
	}
	all, err := mutantsOf(packages)
	if err != nil {
		return false, err
	}
	text, err := os.ReadFile(o.equivalents)
	if err != nil {
		return false, fmt.Errorf("read the list of equivalent mutants: %w", err)
	}
	known, err := parseEquivalents(string(text))
	if err != nil {
		return false, fmt.Errorf("%s: %w", o.equivalents, err)
	}
	candidates := sample(known.without(all), o.seed)
	fmt.Printf("seed %d: %d of %d mutants in %d packages\n\n",
		o.seed, min(o.count, len(candidates)), len(candidates), len(packages))

	r, err := newRunner(ctx, packages, o.skip)
	if err != nil {
		return false, err
	}
	defer r.close()
	results, err := r.play(ctx, candidates, o.count, o.workers)
	if err != nil {
		return false, err
	}
	return report(os.Stdout, results) >= o.share, nil
}
