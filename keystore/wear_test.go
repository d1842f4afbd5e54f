package keystore

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/record"
)

// Each owner has its own budget, which comes back with time.
func TestBudgets(t *testing.T) {
	for kind, a := range allowances {
		if a.most == 0 {
			continue
		}
		at := time.Unix(1_800_000_000, 0)
		b := newBudgets()
		one, other := demand{promptly, owner{kind: ownerKind(kind), id: "one"}}, demand{promptly, owner{kind: ownerKind(kind), id: "other"}}
		for range a.most {
			wait, _ := b.take(one, at)
			require.Zero(t, wait, "within the budget")
		}
		wait, news := b.take(one, at.Add(a.each/2))
		require.Equal(t, a.each/2, wait)
		require.True(t, news)
		_, news = b.take(one, at.Add(a.each/2))
		require.False(t, news, "it is told once")
		wait, _ = b.take(other, at)
		require.Zero(t, wait, "another owner does not wait")
		at = at.Add(3*a.each + time.Second)
		for range 3 {
			wait, _ = b.take(one, at)
			require.Zero(t, wait)
		}
		wait, _ = b.take(one, at)
		require.Positive(t, wait)
	}
	var nobody demand
	wait, _ := newBudgets().take(nobody, time.Now())
	require.Zero(t, wait)
}

// The first try of each token in a run is free.
func TestFirstTriesAreFree(t *testing.T) {
	b, at := newBudgets(), time.Now()
	for i := range 5000 {
		wait, _ := b.take(demand{strictly, owner{byUser, "one", record.TokenID(fmt.Sprint(i))}}, at)
		require.Zero(t, wait)
	}
	require.Empty(t, b.accounts)
	for range allowances[byUser].most {
		wait, _ := b.take(demand{strictly, owner{byUser, "one", "1"}}, at)
		require.Zero(t, wait)
	}
	wait, _ := b.take(demand{strictly, owner{byUser, "one", "2"}}, at)
	require.Positive(t, wait, "the user's, whichever token it is")
}

// Full accounts are not kept.
func TestAccountsAreForgotten(t *testing.T) {
	b, at := newBudgets(), time.Now()
	for i := range 10 * firstSweep {
		b.take(demand{promptly, owner{kind: byToken, id: fmt.Sprint(i)}}, at)
		at = at.Add(allowances[byToken].each)
	}
	require.LessOrEqual(t, len(b.accounts), firstSweep+1)
}

// TestYears is the figure that the documentation gives: whatever one user does, the
// counter lasts for years, and so it does for a tenant's API keys.
func TestYears(t *testing.T) {
	const rated = 300_000
	hourly := int(365 * 24 * time.Hour / leisure)
	doc, err := os.ReadFile("../docs/rollback.md")
	require.NoError(t, err)
	for kind, row := range map[ownerKind]string{byUser: "a user who holds tokens alone", byToken: "a token that several hold", byTenant: "a tenant, through the API"} {
		n := allowances[kind].perYear()
		years := float64(rated-allowances[kind].most) / float64(n-allowances[kind].most+hourly)
		require.Greater(t, years, 4.0)
		line := regexp.MustCompile(`(?m)^\| ` + row + ` \|.*$`).FindString(string(doc))
		require.Contains(t, strings.ReplaceAll(line, ",", ""), " "+strconv.Itoa(n)+" |", "docs/rollback.md, %s", row)
		require.Contains(t, line, fmt.Sprintf(" %.1f |", years))
	}
}

// A holder who changes PINs and tries wrong ones without end costs what the budget
// says, and others are counted at once meanwhile.
func TestOneHolderAlone(t *testing.T) {
	h, o, s, tok := protected(t)
	alice := addToken(t, s, addUser(t, s, "bob"), "another")
	start := h.value()
	change := func(n int) error {
		return s.Update(func(tx *Tx) error {
			r, err := tx.Token(tok.ID)
			if err != nil {
				return err
			}
			r.UserPIN.Verifier = fmt.Append(nil, "verifier ", n)
			return tx.PutToken(r)
		})
	}
	require.NoError(t, change(-1)) // sets the first one
	most := allowances[byUser].most
	for n := range most + 200 {
		require.NoError(t, change(n), "a change over the budget is stored")
	}
	require.LessOrEqual(t, h.value()-start, uint64(most+1))
	before := h.value()
	require.NoError(t, try(s, tok.ID), "the first try of the token in this run")
	err := try(s, tok.ID)
	require.True(t, errors.Is(err, ErrWear))
	require.Equal(t, ck.CKR_FUNCTION_FAILED, ck.CodeOf(err))
	require.Equal(t, 1, triesOf(t, s, tok.ID), "a try that is refused is not stored")
	for range 3 {
		require.NoError(t, try(s, alice.ID), "another user is counted at once")
	}
	require.Equal(t, before+4, h.value())
	// The API's changes are the tenant's, and are counted at once, too.
	off := s.UpdateByAPI(func(tx *Tx) error {
		r, err := tx.Token(tok.ID)
		if err != nil {
			return err
		}
		r.Enabled = false
		return tx.PutToken(r)
	})
	require.NoError(t, off)
	require.Equal(t, before+5, h.value())
	neverAhead(t, h, s, "over the budget")
	older := copyFolder(t, o.Dir)
	closeStore(t, s) // settles what waits
	closeStore(t, openWith(t, o))
	rolledBackWith(t, h.on(older))
}
