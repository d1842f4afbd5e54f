package continuity

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	// lowLimit is a limit of calls that a freeze exceeds.
	lowLimit = 2 * time.Second
	// longFreeze is longer than two calls in a row may take.
	longFreeze = 2*lowLimit + 500*time.Millisecond
)

// runBeyondLimit freezes the daemon for longer than a call may take. The calls that run into
// the limit answer CKR_DEVICE_REMOVED, and cost nothing else: the program goes on in the same
// session, without a PIN.
func (p program) runBeyondLimit(t *testing.T) {
	s := newStage(t)
	s.env["VTOKEN_P11_TIMEOUT"] = lowLimit.String()
	work := newTraffic(p.start(s))
	defer work.stop()
	work.await(t, "before")
	work.excuse(t, false)
	known := s.logins()
	work.next()
	require.NoError(t, s.daemon.Freeze(longFreeze))
	work.next()
	work.await(t, "after")
	failures := work.failures()
	require.NotEmpty(t, failures, "no call ran into the limit")
	for _, err := range failures {
		require.ErrorAs(t, err, new(during))
		require.ErrorContains(t, err, "CKR_DEVICE_REMOVED")
	}
	require.Equal(t, known, s.logins(), "logins")
}
