package vtoken_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/enginetest"
	"vtoken/vtoken/record"
)

// BenchmarkHandOver is a planned restart with 1,000 applications of 100 users, which have 5,000
// sessions, all logged in, a fifth of them with a signature in the middle. What it does not
// have is the store's own time.
func BenchmarkHandOver(b *testing.B) {
	w := &world{t: b, store: enginetest.New()}
	w.restart()
	var old []*vtoken.Client
	for i := range 100 {
		uid, user := uint32(5000+i), record.UserID(fmt.Sprint("user", i))
		w.store.MapUser(uid, user)
		token, err := w.store.AddToken(user, "card", userPIN, soPIN)
		require.NoError(b, err)
		var priv ck.ObjectHandle
		for j := range 10 {
			c := w.engine.Connect(peerOf(uid))
			for k := range 5 {
				h, err := c.OpenSession(token.Slot, rw)
				require.NoError(b, err)
				if k > 0 {
					continue
				}
				require.NoError(b, c.Login(h, ck.CKU_USER, pinOf(userPIN)))
				if j == 0 {
					_, priv = w.ecPair(c, h, true)
				}
				require.NoError(b, c.SignInit(h, ck.Mechanism{Type: ck.CKM_ECDSA_SHA256}, priv))
				require.NoError(b, c.SignUpdate(h, make([]byte, 1000)))
			}
			old = append(old, c)
		}
	}
	var size int
	var saving, restoring time.Duration
	for b.Loop() {
		var apps [][]byte
		size = 0
		began := time.Now()
		for _, c := range old {
			state, err := c.Save()
			require.NoError(b, err)
			bytes, err := state.MarshalBinary()
			require.NoError(b, err)
			state.Wipe()
			apps, size = append(apps, bytes), size+len(bytes)
		}
		common := w.engine.Save()
		saved := time.Now()
		e, err := vtoken.New(storeOf(w.store), vtoken.Options{})
		require.NoError(b, err)
		require.NoError(b, e.RestoreState(common))
		for i, bytes := range apps {
			var state vtoken.ClientState
			require.NoError(b, state.UnmarshalBinary(bytes))
			_, err := e.Restore(peerOf(uint32(5000+i/10)), state)
			require.NoError(b, err)
			state.Wipe()
		}
		saving, restoring = saving+saved.Sub(began), restoring+time.Since(saved)
	}
	b.ReportMetric(saving.Seconds()*1000/float64(b.N), "ms-saving")
	b.ReportMetric(restoring.Seconds()*1000/float64(b.N), "ms-restoring")
	b.ReportMetric(float64(size), "bytes")
}
