// Package resume keeps what an application needs to go on after the daemon crashed: a record
// of its logins, and who it is.
//
// An application proves that it is the one of the record in two ways. The kernel says which
// process is at the other end of the socket: user, process id, and when the process started,
// all since the same boot. And the process shows its ticket, a secret of 32 bytes that its
// PKCS#11 library made at C_Initialize. So neither another process of the user, nor a child
// after fork, nor a process that got the same id has a use for the record.
//
// A record is one file in a folder of the daemon's beside its socket, in /run, and not a
// record of the store: it has to survive the daemon and not the machine, because no process
// survives that. So nothing waits for the disk, the store does not grow with logins, and a
// reboot ends all of them. It is written before the login is acknowledged, and changed or
// removed before the end of a login is. If it cannot be written again, it is removed.
//
// The file is sealed under a key of the store, for the id of the application. It has a hash
// of the ticket. The key of a PIN-bound token is sealed once more to a public key that is
// made of the ticket, so that only the application itself brings what opens it; the daemon
// does not keep the ticket.
//
// What a record cannot tell is whether it is the latest one. Who may write to the folder, as
// root and the user of the daemon may, can put back an earlier record of a process that
// still runs, and gives it its login back after a logout. The engine checks everything else
// again: the PIN is the one of the login and is not locked, and the token is there, usable
// and one of the process's user (Client.Resume).
package resume
