package vtoken_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
)

func everyToken(*record.Token) bool { return true }

// Ending the use of a token closes its sessions and ends the login, of this application only,
// and the application may begin again.
func TestEndUse(t *testing.T) {
	for i, newWorld := range worlds {
		t.Run(worldNames[i], func(t *testing.T) {
			w := newWorld(t)
			c := w.connect(aliceUID)
			var told [][]vtoken.Login
			c.OnLogins(func(list []vtoken.Login) { told = append(told, list) })
			require.Empty(t, c.TokenUses())
			h, h2 := w.session(c, rw), w.session(c, ro)
			require.Equal(t, []vtoken.TokenUse{{Token: c.TokenUses()[0].Token, Sessions: 2}}, c.TokenUses())
			require.NoError(t, c.Login(h, ck.CKU_USER, pinOf(userPIN)))
			w.ecPair(c, h, true)
			other, oh := w.loggedIn(ro)

			ended, err := c.EndUse("root", func(*record.Token) bool { return false })
			require.NoError(t, err)
			require.Empty(t, ended)
			w.signs(c, h)
			ended, err = c.EndUse("root", everyToken)
			require.NoError(t, err)
			require.Len(t, ended, 1)
			require.Equal(t, w.alice.ID, ended[0].Token.ID)
			require.Equal(t, vtoken.TokenUse{Token: ended[0].Token, Sessions: 2, LoggedIn: true, Role: pin.User}, ended[0])
			require.Empty(t, c.TokenUses())
			require.Empty(t, told[len(told)-1], "who keeps the logins was told")
			for _, one := range []ck.SessionHandle{h, h2} {
				_, err := c.GetSessionInfo(one)
				require.Equal(t, ck.CKR_SESSION_HANDLE_INVALID, ck.CodeOf(err))
				require.Equal(t, ck.CKR_SESSION_HANDLE_INVALID, ck.CodeOf(c.Login(one, ck.CKU_USER, pinOf(userPIN))))
			}
			w.signs(other, oh)

			h = w.session(c, rw)
			require.Equal(t, ck.CKR_USER_NOT_LOGGED_IN, ck.CodeOf(c.Logout(h)))
			require.NoError(t, c.Login(h, ck.CKU_USER, pinOf(userPIN)))
			w.signs(c, h)
		})
	}
}

// endListener hears of the ends of uses, and refuses them with err.
type endListener struct {
	vtoken.Listener
	err   error
	ended []vtoken.Event
}

func (l *endListener) Begin(e vtoken.Event) (func(vtoken.Event), error) {
	if e.Act != vtoken.ActEnd {
		return nil, nil
	}
	return func(e vtoken.Event) { l.ended = append(l.ended, e) }, l.err
}

func (l *endListener) Did(vtoken.Event) {}
func (l *endListener) Closed()          {}

// The listener hears who ended what, and nothing is ended that it refuses.
func TestEndUseIsHeard(t *testing.T) {
	w := newWorld(t)
	l := &endListener{}
	e, err := vtoken.New(w.store, vtoken.Options{Listen: func(record.Peer) vtoken.Listener { return l }})
	require.NoError(t, err)
	w.engine = e
	c, h := w.loggedIn(rw)
	l.err = ck.CKR_DEVICE_MEMORY
	ended, err := c.EndUse("root", everyToken)
	require.Equal(t, ck.CKR_DEVICE_MEMORY, ck.CodeOf(err))
	require.Empty(t, ended)
	w.session(c, ro)
	info, err := c.GetSessionInfo(h)
	require.NoError(t, err)
	require.Equal(t, ck.CKS_RW_USER_FUNCTIONS, info.State)

	l.err = nil
	_, err = c.EndUse("root", everyToken)
	require.NoError(t, err)
	require.Len(t, l.ended, 1)
	require.Equal(t, "root", l.ended[0].By)
	require.Equal(t, ck.CKU_USER, l.ended[0].User)
	require.Equal(t, w.alice.ID, l.ended[0].Token.ID)
	require.NoError(t, l.ended[0].Err)
}
