package version_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/version"
)

func TestVersion(t *testing.T) {
	require.Regexp(t, `^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$`, version.String())
	require.Regexp(t, `^`+version.Library().String()+`\.\d+$`, version.String())
	require.Equal(t, "vtokend v"+version.String(), version.Line("vtokend"))
}
