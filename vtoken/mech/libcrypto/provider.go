//go:build cgo

package libcrypto

// #cgo CFLAGS: -O2 -DOPENSSL_SUPPRESS_DEPRECATED
// #cgo LDFLAGS: -lcrypto
// #cgo noescape vt_rsa_private
// #cgo nocallback vt_rsa_private
// #cgo noescape vt_rsa_sign
// #cgo nocallback vt_rsa_sign
// #cgo noescape vt_rsa_pss
// #cgo nocallback vt_rsa_pss
// #cgo noescape vt_rsa_oaep
// #cgo nocallback vt_rsa_oaep
// #cgo noescape vt_ec_sign
// #cgo nocallback vt_ec_sign
// #cgo noescape vt_ec_agree
// #cgo nocallback vt_ec_agree
// #include "crypto.h"
import "C"

import (
	"errors"
	"unsafe"

	"vtoken/vtoken/mech"
)

// secureHeap is the size of the heap for private numbers, in bytes: a thousand RSA
// keys of 2048 bits, or tens of thousands on P-256. Keys beyond it are in
// ordinary memory, which is wiped too, but locked only where all memory is. It is
// half of what Linux lets a process lock without privileges.
const secureHeap = 4 << 20

// ErrAbsent is returned by [Open] where the program was built without cgo.
var ErrAbsent = errors.New("this program was built without cgo, so libcrypto is not in it")

// errFailed is the error of an operation. Why it failed is not told: a reason may
// depend on secrets.
var errFailed = errors.New("libcrypto failed")

// Provider is libcrypto, which is one in a process. What it has no use for is
// done by mech.Go.
type Provider struct {
	mech.Go
	state C.int
}

// Open sets libcrypto up. It is called before anything else in the process uses
// libcrypto; later calls return the same.
func Open() (*Provider, error) {
	return &Provider{state: C.vt_begin(secureHeap)}, nil
}

// Locked reports whether the heap of private numbers is locked in memory.
func (p *Provider) Locked() bool { return p.state == 1 }

// Wipes reports whether libcrypto's memory is overwritten when it is freed. It is
// not where something in the process was quicker to use libcrypto.
func (p *Provider) Wipes() bool { return p.state != 0 }

// view lends b to C for one call.
func view(b []byte) C.bytes {
	return C.bytes{at: (*C.uchar)(unsafe.SliceData(b)), len: C.int(len(b))}
}

// first is where b begins. b is not empty.
func first(b []byte) *C.uchar { return (*C.uchar)(unsafe.SliceData(b)) }
