package record_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/policy"
	"vtoken/vtoken/record"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// inUse is a token that its holders u and v see.
func inUse() *record.Token {
	return &record.Token{
		Activation: record.Activated,
		Enabled:    true,
		Holders:    []record.Assignment{{User: "u"}, {User: "v"}},
	}
}

// A token is seen by a holder while nothing in its state or in the holder's part forbids it. A span
// begins with its start and ends before its end.
func TestVisibleTo(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*record.Token)
		want   bool
	}{
		{"in use", func(*record.Token) {}, true},
		{"new", func(k *record.Token) { k.Activation = record.ActivationNew }, false},
		{"activation begun", func(k *record.Token) { k.Activation = record.ActivationPending }, false},
		{"disabled", func(k *record.Token) { k.Enabled = false }, false},
		{"deceased", func(k *record.Token) { k.Deceased = true }, false},
		{"expires now", func(k *record.Token) { k.ExpiresAt = noon }, false},
		{"expires later", func(k *record.Token) { k.ExpiresAt = noon.Add(1) }, true},
		{"held by another", func(k *record.Token) { k.Holders = k.Holders[1:] }, false},
		{"suspended", func(k *record.Token) { k.Holders[0].Suspended = true }, false},
		{"another suspended", func(k *record.Token) { k.Holders[1].Suspended = true }, true},
		{"starts later", func(k *record.Token) { k.Holders[0].Starts = noon.Add(1) }, false},
		{"starts now", func(k *record.Token) { k.Holders[0].Starts = noon }, true},
		{"ends now", func(k *record.Token) { k.Holders[0].Expires = noon }, false},
		{"ends later", func(k *record.Token) { k.Holders[0].Expires = noon.Add(1) }, true},
		{"used up", func(k *record.Token) { k.Holders[0].UsageLimit, k.Holders[0].Uses = 1, 1 }, false},
		{"one use left", func(k *record.Token) { k.Holders[0].UsageLimit, k.Holders[0].Uses = 2, 1 }, true},
		{"uses without a limit", func(k *record.Token) { k.Holders[0].Uses = 5 }, true},
	} {
		k := inUse()
		c.change(k)
		require.Equal(t, c.want, k.VisibleTo("u", noon), c.name)
	}
}

// The next change is the first of the times to come; those that are over do not count.
func TestNextChange(t *testing.T) {
	k := inUse()
	require.Zero(t, k.NextChange(noon))

	at := func(hours int) time.Time { return noon.Add(time.Duration(hours) * time.Hour) }
	k.ExpiresAt = at(4)
	k.Holders[0].Starts, k.Holders[0].Expires = at(1), at(3)
	k.Holders[1].Starts, k.Holders[1].Expires = at(-1), at(2)
	require.Equal(t, at(1), k.NextChange(noon))
	require.Equal(t, at(2), k.NextChange(at(1)))
	require.Equal(t, at(3), k.NextChange(at(2)))
	require.Equal(t, at(4), k.NextChange(at(3)))
	require.Zero(t, k.NextChange(at(4)))
}

func TestHolders(t *testing.T) {
	k := inUse()
	require.Equal(t, record.UserID("u"), k.Owner())
	k.Assignment("v").Priority = 7
	require.Equal(t, 7, k.Holders[1].Priority)
	require.Nil(t, k.Assignment("w"))

	k.Holders = nil
	require.Empty(t, k.Owner())

	k.Holders = record.HeldBy("w", noon, "a person")
	require.Equal(t, record.Assignment{User: "w", At: noon, By: "a person"}, *k.Assignment("w"))
	require.Equal(t, record.UserID("w"), k.Owner())
}

func TestPINOfRole(t *testing.T) {
	k := inUse()
	k.PIN(pin.SO).Failed, k.PIN(pin.User).Failed = 1, 2
	require.Equal(t, 1, k.SOPIN.Failed)
	require.Equal(t, 2, k.UserPIN.Failed)
}

// A clone can be changed without its origin.
func TestClone(t *testing.T) {
	full := func() *record.Token {
		k := inUse()
		k.Groups = []record.GroupID{"g"}
		k.Code.Hash = []byte{1}
		k.Policy = policy.Policy{Name: policy.List, Mechanisms: []ck.MechanismType{1}}
		k.BoundKey = []byte{1}
		k.UserPIN.Verifier = []byte{1}
		k.SOPIN.Verifier = []byte{1}
		return k
	}
	k := full()
	c := k.Clone()
	require.Equal(t, k, c)
	c.Holders[0].User, c.Groups[0], c.Policy.Mechanisms[0] = "x", "x", 2
	c.Code.Hash[0], c.BoundKey[0], c.UserPIN.Verifier[0], c.SOPIN.Verifier[0] = 2, 2, 2, 2
	require.Equal(t, full(), k)
}
