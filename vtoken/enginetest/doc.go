// Package enginetest has an in-memory store for tests of whatever stands on the
// engine. It keeps nothing, but is as strict as the keystore: updates are atomic
// and may run their closure more than once, changes are told in the order of
// commits before Update returns, secrets come only from OpenSecret, and any
// update or read can be made to fail.
package enginetest
