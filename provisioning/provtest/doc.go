// Package provtest is for tests of packages above the provisioning core. It has a store in
// memory that behaves as the contract of provisioning.Store allows, more harshly than the
// real one usually does: it runs every update twice, discards the first, and fails on
// request. [Run] is the suite that every such store must pass.
package provtest
