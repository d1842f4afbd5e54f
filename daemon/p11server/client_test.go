package p11server

import "vtoken/vtoken"

// The engine's client is what the server serves.
var _ Client = (*vtoken.Client)(nil)
