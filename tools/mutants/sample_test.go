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

// The same change twice in a function is two mutants, with places of their own.
func TestSameChangeTwice(t *testing.T) {
	const twice = "package b\n\nfunc f() {\n\tn++\n\tn++\n}\n"
	mutants, err := mutate("b.go", []byte(twice))
	require.NoError(t, err)
	require.Len(t, mutants, 2)
	require.Equal(t, mutants[0].key(), mutants[1].key())
	got := sample(mutants, 1)
	require.ElementsMatch(t, []int{4, 5}, []int{got[0].line, got[1].line})
}
