package main

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
)

// sample brings mutants into the order in which a seed takes them. The place of a mutant
// depends on the seed and on what it changes, not on other mutants nor on its line.
func sample(mutants []mutant, seed uint64) []mutant {
	type placed struct {
		mutant
		place uint64
	}
	all := make([]placed, 0, len(mutants))
	for _, m := range mutants {
		sum := sha256.Sum256(fmt.Appendf(nil, "%d\n%v", seed, m.key()))
		all = append(all, placed{m, binary.BigEndian.Uint64(sum[:])})
	}
	slices.SortStableFunc(all, func(a, b placed) int { return cmp.Compare(a.place, b.place) })
	sorted := make([]mutant, 0, len(all))
	for _, p := range all {
		sorted = append(sorted, p.mutant)
	}
	return sorted
}
