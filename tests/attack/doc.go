// Package attack plays the hostile neighbour: real programs under several OS users,
// API keys of every role, and frames made by hand. Each test attacks a running daemon
// in one way and asks that everybody else notices nothing.
//
// An attacker that needs the identity of another OS user is a function of this package.
// The test program starts itself again under that uid and runs the function
// (see attackers), so that the kernel vouches for it as it would for a stranger.
//
// Tests run in `make test`. Those that get better with time read ATTACK_TIME, which
// `make soak` sets.
package attack
