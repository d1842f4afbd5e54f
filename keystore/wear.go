package keystore

import (
	"errors"
	"log/slog"
	"sync"
	"time"

	"vtoken/vtoken/record"
)

// ErrWear is returned for a PIN try that was not made because its owner has used up its
// increments of the counter. A later try succeeds.
var ErrWear = errors.New("the owner's increments of the rollback counter are used up")

// A TPM's memory bears a limited number of increments. So each owner has a budget: some at
// once, then one at intervals. An owner beyond its budget waits alone.

// ownerKind is what kind of owner pays for an increment.
type ownerKind byte

const (
	byStore   ownerKind = iota // the store itself, at start and stop and once an hour
	byUser                     // who holds the token alone
	byToken                    // a token that several hold, or nobody
	byTenant                   // what comes from the API
	byCodes                    // the one-time passwords and activation codes of a tenant
	byObjects                  // objects of a token that are changed or deleted
)

// owner is who pays.
type owner struct {
	kind  ownerKind
	id    string
	token record.TokenID // whose PIN it is, empty for what is no PIN
}

// LogValue names the owner in the log.
func (o owner) LogValue() slog.Value {
	return slog.StringValue([...]string{byStore: "the store", byUser: "user ", byToken: "token ", byTenant: "tenant ", byCodes: "codes of tenant ", byObjects: "objects of token "}[o.kind] + o.id)
}

// An allowance is how many increments an owner has at once, and how long one takes to
// come back. docs/rollback.md says what that makes in a year.
type allowance struct {
	most int
	each time.Duration
}

var allowances = [...]allowance{
	byUser:   {256, 30 * time.Minute},
	byToken:  {256, 30 * time.Minute},
	byTenant: {1024, 10 * time.Minute},

	byCodes:   {256, 10 * time.Minute},
	byObjects: {32, time.Hour},
}

// perYear returns the most increments of an owner in a year.
func (a allowance) perYear() int { return a.most + int(365*24*time.Hour/a.each) }

// account is the rest of an owner's budget.
type account struct {
	left int
	at   time.Time // when left was counted
	told bool      // the log has that nothing is left
}

// grow adds the increments that came back since then.
func (c *account) grow(a allowance, now time.Time) {
	if n := int(now.Sub(c.at) / a.each); n > 0 {
		c.left = min(c.left+n, a.most)
		c.at = c.at.Add(time.Duration(n) * a.each)
	}
}

// budgets holds the accounts of all owners, except full ones.
type budgets struct {
	mu       sync.Mutex
	accounts map[accountKey]*account
	tried    map[record.TokenID]struct{} // tokens whose first try in this run was counted
	sweep    int                         // the number of accounts at which full ones are dropped
}

type accountKey struct {
	kind ownerKind
	id   string
}

const firstSweep = 1024

func newBudgets() *budgets {
	return &budgets{accounts: map[accountKey]*account{}, tried: map[record.TokenID]struct{}{}, sweep: firstSweep}
}

// take takes an increment from the owner's account, or returns how long the owner waits for one,
// and whether that is to be logged. The first try of each token in a run of the daemon is free,
// so that a user with many tokens can log in to all of them.
func (b *budgets) take(d demand, now time.Time) (wait time.Duration, news bool) {
	if d.owner.kind == byStore {
		return 0, false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, before := b.tried[d.owner.token]; d.urgency == strictly && d.owner.token != "" && !before {
		b.tried[d.owner.token] = struct{}{}
		return 0, false
	}
	a, key := allowances[d.owner.kind], accountKey{d.owner.kind, d.owner.id}
	c := b.accounts[key]
	if c == nil {
		b.drop(now)
		c = &account{left: a.most, at: now}
		b.accounts[key] = c
	}
	c.grow(a, now)
	if c.left == a.most {
		c.at, c.told = now, false
	}
	if c.left > 0 {
		c.left--
		return 0, false
	}
	news, c.told = !c.told, true
	return max(c.at.Add(a.each).Sub(now), time.Second), news
}

// drop forgets full accounts, when there are many.
func (b *budgets) drop(now time.Time) {
	if len(b.accounts) < b.sweep {
		return
	}
	for key, c := range b.accounts {
		a := allowances[key.kind]
		if c.grow(a, now); c.left == a.most {
			delete(b.accounts, key)
		}
	}
	b.sweep = max(firstSweep, 2*len(b.accounts))
}
