package main

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

const someEquivalent = `# The head of the list,
# in two lines.

# They are the same number here, and
# always were.
b.go f
	-if err := g(a < b, a == b); err != nil {
	+if err := g(a <= b, a == b); err != nil {
`

// An equivalent is the mutant that is printed like it, and no other.
func TestEquivalents(t *testing.T) {
	known, err := parseEquivalents(someEquivalent)
	require.NoError(t, err)
	mutants, err := mutate("b.go", []byte(someCode))
	require.NoError(t, err)

	rest := known.without(mutants)
	require.Len(t, rest, len(mutants)-1)
	for _, m := range mutants {
		if why, ok := known[m.key()]; ok {
			require.Equal(t, "They are the same number here, and always were.", why)
			require.NotContains(t, rest, m)
		}
	}
}

// What is printed can be pasted into the list.
func TestPrintedFormIsThatOfTheList(t *testing.T) {
	mutants, err := mutate("b.go", []byte("package b\n\nfunc f() {\n\tg(\n\t\th)\n}\n"))
	require.NoError(t, err)
	require.Len(t, mutants, 1)
	known, err := parseEquivalents("# Nobody sees g.\n" + mutants[0].key().String())
	require.NoError(t, err)
	require.Empty(t, known.without(mutants))
}

func TestEquivalentsWithFaults(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"b.go f\n\t-a\n\t+b\n", "has no reason"},
		{"# Why.\nb.go f\n", "has no change"},
		{"# Why.\nb.go\n\t-a\n\t+b\n", "is not a file and a function"},
	} {
		_, err := parseEquivalents(c.text)
		require.ErrorContains(t, err, c.want)
	}
}

// Code that changed takes its mutants along; their entries go, too.
func TestEquivalentsAreOfThisCode(t *testing.T) {
	text, err := os.ReadFile("equivalent.txt")
	require.NoError(t, err)
	known, err := parseEquivalents(string(text))
	require.NoError(t, err)

	found := make(map[key]bool)
	for k := range known {
		source, err := os.ReadFile("../../" + k.file)
		require.NoError(t, err)
		mutants, err := mutate(k.file, source)
		require.NoError(t, err)
		for _, m := range mutants {
			found[m.key()] = true
		}
	}
	for k := range known {
		require.True(t, found[k], "equivalent.txt has a mutant that the code does not:\n%v", k)
	}
}
