package p11rpc

import (
	"errors"
	"fmt"
)

// MaxVersion is the newest version of p11-kit's protocol that this package speaks;
// see [Extended] for our own.
const MaxVersion = 2

// Magic is the first argument of C_Initialize. A server refuses another one.
const Magic = "PRIVATE-GNOME-KEYRING-PKCS11-PROTOCOL-V-1"

// Limits of what one frame may hold. A peer that goes beyond one is cut off.
const (
	// MaxBody bounds the body of a frame in bytes: 16 MiB. Our client makes several requests
	// of a call with more data.
	MaxBody = 16 << 20
	// MaxOptions bounds the options of a frame in bytes. The stock client sends
	// the name of its module there, and everybody ignores it.
	MaxOptions = 64 << 10
	// MaxAttributes bounds the attributes of one template. The attributes of a
	// nested template are bounded by ck.MaxNested.
	MaxAttributes = 1024
)

// ErrMalformed is wrapped by every error about bytes that are not the protocol.
// The connection that they came from cannot be used any more.
var ErrMalformed = errors.New("malformed p11-kit RPC message")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}
