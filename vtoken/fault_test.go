package vtoken_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
)

// snapshot is what applications can see of alice's token.
func (w *world) snapshot() map[string]string {
	w.t.Helper()
	c := w.engine.Connect(peerOf(aliceUID))
	defer c.Close()
	seen := map[string]string{}
	info, err := c.GetTokenInfo(w.alice.Slot)
	require.NoError(w.t, err)
	seen["label"] = info.Label
	h := w.session(c, ro)
	for _, p := range []string{userPIN, "5678", "9999"} {
		if c.Login(h, ck.CKU_USER, pinOf(p)) == nil {
			seen["PIN"] = p
			break
		}
	}
	for _, o := range findAll(w.t, c, h, nil) {
		r, err := c.GetAttributeValue(h, o, []ck.AttributeQuery{{Type: ck.CKA_LABEL, Buffer: big1K}, {Type: ck.CKA_CLASS, Buffer: big1K}})
		require.NoError(w.t, err)
		seen[string(r[1].Value)+string(r[0].Value)] = "object"
	}
	return seen
}

// committing is every function that commits, each as one call that succeeds when
// nothing fails; o is a token object.
var committing = map[string]func(c *vtoken.Client, h ck.SessionHandle, o ck.ObjectHandle) error{
	"create": func(c *vtoken.Client, h ck.SessionHandle, _ ck.ObjectHandle) error {
		_, err := c.CreateObject(h, data("new", "v", onToken))
		return err
	},
	"copy": func(c *vtoken.Client, h ck.SessionHandle, o ck.ObjectHandle) error {
		_, err := c.CopyObject(h, o, ck.Template{ck.String(ck.CKA_LABEL, "copy")})
		return err
	},
	"set": func(c *vtoken.Client, h ck.SessionHandle, o ck.ObjectHandle) error {
		return c.SetAttributeValue(h, o, ck.Template{ck.String(ck.CKA_LABEL, "set")})
	},
	"destroy": func(c *vtoken.Client, h ck.SessionHandle, o ck.ObjectHandle) error { return c.DestroyObject(h, o) },
	"generate": func(c *vtoken.Client, h ck.SessionHandle, _ ck.ObjectHandle) error {
		_, _, err := c.GenerateKeyPair(h, ck.Mechanism{Type: ck.CKM_EC_KEY_PAIR_GEN},
			ck.Template{ck.Bytes(ck.CKA_EC_PARAMS, p256), onToken}, ck.Template{onToken})
		return err
	},
	"SetPIN": func(c *vtoken.Client, h ck.SessionHandle, _ ck.ObjectHandle) error {
		return c.SetPIN(h, pinOf(userPIN), pinOf("5678"))
	},
	"InitPIN": func(c *vtoken.Client, h ck.SessionHandle, _ ck.ObjectHandle) error {
		if err := c.Logout(h); err != nil {
			return err
		}
		if err := c.Login(h, ck.CKU_SO, pinOf(soPIN)); err != nil {
			return err
		}
		return c.InitPIN(h, pinOf("9999"))
	},
	"InitToken": func(c *vtoken.Client, h ck.SessionHandle, _ ck.ObjectHandle) error {
		info, err := c.GetSessionInfo(h)
		if err != nil {
			return err
		}
		if err := c.CloseSession(h); err != nil {
			return err
		}
		return c.InitToken(info.SlotID, pinOf(soPIN), "emptied")
	},
}

// With each commit of each function failing in turn, the function tells the
// truth and leaves the old state: in memory, and for an engine that starts anew
// on the store.
func TestFailedCommits(t *testing.T) {
	for name := range committing {
		for i, world := range worlds {
			t.Run(name+"/"+worldNames[i], func(t *testing.T) {
				fail := 1
				for failCommit(t, world(t), name, fail) {
					fail++
				}
				require.NotEqual(t, 1, fail, "the function commits nothing")
			})
		}
	}
}

// failCommit calls the function with its commit number fail failing, and returns
// false where it made fewer.
func failCommit(t *testing.T, w *world, name string, fail int) bool {
	c, h := w.loggedIn(rw)
	o, err := c.CreateObject(h, data("old", "v", onToken))
	require.NoError(w.t, err)
	before := w.snapshot()
	n := 0
	w.store.BeforeCommit = func() error {
		if n++; n == fail {
			return ck.Errorf(ck.CKR_DEVICE_MEMORY, "the disk is full")
		}
		return nil
	}
	err = committing[name](c, h, o)
	w.store.BeforeCommit = nil
	after := w.snapshot()
	if n < fail {
		require.NoError(w.t, err)
		require.False(t, maps.Equal(before, after), "nothing was done")
		return false
	}
	// The next blank token is wanted after C_InitToken, but is not part of it.
	if name == "InitToken" && err == nil && after["label"] == "emptied" {
		return true
	}
	require.Equal(t, ck.CKR_DEVICE_MEMORY, ck.CodeOf(err))
	require.Equal(t, after, before, "commit %d failed: %v became %v", fail, before, after)
	c.Close()
	w.restart()
	if again := w.snapshot(); !maps.Equal(after, again) {
		t.Errorf("commit %d failed: a new engine sees %v, not %v", fail, again, after)
	}
	return true
}

// A listing works where the blank token cannot be made.
func TestFullDiskListsTokens(t *testing.T) {
	w := newWorld(t)
	w.store.BeforeCommit = func() error { return ck.CKR_DEVICE_MEMORY }
	if got := slots(t, w.connect(aliceUID)); !slices.Equal(got, []ck.SlotID{w.alice.Slot}) {
		t.Errorf("slots %v", got)
	}
}
