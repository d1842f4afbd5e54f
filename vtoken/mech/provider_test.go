package mech_test

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"vtoken/vtoken/mech"
	"vtoken/vtoken/mech/libcrypto"

	"github.com/stretchr/testify/require"
)

// providerName is the provider that the tests of this package use.
var providerName = flag.String("provider", "both", "go, libcrypto, or both one after the other")

// sameWithAll are tests that take long and have nothing to do with providers: they
// are run with the first one only, unless -skip is given.
const sameWithAll = "SLHDSA|Streams"

// TestMain runs the tests with each provider.
func TestMain(m *testing.M) {
	flag.Parse()
	names := []string{*providerName}
	if *providerName == "both" {
		names = []string{"go", "libcrypto"}
	}
	status := 0
	for i, name := range names {
		fmt.Println("with the provider", name)
		set("provider", name)
		if i > 0 && flag.Lookup("test.skip").Value.String() == "" {
			set("test.skip", sameWithAll)
		}
		status = max(status, m.Run())
	}
	os.Exit(status)
}

func set(name, value string) {
	if err := flag.Set(name, value); err != nil {
		panic(err)
	}
}

// provider is the one that the tests are run with.
func provider(t testing.TB) mech.Provider {
	t.Helper()
	if *providerName == "go" {
		return mech.Go{}
	}
	p, err := libcrypto.Open()
	require.NoError(t, err)
	return p
}
