// Package turns shares the processors between those who ask for slow work: key pairs,
// PIN checks, imports, signatures with large keys.
//
// Slow work waits in a [Queue] for its turn. Each owner (an OS user, a credential of an
// API) has a line of its own, and the next turn goes to the owner who has had the
// processors for the shortest time. So it does not matter how much an owner asks for, nor
// on how many connections: somebody who asks for one thing waits for the turns that run,
// and not for those that wait.
//
// There are fewer turns than processors while several owners are about, so that quick work,
// which does not wait here, always finds a processor. A turn cannot be taken away, but work
// that takes long in many steps pauses between them ([Queue.Do]), and then others go first.
// Where somebody's step itself takes long, another owner is let in beside it.
//
// The queue knows nothing of what is done in a turn.
package turns
