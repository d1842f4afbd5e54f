package mech

import (
	"time"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
)

// Stateful is an ability of the [Signer] and [Verifier] of a mechanism whose
// result depends on the moment: on an attribute of the key that each use moves
// on, or on the time (CKM_HOTP). A [Descriptor] with Stateful set makes them.
type Stateful interface {
	// Advance is called between the last Update and Final. It is given the key's
	// attributes of this moment and the time, and returns the attributes that the
	// use changes, or none. The engine commits these before it calls Final, so
	// that nothing is given out twice whatever happens. Advance may be called
	// more than once; what it was last called with counts.
	Advance(key object.Set, now time.Time) (ck.Template, error)
}
