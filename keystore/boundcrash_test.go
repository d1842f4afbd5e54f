package keystore

import (
	"bufio"
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"vtoken/vtoken/object"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"

	"github.com/stretchr/testify/require"
)

// numberedPIN is the PIN that a token has after so many changes.
func numberedPIN(n int) string { return fmt.Sprintf("PIN number %d", n) }

// changePINsForever changes the user PIN of a PIN-bound token, with the one that
// it has, stores a secret with each, and prints what was acknowledged.
func changePINsForever(dir string, token record.TokenID) error {
	s, err := Open(context.Background(), options(dir))
	if err != nil {
		return err
	}
	for n := 1; ; n++ {
		if err := changePIN(s, token, n); err != nil {
			return err
		}
		fmt.Println("PIN", n)
	}
}

// changePIN changes the PIN of number n-1 to that of number n.
func changePIN(s *Store, token record.TokenID, n int) error {
	var r *record.Token
	err := s.View(func(tx *Tx) (err error) {
		r, err = tx.Token(token)
		return err
	})
	if err != nil {
		return err
	}
	right, bound, err := s.CheckPIN(token, pin.User, r.UserPIN.Verifier, secret.Bytes(numberedPIN(n-1)))
	if err != nil || !right {
		return fmt.Errorf("the PIN before number %d: %v, %w", n, right, err)
	}
	defer bound.Wipe()
	v, err := s.HashPIN(token, pin.User, secret.Bytes(numberedPIN(n)), bound)
	if err != nil {
		return err
	}
	return s.Update(func(tx *Tx) error {
		r, err := tx.Token(token)
		if err != nil {
			return err
		}
		r.UserPIN = r.UserPIN.Change(v, r.CreatedAt)
		o := newPrivate("label", "hidden")
		if err := tx.PutObject(token, o); err != nil {
			return err
		}
		return tx.PutToken(r)
	})
}

// TestKilledWhilePINsChange kills a process that changes the PIN of a PIN-bound
// token: the last PIN that was acknowledged, or the one after it, opens the key,
// and the key everything. The SO PIN does so all the time.
func TestKilledWhilePINsChange(t *testing.T) {
	for round := range 4 {
		dir := tempDir(t)
		s := open(t, dir)
		tok, _ := addBound(t, s, addUser(t, s, "alice"), numberedPIN(0), "SO PIN")
		closeStore(t, s)
		last := killAfterPINs(t, dir, tok.ID, 1+round)
		s = open(t, dir)
		var objects []*object.Object
		view(t, s, func(tx *Tx) (err error) {
			objects, err = tx.Objects(tok.ID)
			return err
		})
		if len(objects) < last || len(objects) > last+1 {
			t.Errorf("PIN %d was acknowledged, and there are %d objects", last, len(objects))
		}
		for role, p := range map[pin.Role]string{pin.User: numberedPIN(len(objects)), pin.SO: "SO PIN"} {
			for _, o := range objects {
				if got, err := value(t, s, tok.ID, o.ID, role, p); err != nil || got != "hidden" {
					t.Errorf("round %d: object %d with the %v PIN: %q, %v", round, o.ID, role, got, err)
				}
			}
		}
		if r := check(t, s); len(r.Problems) > 0 {
			t.Errorf("round %d: %q", round, r.Problems)
		}
		closeStore(t, s)
	}
}

// killAfterPINs kills a process when it has changed the PIN n times, and says how
// many changes it has acknowledged.
func killAfterPINs(t *testing.T, dir string, token record.TokenID, n int) (last int) {
	t.Helper()
	cmd := child(t, "pins", dir, token)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		number, found := strings.CutPrefix(lines.Text(), "PIN ")
		last, err = strconv.Atoi(number)
		require.NoError(t, err, "it says %q", lines.Text())
		require.True(t, found, "it says %q", lines.Text())
		if last == n {
			_ = cmd.Process.Kill()
		}
	}
	_ = cmd.Wait()
	require.GreaterOrEqual(t, last, n, "the process ended by itself")
	return last
}
