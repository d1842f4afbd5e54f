//go:build !cgo

package p11hsm

import (
	"context"
	"fmt"

	"vtoken/keystore/kek"
)

// Modules are none in this build.
type Modules struct{}

// Open explains that this build cannot load PKCS#11 modules.
func (*Modules) Open(_ context.Context, uri kek.URI, _ kek.Env) (kek.Provider, error) {
	if _, err := parse(uri); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("%w: this vtokend was built without cgo and cannot load PKCS#11 modules; build it with CGO_ENABLED=1", kek.ErrUnavailable)
}
