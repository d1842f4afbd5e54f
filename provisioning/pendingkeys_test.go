package provisioning_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/provisioning/dialect/dialecttest"
)

// Keys whose time is over do not count among those that wait, also before they are swept, and
// neither do keys that got their certificate.
func TestPendingKeysThatCount(t *testing.T) {
	w := newWorld(t)
	const most = 16
	var last provisioning.CSR
	for range most {
		last = w.ecRequest("alice")
	}
	next := func() error {
		_, err := w.core.GenerateCSR(t.Context(), w.admin, w.tenant, "alice",
			provisioning.NewCSR{Subject: "CN=x", Curve: "P-256"})
		return err
	}
	wantKind(t, next(), provisioning.Conflict)

	signed := dialecttest.Certify(t, string(requestPEM(last)))
	_, err := w.core.StoreCertificate(t.Context(), w.admin, w.ref, last.Key.ID, signed)
	require.NoError(t, err)
	require.NoError(t, next(), "one key is on a token")
	wantKind(t, next(), provisioning.Conflict)

	w.now = w.now.Add(provisioning.PendingLifetime - time.Nanosecond)
	wantKind(t, next(), provisioning.Conflict)
	w.now = w.now.Add(time.Nanosecond)
	for range most {
		require.NoError(t, next(), "the old keys expired")
	}
	wantKind(t, next(), provisioning.Conflict)
}
