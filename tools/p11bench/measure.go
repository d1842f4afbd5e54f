package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"time"
)

// figure is what one row measured.
type figure struct {
	n       int           // operations
	elapsed time.Duration // wall time of all of them
	each    []time.Duration
}

// print writes a line of the Go benchmark format (golang.org/design/14313).
func (f figure) print(w io.Writer, name string) {
	perOp := float64(f.elapsed.Nanoseconds()) / float64(f.n)
	slices.Sort(f.each)
	fmt.Fprintf(w, "Benchmark%s-%d\t%8d\t%12.1f ns/op\t%12.1f ops/s\t%12d p50-ns\t%12d p99-ns\n",
		name, runtime.GOMAXPROCS(0), f.n, perOp, 1e9/perOp, f.percentile(50), f.percentile(99))
}

func (f figure) percentile(p int) int64 {
	if len(f.each) == 0 {
		return 0
	}
	return f.each[(len(f.each)-1)*p/100].Nanoseconds()
}

// repeat calls op until the time is over and says how often it did.
func repeat(d time.Duration, op func() error) (figure, error) {
	var f figure
	start := time.Now()
	for last := start; f.elapsed < d; {
		if err := op(); err != nil {
			return f, err
		}
		now := time.Now()
		f.each = append(f.each, now.Sub(last))
		f.n, f.elapsed, last = f.n+1, now.Sub(start), now
	}
	return f, nil
}

// parallel repeats the operation that each of n threads gets from makeOp.
func parallel(n int, d time.Duration, makeOp func() (func() error, error)) (figure, error) {
	ops := make([]func() error, n)
	for i := range ops {
		op, err := makeOp()
		if err != nil {
			return figure{}, err
		}
		if err := op(); err != nil { // the first one opens things
			return figure{}, err
		}
		ops[i] = op
	}
	figures, errs := make([]figure, n), make([]error, n)
	var group sync.WaitGroup
	start := time.Now()
	for i, op := range ops {
		group.Go(func() {
			runtime.LockOSThread() // a host's thread, as PKCS#11 sees it
			figures[i], errs[i] = repeat(d, op)
		})
	}
	group.Wait()
	return sum(figures, errs, time.Since(start))
}

// sum adds up what ran side by side in the same time.
func sum(figures []figure, errs []error, elapsed time.Duration) (figure, error) {
	all := figure{elapsed: elapsed}
	for i, f := range figures {
		if errs[i] != nil {
			return all, errs[i]
		}
		all.n += f.n
		all.each = append(all.each, f.each...)
	}
	return all, nil
}
