// Command vtokend is the daemon of vtoken: it keeps the keys, serves
// applications over the PKCS#11 socket and administrators over the admin socket
// and HTTPS.
//
// This package only connects the parts: it reads the configuration, opens the
// store, makes the engine and the provisioning core on it, and starts the servers.
// Each part declares what it needs of others as interfaces; the adapters between
// them are in store.go.
//
// # Start and stop
//
// The daemon is ready when all sockets accept. It then prints one line to
// standard output:
//
//	vtokend ready: p11=PATH admin=PATH [api=URL]
//
// and tells the service manager (package daemon/service). It stops on SIGTERM and SIGINT
// within 5 seconds. The log goes to standard error.
//
// Listening sockets that the service manager passes (FileDescriptorName= p11, admin and api)
// are used instead of making them (sockets.go). Their files, modes and owners are left alone.
//
// # Another configuration
//
// On SIGHUP the daemon reads its configuration again (reload.go). First it does what can fail:
// it checks the configuration, reads certificates, finds the group, makes the dialects, and
// reserves the lines of the audit log. Then it applies all of it, which cannot fail. So a
// configuration that is wrong changes nothing. Connections and sessions go on. No SIGHUP ends
// the daemon, not even one that comes while it starts: main ignores them first, and the ones
// that come while the store is opened are one reload when the daemon is ready.
//
// # Secrets in memory
//
// Private RSA and EC keys are in libcrypto's memory, which is overwritten when it is freed
// (package vtoken/mech/libcrypto). For the rest, the daemon first restarts itself in the same
// process with GODEBUG=clobberfree=1, which makes Go's garbage collector overwrite what it
// frees, and runs the collector soon after each logout and each API request (package
// daemon/process). asyncpreemptoff=1 keeps registers off the stacks of signals. Work on
// secrets in Go runs on stacks that are cleared (secret.OnOwnStack). docs/threat-model.md
// says what is left.
//
// # Without sockets
//
// "vtokend restore FILE" makes the store of the data folder from a backup, "vtokend check"
// authenticates every record of it, "vtokend audit-verify" checks every line of the audit
// log, and "vtokend accept-rollback" accepts a store that is older than its counter (package
// keystore); "restore FILE --accept-rollback" does so for a backup. All take the daemon's
// flags after that, and need exclusive access to the folder.
//
// # Exit status
//
//	0  stopped as asked
//	1  could not start or go on; the log says why
//	2  bad flags or configuration
//	3  the store is there, and no KEK opens it
//	4  the store is an older copy, or the counter that tells cannot be asked; or it is
//	   missing, or another one than before
package main
