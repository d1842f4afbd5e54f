//go:build !cgo

package libcrypto

import (
	"errors"

	"vtoken/vtoken/mech"
)

// ErrAbsent is returned by [Open] where the program was built without cgo.
var ErrAbsent = errors.New("this program was built without cgo, so libcrypto is not in it")

// Provider is what [Open] never returns in this build.
type Provider struct{ mech.Go }

// Open fails with [ErrAbsent].
func Open() (*Provider, error) { return nil, ErrAbsent }

// Locked reports false.
func (*Provider) Locked() bool { return false }

// Wipes reports false.
func (*Provider) Wipes() bool { return false }
