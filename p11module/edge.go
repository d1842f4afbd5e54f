// The runtime is not to follow the limits of a container: it would hold two
// files open in the host for that.
//
//go:debug containermaxprocs=0
//go:debug updatemaxprocs=0

package main

// #cgo CFLAGS: -std=gnu11 -Wall -O2
// #include <stdlib.h>
// #include "cryptoki.h"
// #include "front.h"
import "C"

import (
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"vtoken/p11module/remote"
	"vtoken/vtoken/ck"
)

// main is never called: the library is entered through its functions.
func main() {}

// state is what C_Initialize makes and C_Finalize takes away. A C function has
// nowhere else to find it, so it is the one variable of this package.
var state struct {
	changing sync.Mutex // one C_Initialize or C_Finalize at a time
	tuned    sync.Once  // the runtime, at the first C_Initialize
	client   atomic.Pointer[remote.Client]
}

const notInitialized = C.CK_RV(ck.CKR_CRYPTOKI_NOT_INITIALIZED)

// client is nil where the library is not initialized.
func client() *remote.Client { return state.client.Load() }

// garbage is the growth of the heap, in percent, at which the runtime collects.
const garbage = 25

// tuneRuntime fits the Go runtime to a guest's life. A host's thread that comes
// back from waiting needs one of the runtime's processors at once, or it is put
// to sleep again; two for each of the machine's are enough (20,000 signatures a
// second from 8 threads on 2 processors grow to 24,000), and each costs memory.
func tuneRuntime() {
	const least, most = 4, 16
	debug.SetGCPercent(garbage)
	processors := min(most, max(least, 2*runtime.NumCPU()))
	runtime.GOMAXPROCS(processors)
	makeThreads(processors)
}

// makeThreads has the runtime make its threads now. It keeps a thread that it made
// and takes one that is idle before it makes another: so the host has as many
// threads after its first C_Initialize as after its thousandth.
func makeThreads(n int) {
	var here, done sync.WaitGroup
	leave := make(chan struct{})
	here.Add(n)
	for range n {
		done.Go(func() {
			runtime.LockOSThread() // one for each, as long as it waits here
			here.Done()
			<-leave
			runtime.UnlockOSThread()
		})
	}
	here.Wait()
	close(leave)
	done.Wait()
}

//export vtokenInitialize
func vtokenInitialize() (rv C.CK_RV) {
	defer recoverTo("C_Initialize", &rv)
	state.changing.Lock()
	defer state.changing.Unlock()
	if client() != nil {
		return C.CK_RV(ck.CKR_CRYPTOKI_ALREADY_INITIALIZED)
	}
	state.tuned.Do(tuneRuntime)
	o := remote.FromEnvironment(getenv)
	o.Descriptors = descriptors{}
	o.HadDaemon, o.Connected = C.front_had_daemon() != 0, func() { C.front_note_daemon() }
	c := remote.New(o)
	state.client.Store(c)
	C.front_set_ready(1)
	if t := c.Trace(); t != nil {
		t.Call("C_Initialize", nil)
	}
	return C.CKR_OK
}

//export vtokenFinalize
func vtokenFinalize() (rv C.CK_RV) {
	defer recoverTo("C_Finalize", &rv)
	state.changing.Lock()
	defer state.changing.Unlock()
	c := client()
	if c == nil {
		return notInitialized
	}
	C.front_set_ready(0)
	state.client.Store(nil)
	c.Close()
	if t := c.Trace(); t != nil {
		t.Call("C_Finalize", nil)
		t.Close()
	}
	return C.CKR_OK
}

// code is the CK_RV of err.
func code(err error) C.CK_RV {
	if err == nil {
		return C.CKR_OK
	}
	return C.CK_RV(ck.CodeOf(err))
}

// fail is the end of a call whose arguments could not be converted.
func fail(c *remote.Client, name string, err error) C.CK_RV {
	if t := c.Trace(); t != nil {
		t.Call(name, err)
	}
	return code(err)
}

// refuse is fail for a call whose errors end an operation: that one is ended.
func refuse(c *remote.Client, name string, h C.CK_SESSION_HANDLE, err error) C.CK_RV {
	c.Refuse(ck.SessionHandle(h), name)
	if t := c.Trace(); t != nil {
		t.Call(name, err, remote.Number("hSession", uint64(h)))
	}
	return code(err)
}

var errNull = ck.Errorf(ck.CKR_ARGUMENTS_BAD, "a null pointer in place of memory; the operation has ended")

// vtokenBadArguments is the end of a call whose errors end an operation, and which the front
// refuses.
//
//export vtokenBadArguments
func vtokenBadArguments(hSession C.CK_SESSION_HANDLE, function *C.char) (rv C.CK_RV) {
	c := client()
	if c == nil {
		return notInitialized
	}
	name := C.GoString(function)
	defer recoverTo(name, &rv)
	return refuse(c, name, hSession, errNull)
}

// tellsLength reports whether a call tells the length of its output.
func tellsLength(err error) bool {
	return err == nil || ck.CodeOf(err) == ck.CKR_BUFFER_TOO_SMALL
}

// recoverTo turns a panic into CKR_GENERAL_ERROR: a mistake of ours must not end
// the host.
func recoverTo(name string, rv *C.CK_RV) {
	if p := recover(); p != nil {
		panicked(name, p, rv)
	}
}

// recoverIn is recoverTo for a call whose errors end an operation.
func recoverIn(name string, h C.CK_SESSION_HANDLE, rv *C.CK_RV) {
	if p := recover(); p != nil {
		panicked(name, p, rv)
		if c := client(); c != nil {
			c.Refuse(ck.SessionHandle(h), name)
		}
	}
}

func panicked(name string, p any, rv *C.CK_RV) {
	*rv = C.CKR_GENERAL_ERROR
	if c := client(); c != nil {
		if t := c.Trace(); t != nil {
			t.Panic(name, p, debug.Stack())
		}
	}
}

// getenv asks C, which knows of variables that the host has set since it was
// started and of programs that must not listen to them.
func getenv(name string) string {
	n := C.CString(name)
	defer C.free(unsafe.Pointer(n))
	return C.GoString(C.front_getenv(n))
}

// descriptors are sockets that the front closes in a forked child.
type descriptors struct{}

func (descriptors) Open() (int, error) {
	var errno C.int
	fd := C.front_socket_open(&errno)
	if fd < 0 {
		return -1, syscall.Errno(errno)
	}
	return int(fd), nil
}

func (descriptors) Close(fd int) { C.front_socket_close(C.int(fd)) }

func (descriptors) Forget(fd int) { C.front_socket_forget(C.int(fd)) }
