package mech_test

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"vtoken/vtoken/mech"
	"vtoken/vtoken/mech/libcrypto"
)

// providerName is the provider that the tests of this package use.
var providerName = flag.String("provider", "both", "go, libcrypto, or both one after the other")

// TestMain runs all tests with each provider.
func TestMain(m *testing.M) {
	flag.Parse()
	names := []string{*providerName}
	if *providerName == "both" {
		names = []string{"go", "libcrypto"}
	}
	status := 0
	for _, name := range names {
		fmt.Println("with the provider", name)
		if err := flag.Set("provider", name); err != nil {
			panic(err)
		}
		status = max(status, m.Run())
	}
	os.Exit(status)
}

// provider is the one that the tests are run with.
func provider(t testing.TB) mech.Provider {
	t.Helper()
	if *providerName == "go" {
		return mech.Go{}
	}
	p, err := libcrypto.Open()
	if err != nil {
		t.Fatal(err)
	}
	return p
}
