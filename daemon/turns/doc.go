// Package turns shares the processors between owners with slow work: key pairs, PIN checks,
// imports, signatures with large keys.
//
// Slow work waits in a [Queue] for its turn. Each owner (an OS user, an API credential) has
// its own line, and the next turn goes to the owner that has used the processors least. So it
// does not matter how much work an owner has, nor on how many connections: the first piece of
// work of another owner waits only for turns that are running.
//
// While several owners are active, there are fewer turns than processors, so that quick work,
// which does not wait here, always finds a processor. Turns are not preempted, but work with
// many steps pauses between them ([Queue.Do]), and then others go first. If a single step
// takes long, another owner is admitted beside it.
//
// The queue does not know what the work is.
package turns
