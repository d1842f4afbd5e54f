package vtoken_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
)

var inSession = ck.Bool(ck.CKA_TOKEN, false)

// After a crash an application has its copies of token objects under their handles, in both
// kinds of token, and may sign with them.
func TestRestoreObject(t *testing.T) {
	for i, newWorld := range worlds {
		t.Run(worldNames[i], func(t *testing.T) {
			w := newWorld(t)
			old, kept := w.tellingClient()
			h := w.session(old, rw)
			require.NoError(t, old.Login(h, ck.CKU_USER, pinOf(userPIN)))
			_, key := w.ecPair(old, h, true)
			copied, err := old.CopyObject(h, key, ck.Template{inSession})
			require.NoError(t, err)
			twice, err := old.CopyObject(h, copied, nil)
			require.NoError(t, err)

			w.waited.Add(int64(time.Second)) // the next engine counts handles from its own time on
			w.restart()
			c, _ := w.tellingClient()
			_, _ = resumed(t, c, []vtoken.ResumedSession{w.resumed(h, rw)}, kept.last())
			_, err = c.GetObjectSize(h, copied)
			require.ErrorIs(t, err, ck.CKR_OBJECT_HANDLE_INVALID)
			require.NoError(t, c.RestoreObject(h, copied, key, ck.Template{inSession}))
			require.NoError(t, c.RestoreObject(h, twice, copied, nil))
			for _, o := range []ck.ObjectHandle{copied, twice} {
				require.NoError(t, c.SignInit(h, ecdsaMech, o))
				_, err = c.Sign(h, make([]byte, 32), big1K)
				require.NoError(t, err)
			}
			require.ErrorIs(t, c.RestoreObject(h, copied, key, ck.Template{inSession}), ck.CKR_OBJECT_HANDLE_INVALID, "it is in use")
			next, err := c.CopyObject(h, key, ck.Template{inSession})
			require.NoError(t, err)
			require.NotContains(t, []ck.ObjectHandle{copied, twice}, next)

			require.NoError(t, c.Logout(h))
			_, err = c.GetObjectSize(h, copied)
			require.ErrorIs(t, err, ck.CKR_OBJECT_HANDLE_INVALID, "it ended with the login")
			require.ErrorIs(t, c.RestoreObject(h, copied, key, ck.Template{inSession}), ck.CKR_OBJECT_HANDLE_INVALID,
				"who is logged out has no private key to copy")
			c.Close()
			private, _ := w.engine.ParsedKeys()
			require.Zero(t, private)
		})
	}
}

// An application gets no object that it could not make itself, and no handle that was not, or
// may yet be, one of a session object.
func TestRestoreObjectRefuses(t *testing.T) {
	w, account := metered(t, 64*mib)
	c, h := w.loggedIn(rw)
	public, key := w.ecPair(c, h, true)
	had, err := c.CopyObject(h, key, ck.Template{inSession})
	require.NoError(t, err)
	require.NoError(t, c.DestroyObject(h, had))
	otp := w.otpKey(c, h, true)
	plain := data("d", "v")
	used, _ := account.state()
	nothingCharged := func(name string) {
		now, _ := account.state()
		require.Equal(t, used, now, name)
	}
	for name, row := range map[string]struct {
		handle, source ck.ObjectHandle
		template       ck.Template
		want           ck.Error
	}{
		"a handle of the token":  {public, key, ck.Template{inSession}, ck.CKR_OBJECT_HANDLE_INVALID},
		"no handle":              {0, key, ck.Template{inSession}, ck.CKR_OBJECT_HANDLE_INVALID},
		"no number":              {1 << 62, key, ck.Template{inSession}, ck.CKR_OBJECT_HANDLE_INVALID},
		"a handle to come":       {had + 1<<20, key, ck.Template{inSession}, ck.CKR_OBJECT_HANDLE_INVALID},
		"another bit":            {had | 1<<63, key, ck.Template{inSession}, ck.CKR_OBJECT_HANDLE_INVALID},
		"a copy in the token":    {had, key, nil, ck.CKR_TEMPLATE_INCONSISTENT},
		"a new one in the token": {had, 0, append(plain, ck.Bool(ck.CKA_TOKEN, true)), ck.CKR_TEMPLATE_INCONSISTENT},
		"of nothing":             {had, 12345, ck.Template{inSession}, ck.CKR_OBJECT_HANDLE_INVALID},
		"a counter":              {had, otp, ck.Template{inSession}, ck.CKR_ACTION_PROHIBITED},
		"a bad template":         {had, 0, ck.Template{inSession}, ck.CKR_TEMPLATE_INCOMPLETE},
	} {
		require.ErrorIs(t, c.RestoreObject(h, row.handle, row.source, row.template), row.want, name)
		nothingCharged(name)
	}
	require.NoError(t, c.RestoreObject(h, had, 0, plain))
	require.NoError(t, c.DestroyObject(h, had))
	nothingCharged("destroyed")
	require.ErrorIs(t, c.RestoreObject(h+100, had, 0, plain), ck.CKR_SESSION_HANDLE_INVALID)
}
