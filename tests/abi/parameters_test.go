package abi

import "testing"

// TestParameters: structures that are the parameters of mechanisms arrive, and
// what the mechanisms make of them is what was published.
func TestParameters(t *testing.T) {
	p := startPeer(t)
	run(t, p.environment(), host(t, "parameters"), module(t))
}
