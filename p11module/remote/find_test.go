package remote

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// serveSearch makes the fake find objects 1 to total.
func serveSearch(d *fakeDaemon, total uint64) {
	var next uint64
	active := false
	d.handle(func(f *fakeConn, code uint32, call p11rpc.CallID, dec *p11rpc.Decoder) bool {
		switch {
		case call == p11rpc.CallFindObjectsInit && active:
			f.refuse(code, ck.CKR_OPERATION_ACTIVE)
		case call == p11rpc.CallFindObjectsInit:
			active, next = true, 1
			return false
		case call == p11rpc.CallFindObjectsFinal:
			active = false
			return false
		case call == p11rpc.CallFindObjects && !active:
			f.refuse(code, ck.CKR_OPERATION_NOT_INITIALIZED)
		case call == p11rpc.CallFindObjects:
			dec.Ulong()
			var found []ck.ObjectHandle
			for n := dec.UlongBuffer(); n > 0 && next <= total; n-- {
				found = append(found, ck.ObjectHandle(next))
				next++
			}
			f.reply(code, call, func(e *p11rpc.Encoder) { p11rpc.Ulongs(e, found) })
		default:
			return false
		}
		return true
	})
}

// TestSearch: whatever the number of objects and however they are asked for, each
// is found once and in order.
func TestSearch(t *testing.T) {
	for _, total := range []uint64{0, 1, 63, 64, 65, 128, 200} {
		for _, ask := range []uint64{1, 7, 64, 100, 1000} {
			d := startFake(t)
			serveSearch(d, total)
			c := d.client(patience)
			h := openSession(t, c)
			for range 2 {
				require.NoError(t, c.FindObjectsInit(h, nil))
				var all []ck.ObjectHandle
				for {
					found, err := c.FindObjects(h, ask)
					require.NoError(t, err)
					if len(found) == 0 {
						break
					}
					require.False(t, uint64(len(found)) < ask && uint64(len(all)+len(found)) != total, "%d of %d objects were returned for %d", len(found), total, ask)
					all = append(all, found...)
				}
				require.NoError(t, c.FindObjectsFinal(h))
				require.Equal(t, total, uint64(len(all)))
				require.True(t, slices.IsSorted(all), "found %v, want 1 to %d", all, total)
			}
		}
	}
}

// TestSearchInOneRoundTrip: a search that finds little asks once.
func TestSearchInOneRoundTrip(t *testing.T) {
	d := startFake(t)
	serveSearch(d, 1)
	c := d.client(patience)
	h := openSession(t, c)
	for range 3 {
		require.NoError(t, c.FindObjectsInit(h, nil))
		for range 2 {
			_, err := c.FindObjects(h, 1)
			require.NoError(t, err)
		}
		require.NoError(t, c.FindObjectsFinal(h))
	}
	require.EqualValues(t, 3, d.pairs(p11rpc.CallFindObjectsInit))
	require.NoError(t, c.Logout(h)) // after which the daemon has seen all
	require.Equal(t, 1+3*3+1, len(d.seen()))
}

func TestSearchRules(t *testing.T) {
	d := startFake(t)
	serveSearch(d, 3)
	c := d.client(patience)
	h := openSession(t, c)
	_, err := c.FindObjects(h, 1)
	require.ErrorIs(t, err, ck.CKR_OPERATION_NOT_INITIALIZED)
	require.ErrorIs(t, c.FindObjectsFinal(h), ck.CKR_OPERATION_NOT_INITIALIZED)
	require.NoError(t, c.FindObjectsInit(h, nil))
	require.ErrorIs(t, c.FindObjectsInit(h, nil), ck.CKR_OPERATION_ACTIVE)
	found, err := c.FindObjects(h, 5)
	require.NoError(t, err)
	require.Len(t, found, 3)
	require.NoError(t, c.FindObjectsFinal(h))
	require.ErrorIs(t, c.FindObjectsFinal(h), ck.CKR_OPERATION_NOT_INITIALIZED)
}

// TestSearchThatIsRefused: the code of C_FindObjectsInit is the daemon's.
func TestSearchThatIsRefused(t *testing.T) {
	d := startFake(t)
	d.handle(func(f *fakeConn, code uint32, call p11rpc.CallID, _ *p11rpc.Decoder) bool {
		switch call {
		case p11rpc.CallFindObjectsInit:
			f.refuse(code, ck.CKR_ATTRIBUTE_TYPE_INVALID)
		case p11rpc.CallFindObjects:
			f.refuse(code, ck.CKR_OPERATION_NOT_INITIALIZED)
		default:
			return false
		}
		return true
	})
	c := d.client(patience)
	h := openSession(t, c)
	require.ErrorIs(t, c.FindObjectsInit(h, nil), ck.CKR_ATTRIBUTE_TYPE_INVALID)
	require.ErrorIs(t, c.FindObjectsFinal(h), ck.CKR_OPERATION_NOT_INITIALIZED)
}
