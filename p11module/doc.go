// Command p11module is the PKCS#11 module: a shared library that applications
// load and that asks the daemon for everything. It holds no keys and decides
// nothing.
//
// # Layers
//
// C front (front.c, interfaces.c, image.c and the generated zfront.c): the 104
// functions of PKCS#11 2.40 to 3.2, which refuse null pointers and calls
// before C_Initialize, and hand over. Go edge (edge.go, convert.go and the
// generated zedge.go): converts host memory to values of package ck, calls the
// client in package remote, and converts back. mechanism.go maps each kind of
// parameter in the table of package ck to what reads its C form. No package below has
// seen a C pointer.
//
// The table of functions is in tools/gen/cryptoki. After a change of it:
//
//	go generate ./p11module
//
// # Building
//
// From the root of the repository:
//
//	go build -buildmode=c-shared -trimpath -o bin/vtoken-pkcs11.so \
//	    -ldflags="-s -w -extldflags '-Wl,--version-script=$PWD/p11module/exports.map -Wl,-Bsymbolic -Wl,-z,nodelete'" \
//	    ./p11module
//
// The version script makes the library export the functions of the table and
// nothing else. Some hosts resolve them by name (Nitrokey/nethsm-pkcs11#231). The path
// of the script must be absolute, since the linker runs elsewhere. -Bsymbolic makes the
// library call its own functions also where a host has another PKCS#11 library in its
// global scope, which the copy for a forked child depends on. A Go runtime cannot be unloaded, so nodelete makes dlclose keep the
// library; loading it again is then free. (Go's linker passes both by itself; we
// say so because we depend on it.)
//
// # Loading does nothing
//
// Loading maps one page, registers a fork handler and asks the system which file this
// is (realpath, stat), and the Go runtime starts its threads and reads the limits of the
// machine. We open no file and no socket and read no environment variable before
// C_Initialize, because an agent that loads a library to look at it must not run it
// (CVE-2023-38408).
//
// # Fork
//
// A forked child has the memory of its parent and one thread, so the Go runtime
// in it is dead. The front knows a child by a page that the kernel wipes on fork.
// There it closes the inherited sockets without writing to them, since two processes would
// mix their frames, and answers CKR_CRYPTOKI_NOT_INITIALIZED as PKCS#11 asks. When the
// child calls C_Initialize, the front copies the library's own file into memory, loads
// that copy as another library with a fresh Go runtime, and hands every call to it. The
// pointers that the host got before the fork stay good. To the daemon the child is
// another application, with sessions and logins of its own. Where the parent ever had a
// daemon, the first calls of the child wait for one that is away, as those of the parent do:
// a server that forks a worker in that moment would have one without keys for good. A child
// of a child gets a copy of its own. A child that never calls C_Initialize pays nothing.
//
// The copy is made of the very file that was loaded. Its path, made absolute and free of
// links, its device and its inode are taken while the library is loaded; a descriptor or
// a path is used only where device and inode are still those. They are enough, because
// the mapping of the library keeps the inode from being used again. From C_Initialize to
// C_Finalize the file is held open, so that children work after an upgrade has replaced
// it. Where it was replaced and is not open, because the host had not called
// C_Initialize before or has closed all descriptors, C_Initialize in the child answers
// CKR_FUNCTION_FAILED: the process has to be started again. (/proc/self/map_files would
// lead to the replaced file, for root only; a part of the hosts is not worth a second
// way.)
//
// # Choices where PKCS#11 leaves one
//
//   - C_GetInterface without a version answers the interface 3.0, for programs that
//     know of no later one, such as OpenSC's spy. The functions of 3.2 are in the
//     interface 3.2, which a program asks for by its version.
//   - A C_SignInit like one that the daemon accepted before is answered at once
//     and sent with the C_Sign that follows: should the daemon refuse it after
//     all, C_Sign has its code.
//   - Without a daemon C_Initialize succeeds and there are no slots, and calls that
//     need one answer CKR_DEVICE_REMOVED. A daemon that comes later is found. When
//     the daemon is restarted, sessions and logins stay (package remote, "When the
//     daemon is away").
//   - The mutex callbacks of C_Initialize and the callback of C_OpenSession are
//     never called: the library locks with the system's means, and has nothing to
//     tell. Mutex callbacks without CKF_OS_LOCKING_OK are CKR_CANT_LOCK.
//   - Data of any size go in one call where the mechanism takes them: those of more than 16
//     MiB go to the daemon in parts, also from C_Digest, C_Sign, C_Verify, C_Encrypt and
//     C_Decrypt, and such a call is not made again after a crash of the daemon. What has its
//     output at the end has limits (section Mechanisms). C_EncryptMessage, C_DecryptMessage
//     and C_SignRecover with more than 16 MiB are CKR_DATA_LEN_RANGE, which ends the message or
//     the operation.
//   - The value of an attribute has at most 1 MiB (1,048,576 bytes), and one of more is
//     CKR_ATTRIBUTE_VALUE_INVALID.
//   - dlclose leaves the library where it is, since a Go runtime cannot end.
//   - There are no validation objects, so that C_GetSessionValidationFlags answers
//     no flags, and no asynchronous sessions.
//
// # Memory and threads
//
// The Go runtime is told to collect early, because a host has little use for
// megabytes of its garbage. Its threads never call into the host, so a host that
// forbids the library to make threads, as NSS does, is served. What it leaves in a host
// for good, C_Finalize or not: its threads, the handlers of SIGSEGV, SIGBUS,
// SIGFPE, SIGPIPE and SIGURG, and from its first rest on two descriptors (epoll,
// eventfd), closed on exec.
//
// The handlers hand on what is not Go's: it ends the host, or reaches the handler
// that the host had before, as if there were no library. SIGURG does not: the runtime
// sends it to its own threads and takes all that come. A host with a handler for that
// sets it after its first C_Initialize, and then may hear of a few that nobody sent.
// Handlers of other signals that the host has when it loads the library get
// SA_ONSTACK, because a signal may come on a thread of the runtime's, whose stack is
// small; one that is set later has to have it.
package main

//go:generate go run vtoken/tools/gen/cedge -dir .
