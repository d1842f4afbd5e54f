package abi

import (
	"testing"

	"vtoken/tests/harness"
)

// TestFinalizeLetsGo: C_InitToken right after C_Finalize finds no session, in the same process
// and in another, also where the host has closed the sockets of the library.
func TestFinalizeLetsGo(t *testing.T) {
	p := startPeer(t)
	run(t, p.environment("SO_PIN="+harness.SOPIN), host(t, "finalize"), module(t), "60")
}
