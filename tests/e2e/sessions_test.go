package e2e

import (
	"encoding/json"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/p11module/remote"
	"vtoken/provisioning/api"
	"vtoken/tests/harness"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/secret"
)

// TestEndedSessionsStayEnded: `vtoken session list` shows a login, and after `vtoken session end`
// neither a crash of the daemon nor a planned restart brings it or its sessions back.
func TestEndedSessionsStayEnded(t *testing.T) {
	t.Parallel()
	d := start(t)
	card, err := d.NewTokenFor(me(t), "Card", harness.PIN, harness.SOPIN)
	require.NoError(t, err)
	slot := slotsOf(t, d)[card]
	c := dialDaemon(d)
	defer c.Close()
	open := func(c *remote.Client) ck.SessionHandle {
		t.Helper()
		h, err := c.OpenSession(slot, ck.CKF_SERIAL_SESSION|ck.CKF_RW_SESSION)
		require.NoError(t, err)
		return h
	}
	list := func() (found []api.Application) {
		t.Helper()
		out := vtoken(t, d, "session", "list", "--token", card, "-o", "json")
		require.NoError(t, json.Unmarshal([]byte(out), &found))
		return found
	}
	state := func(c *remote.Client, h ck.SessionHandle) (ck.State, ck.Error) {
		info, err := c.GetSessionInfo(h)
		return info.State, ck.CodeOf(err)
	}

	h, other := open(c), open(c)
	require.NoError(t, c.Login(h, ck.CKU_USER, secret.Bytes(harness.PIN)))
	second := dialDaemon(d) // another application of the same process
	defer second.Close()
	kept := open(second)
	require.NoError(t, second.Login(kept, ck.CKU_USER, secret.Bytes(harness.PIN)))

	apps := list()
	require.Len(t, apps, 2)
	require.Equal(t, int32(os.Getpid()), apps[0].PID)
	self, err := os.Executable()
	require.NoError(t, err)
	require.Equal(t, self, apps[0].Executable)
	require.Equal(t, api.TokenUse{ID: card, Tenant: apps[0].Tokens[0].Tenant, Label: "Card", Sessions: 2, Role: "user"}, apps[0].Tokens[0])
	require.Equal(t, 1, apps[0].Connections)
	require.GreaterOrEqual(t, apps[0].Calls, uint64(4))
	require.Contains(t, vtoken(t, d, "session", "list", "--pid", strconv.Itoa(os.Getpid())), " Card ")

	vtoken(t, d, "session", "end", apps[0].ID, "--yes")
	left := list()
	require.Len(t, left, 1)
	require.Equal(t, apps[1].ID, left[0].ID)
	audit := vtoken(t, d, "audit", "tail", "-o", "json")
	require.Contains(t, audit, `"event":"end"`)
	require.Contains(t, audit, `"class":"application"`)

	require.NoError(t, d.Kill())
	require.NoError(t, d.Start())
	for _, ended := range []ck.SessionHandle{h, other} {
		_, rv := state(c, ended)
		require.Equal(t, ck.CKR_SESSION_HANDLE_INVALID, rv, "after a crash")
	}
	away := list()
	require.Len(t, away, 1, "one that has made no call since the crash")
	require.True(t, away[0].Away)
	require.Equal(t, apps[1].Tokens[0].Role, away[0].Tokens[0].Role)
	require.Regexp(t, ` away +0 +user +Card `, vtoken(t, d, "session", "list", "--pid", strconv.Itoa(os.Getpid())))
	now, rv := state(second, kept)
	require.Equal(t, ck.CKR_OK, rv)
	require.False(t, list()[0].Away)
	require.Equal(t, ck.CKS_RW_USER_FUNCTIONS, now, "the other application kept its login")

	h = open(c)
	now, _ = state(c, h)
	require.Equal(t, ck.CKS_RW_PUBLIC_SESSION, now)
	require.NoError(t, c.Login(h, ck.CKU_USER, secret.Bytes(harness.PIN)), "it may log in again")

	before := list()
	vtoken(t, d, "restart")
	after := list()
	for i := range before {
		require.Equal(t, before[i].ID, after[i].ID, "over a planned restart")
		require.GreaterOrEqual(t, after[i].Calls, before[i].Calls)
	}
	vtoken(t, d, "session", "end", "--token", card, "--yes")
	vtoken(t, d, "restart")
	for _, one := range []struct {
		c *remote.Client
		h ck.SessionHandle
	}{{c, h}, {second, kept}} {
		_, rv := state(one.c, one.h)
		require.Equal(t, ck.CKR_SESSION_HANDLE_INVALID, rv, "after a planned restart")
	}
	require.Empty(t, list())
	require.NoError(t, d.Kill())
	require.NoError(t, d.Start())
	_, rv = state(second, kept)
	require.Equal(t, ck.CKR_SESSION_HANDLE_INVALID, rv, "after a restart and a crash")
}
