package p11server

import "vtoken/vtoken/p11rpc"

// Serves reports whether a call is served. Other calls are answered with
// CKR_FUNCTION_NOT_SUPPORTED.
func Serves(id p11rpc.CallID) bool {
	return id == p11rpc.CallInitialize || id == p11rpc.CallFinalize || id.Valid() && routes[id].run != nil
}
