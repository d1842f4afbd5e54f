// Package provtest is for tests of what stands on the provisioning core: a store
// in memory that behaves as the contract of provisioning.Store allows, which is
// harsher than the real one is on most days. It runs every update twice and
// throws the first away, and fails when told to. [Run] is the suite that every
// such store has to pass.
package provtest
