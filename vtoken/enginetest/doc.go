// Package enginetest is for tests of what stands on the engine: a store in memory that is as
// strict as the keystore. Updates are atomic and may run their closure more than once,
// changes are told in the order of commits before Update returns, secrets come only from
// OpenSecret, and any update or read can be made to fail. [Run] is the suite that every store
// of the engine has to pass; the keystore passes it as well.
package enginetest
