package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const someCode = `package b

func f(a, b int) (int, error) {
	if err := g(a < b, a == b); err != nil {
		return 0, err
	}
	return a + b, nil
}
`

// order is the sample of a seed, as text.
func order(t *testing.T, text string, seed uint64) []string {
	t.Helper()
	mutants, err := mutate("b.go", []byte(text))
	require.NoError(t, err)
	require.NotEmpty(t, mutants)
	var all []string
	for _, m := range sample(mutants, seed) {
		all = append(all, m.key().String())
	}
	return all
}

func TestSampleIsThatOfItsSeed(t *testing.T) {
	require.Equal(t, order(t, someCode, 1), order(t, someCode, 1))
	require.NotEqual(t, order(t, someCode, 1), order(t, someCode, 2))
	require.ElementsMatch(t, order(t, someCode, 1), order(t, someCode, 2))
}

// A sample can be compared with an older one though lines were added.
func TestSampleDoesNotDependOnLines(t *testing.T) {
	const moved = "// A comment.\n\n" + someCode + "\nfunc other() {}\n"
	require.Equal(t, order(t, someCode, 1), order(t, moved, 1))
}

// The same change twice in a function is two mutants, which are told apart.
func TestSameChangeTwice(t *testing.T) {
	mutants, err := mutate("b.go", []byte("package b\n\nfunc f() {\n\tn++\n\tn++\n\tn++\n}\n"))
	require.NoError(t, err)
	var names []string
	for _, m := range mutants {
		names = append(names, m.function)
	}
	require.Equal(t, []string{"f", "f#2", "f#3"}, names)
}
