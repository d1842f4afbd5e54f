// Package kv is the storage below the keystore: flat ordered keys and
// byte values, read in consistent snapshots and changed in atomic, durable
// updates. It knows nothing of what the bytes mean.
//
// There are two layers. An [Engine] is what a storage engine offers; the
// folders beside this file are the engines, and package kvtest the suite that
// each of them passes. [Group] puts one [DB] on top of an engine: it lets
// updates that arrive together share one commit, because a commit costs a
// write to stable storage and its price does not depend on how much it holds.
//
// # Group commit
//
// The first update that finds no commit under way becomes the leader: it takes
// all updates that wait, runs their closures one after the other in one
// transaction of the engine, and commits. A lone writer thus waits for nobody,
// and updates that arrive during a commit share the next one. A closure that
// fails is undone by itself, and its neighbours go on. A commit that fails
// fails all that were in it, and changes nothing.
//
// A closure normally runs once, but an engine whose transactions can collide
// may run it again, so it has no effect but through its transaction.
package kv
