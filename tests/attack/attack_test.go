package attack

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/tests/harness"
)

// OS users that exist nowhere else: the kernel needs no name for them.
const (
	alice   = 62001 // has a token and does no harm
	bob     = 62002 // has a token as well
	mallory = 62003 // attacks; has a token where a test gives her one
	trudy   = 62004 // attacks and has nothing
)

// attackers is the list of programs that run under another OS user, by name. A new one
// is one line here.
var attackers = map[string]func(args []string) error{
	"login":            loginAttacker,
	"walk":             walkAttacker,
	"crowds":           crowds,
	"besiege":          besiege,
	"babble":           babble,
	"worker":           worker,
	"resident":         residentApplication,
	"slots":            slotsAttacker,
	"keys":             keysAttacker,
	"fakeserver":       fakeServerAttacker,
	"nonsense":         nonsenseAttacker,
	"relabel":          relabelAttacker,
	"signer":           signer,
	"bystander":        bystander,
	"halfframes":       halfFrames,
	"unread":           unread,
	"hoarder":          hoarder,
	"crowder":          crowder,
	"first-login":      firstLoginOf,
	"pairs":            pairs,
	"set-pins":         setPINs,
	"rsa-signers":      rsaSigners,
	"wear":             wearAttacker,
	"stampede":         stampedeAttacker,
	"fill":             fillAttacker,
	"crowd":            crowdAttacker,
	"rsa-2048-signers": rsa2048Signers,
	"p256-signers":     p256Signers,
	"p384-pairs":       p384Pairs,
	"creators":         creators,
	"finders":          finders,
	"readers":          readers,
	"digesters":        digesters,
	"stretchers":       stretchers,
	"gamblers":         gamblers,
	"led":              led,
	"signs":            signs,
}

func TestMain(m *testing.M) {
	name := os.Getenv(attackerVariable)
	if name == "" {
		if err := harness.ManyAtOnce(); err != nil {
			panic(err)
		}
		os.Exit(m.Run())
	}
	attack, ok := attackers[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "no attacker is named %q\n", name)
		os.Exit(2)
	}
	if err := attack(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// start starts a daemon in a folder of its own, which ends with the test. The log of a
// failed test is shown.
func start(t *testing.T, flags ...string) *harness.Daemon {
	t.Helper()
	bin, err := harness.Build()
	require.NoError(t, err)
	return startFrom(t, bin, flags...)
}

// startFrom is start with the programs of a folder.
func startFrom(t *testing.T, bin string, flags ...string) *harness.Daemon {
	t.Helper()
	require.Zero(t, os.Getuid(), "this test acts as other users: run it as root (sudo make test)")
	dir, err := harness.TempDir()
	require.NoError(t, err)
	d := harness.NewDaemon(bin, dir)
	t.Cleanup(func() {
		require.NoError(t, d.Kill())
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", d.Log())
		}
		require.NoError(t, os.RemoveAll(dir))
	})
	require.NoError(t, d.Start(flags...))
	return d
}

// newToken makes a complete token for a user of that login, who is mapped to the uid, and
// returns the token's id.
func newToken(t *testing.T, d *harness.Daemon, login string, uid uint32, label string) string {
	t.Helper()
	id, err := d.NewTokenFor(login, label, harness.PIN, harness.SOPIN)
	require.NoError(t, err)
	_, err = d.Vtoken("user", "map", login, "--os-user", fmt.Sprintf("#%d", uid))
	require.NoError(t, err)
	return id
}
