package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// outcome is what the tests said of a mutant.
type outcome int

const (
	survived outcome = iota
	noticed
	invalid // it does not compile
)

// result is a mutant with its outcome.
type result struct {
	mutant
	outcome outcome
}

// memoryLimit keeps a mutant whose loop does not end from taking the memory of the machine.
const memoryLimit = 4 << 30

// runner runs the tests of packages against mutants.
type runner struct {
	folder string           // for what mutants write
	skip   string           // matches tests that are left out
	suites map[string]suite // the tests of each package
}

// newRunner runs the tests of each package without a fault, to know that they pass and how long
// they take.
func newRunner(ctx context.Context, packages []goPackage, skip string) (*runner, error) {
	if err := limitMemory(); err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return nil, err
	}
	r := &runner{folder: folder, skip: skip, suites: make(map[string]suite)}
	for _, p := range packages {
		s, err := r.newSuite(ctx, p)
		if err != nil {
			r.close()
			return nil, err
		}
		r.suites[p.ImportPath] = s
	}
	return r, nil
}

// limitMemory limits the memory of the processes that this one starts.
func limitMemory() error {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_DATA, &l); err != nil {
		return fmt.Errorf("read the limit of memory: %w", err)
	}
	l.Cur = min(l.Max, memoryLimit)
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &l); err != nil {
		return fmt.Errorf("limit the memory of mutants: %w", err)
	}
	return nil
}

func (r *runner) close() { _ = os.RemoveAll(r.folder) }

// play runs mutants in their order until count of them have an outcome.
func (r *runner) play(ctx context.Context, mutants []mutant, count, workers int) ([]result, error) {
	var valid []result
	for len(valid) < count && len(mutants) > 0 {
		n := min(count-len(valid), len(mutants))
		batch, err := r.playAll(ctx, mutants[:n], workers)
		if err != nil {
			return nil, err
		}
		mutants = mutants[n:]
		for _, one := range batch {
			if one.outcome != invalid {
				valid = append(valid, one)
			}
		}
	}
	return valid, nil
}

// playAll runs mutants, some at a time.
func (r *runner) playAll(ctx context.Context, mutants []mutant, workers int) ([]result, error) {
	results := make([]result, len(mutants))
	errs := make([]error, len(mutants))
	next := make(chan int)
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for i := range next {
				o, err := r.playOne(ctx, mutants[i])
				results[i], errs[i] = result{mutants[i], o}, err
				if err == nil && o == survived {
					fmt.Printf("%s:%d\n%v\n", mutants[i].file, mutants[i].line, mutants[i].key())
				}
			}
		})
	}
	for i := range mutants {
		next <- i
	}
	close(next)
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return results, nil
}

// playOne runs the tests against one mutant.
func (r *runner) playOne(ctx context.Context, m mutant) (outcome, error) {
	folder, err := os.MkdirTemp(r.folder, "")
	if err != nil {
		return 0, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	source, overlay := filepath.Join(folder, "mutant.go"), filepath.Join(folder, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{m.path: source}})
	if err != nil {
		return 0, err
	}
	if err := os.WriteFile(source, m.source(), 0o600); err != nil {
		return 0, err
	}
	if err := os.WriteFile(overlay, text, 0o600); err != nil {
		return 0, err
	}
	binary := filepath.Join(folder, "tests")
	if _, err := build(ctx, m.pkg, binary, "-overlay", overlay); err != nil {
		return invalid, ctx.Err()
	}
	for _, g := range r.suites[m.pkg].groups {
		_, failed, err := r.test(ctx, r.suites[m.pkg].dir, binary, r.flags(g)...)
		if err != nil || failed {
			return noticed, err
		}
	}
	return survived, nil
}
