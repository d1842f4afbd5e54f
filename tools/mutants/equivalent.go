package main

import (
	"fmt"
	"strings"
)

// equivalents are the mutants that no test can notice, with the reason.
type equivalents map[key]string

// parseEquivalents reads blocks apart by empty lines: lines with "#" that say why, then a
// mutant as it is printed.
func parseEquivalents(text string) (equivalents, error) {
	all := make(equivalents)
	for block := range strings.SplitSeq(strings.TrimSpace(text), "\n\n") {
		var why, removed, added []string
		var k key
		for line := range strings.SplitSeq(strings.TrimSpace(block), "\n") {
			switch trimmed := strings.TrimSpace(line); {
			case strings.HasPrefix(line, "#"):
				why = append(why, strings.TrimSpace(strings.TrimPrefix(line, "#")))
			case strings.HasPrefix(trimmed, "-") && k.file != "":
				removed = append(removed, trimmed[1:])
			case strings.HasPrefix(trimmed, "+") && k.file != "":
				added = append(added, trimmed[1:])
			default:
				var ok bool
				if k.file, k.function, ok = strings.Cut(line, " "); !ok {
					return nil, fmt.Errorf("%q is not a file and a function", line)
				}
			}
		}
		k.removed, k.added = strings.Join(removed, "\n"), strings.Join(added, "\n")
		switch {
		case k.file == "" && len(why) > 0:
			continue // the head of the list
		case k.removed == "" || k.added == "":
			return nil, fmt.Errorf("%q has no change", block)
		case len(why) == 0:
			return nil, fmt.Errorf("%q has no reason; write it above, after a #", block)
		}
		all[k] = strings.Join(why, " ")
	}
	return all, nil
}

// without returns the mutants that are not in the list.
func (e equivalents) without(mutants []mutant) []mutant {
	var rest []mutant
	for _, m := range mutants {
		if _, ok := e[m.key()]; !ok {
			rest = append(rest, m)
		}
	}
	return rest
}
