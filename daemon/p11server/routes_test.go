package p11server

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/p11rpc"
)

// Other calls of a connection do not wait for one that waits itself, hashes a PIN, makes a key
// or writes to the disk; nor, with a key that takes long, for one that computes with it. Calls
// that get PINs or keys in the clear run on a stack that is cleared.
func TestKindsOfCalls(t *testing.T) {
	var (
		waits    = regexp.MustCompile(`^C_(WaitForSlotEvent|CloseAllSessions)$|^Resume$`)
		pins     = regexp.MustCompile(`^C_(Login|LoginUser|InitPIN|SetPIN|InitToken2?)$`)
		logout   = regexp.MustCompile(`^C_Logout$`)
		newKeys  = regexp.MustCompile(`^C_(GenerateKey|GenerateKeyPair|UnwrapKey|DeriveKey2?|EncapsulateKey|DecapsulateKey)$`)
		copies   = regexp.MustCompile(`^C_(CreateObject|CopyObject)$|^RestoreObject$`)
		wrapping = regexp.MustCompile(`^C_WrapKey(Authenticated)?$`)
		writes   = regexp.MustCompile(`^C_(DestroyObject|SetAttributeValue)$`)
		byKey    = regexp.MustCompile(`^C_((Sign|Verify|Decrypt)(Final)?|(Sign|Verify)Message(Next)?|SignRecover)$`)
	)
	is := func(name string, kinds ...*regexp.Regexp) bool {
		for _, kind := range kinds {
			if kind.MatchString(name) {
				return true
			}
		}
		return false
	}
	for call, r := range routes {
		name := p11rpc.CallID(call).String()
		if r.run == nil {
			require.Equal(t, route{}, r, name)
			continue
		}
		require.Equal(t, is(name, waits, pins, logout, newKeys, copies, writes), r.slow, "%s is slow", name)
		require.Equal(t, is(name, byKey), r.byKey, "%s is slow with some keys", name)
		require.Equal(t, is(name, pins, newKeys, copies, wrapping), r.secret, "%s handles secrets", name)
	}
}
