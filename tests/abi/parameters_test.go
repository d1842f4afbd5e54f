package abi

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestParameters: structures that are the parameters of mechanisms arrive, and
// what the mechanisms make of them is what was published. The modern policy does
// not offer all of them.
func TestParameters(t *testing.T) {
	p := startPeer(t)
	out, err := p.Vtoken("token", "list", "-o", "json")
	require.NoError(t, err)
	var tokens []struct{ ID string }
	require.NoError(t, json.Unmarshal([]byte(out), &tokens), out)
	require.Len(t, tokens, 1)
	_, err = p.Vtoken("token", "policy", tokens[0].ID, "legacy")
	require.NoError(t, err)
	run(t, p.environment(), host(t, "parameters"), module(t))
}

// TestOneTimePasswords: CK_OTP_PARAMS arrives, and CK_OTP_SIGNATURE_INFO lies where
// the host wants it.
func TestOneTimePasswords(t *testing.T) {
	p := startPeer(t)
	run(t, p.environment(), host(t, "otp"), module(t))
}
