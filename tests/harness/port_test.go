package harness

import (
	"net"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestHoldPort: a daemon listens at a port that is held for it, and its port is held again
// when it has ended.
func TestHoldPort(t *testing.T) {
	port, err := FreePort()
	require.NoError(t, err)
	for range 2 {
		held := holdPort(strconv.Itoa(port))
		require.NotNil(t, held)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		require.NoError(t, err)
		require.Nil(t, holdPort(strconv.Itoa(port)), "it is in use")
		require.NoError(t, held.Close())
		require.NoError(t, l.Close())
	}
	require.Nil(t, holdPort("0"))
}
