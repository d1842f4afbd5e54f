package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
)

// Every kind of parameter has something that reads it from C.
func TestEveryKindHasAReader(t *testing.T) {
	for kind := range ck.NumParameterKinds {
		require.NotNil(t, readers[kind], "no reader for %v", kind)
	}
}
