package budget

import (
	"fmt"
	"sync"
)

// Limits are the amounts for all owners together, and for each owner.
type Limits struct{ Total, Each int }

// Ledger keeps the accounts of one resource. Its methods are safe for concurrent use and do
// not block.
type Ledger struct {
	what string

	mu      sync.Mutex
	limits  Limits
	used    int
	held    map[string]int // by owner; nobody is in it with 0
	refused uint64
}

// New makes an empty ledger. what names the resource in errors, such as "bytes of memory".
func New(what string, limits Limits) *Ledger {
	return &Ledger{what: what, limits: limits, held: map[string]int{}}
}

// SetLimits changes the limits. Nobody loses what they hold, even where it is more than they
// may hold from then on.
func (l *Ledger) SetLimits(limits Limits) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.limits = limits
}

// Refusal is the error for an owner that may not have that much.
type Refusal struct {
	What              string
	Wanted, Held      int // by the owner
	Each, Used, Total int
}

func (r *Refusal) Error() string {
	if r.Held+r.Wanted > r.Each {
		return fmt.Sprintf("this user has %d %s in use, and %d more are over the limit of %d for one user", r.Held, r.What, r.Wanted, r.Each)
	}
	return fmt.Sprintf("this user has %d %s in use, and %d more are too much while all users together have %d of %d", r.Held, r.What, r.Wanted, r.Used, r.Total)
}

// Charge adds n to the owner's account, or nothing with a [*Refusal].
func (l *Ledger) Charge(owner string, n int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	held := l.held[owner]
	if after := held + n; n > 0 && (after > l.limits.Each || after > l.limits.Total-l.used-n) {
		l.refused++
		return &Refusal{What: l.what, Wanted: n, Held: held, Each: l.limits.Each, Used: l.used, Total: l.limits.Total}
	}
	l.add(owner, n)
	return nil
}

// Refund subtracts n.
func (l *Ledger) Refund(owner string, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(owner, -min(n, l.held[owner]))
}

// Move moves n from one owner to another, even beyond the limits.
func (l *Ledger) Move(from, to string, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n = min(n, l.held[from])
	l.add(from, -n)
	l.add(to, n)
}

func (l *Ledger) add(owner string, n int) {
	l.used += n
	if l.held[owner] += n; l.held[owner] == 0 {
		delete(l.held, owner)
	}
}

// Held is the amount that the owner has.
func (l *Ledger) Held(owner string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held[owner]
}

// Heaviest is the owner with the largest amount, empty if nobody has anything.
func (l *Ledger) Heaviest() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	heaviest, most := "", 0
	for owner, held := range l.held {
		if held > most || held == most && owner < heaviest {
			heaviest, most = owner, held
		}
	}
	return heaviest
}

// State is the state of a ledger.
type State struct {
	Used, Limit, Owners int
	Refused             uint64 // since the start
}

// State returns the state of the ledger.
func (l *Ledger) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return State{Used: l.used, Limit: l.limits.Total, Owners: len(l.held), Refused: l.refused}
}

// Account returns the account of one owner.
func (l *Ledger) Account(owner string) Account { return Account{l, owner} }

// Account is the account of one owner.
type Account struct {
	ledger *Ledger
	owner  string
}

// Charge adds n, or nothing with a [*Refusal].
func (a Account) Charge(n int) error { return a.ledger.Charge(a.owner, n) }

// Refund subtracts n.
func (a Account) Refund(n int) { a.ledger.Refund(a.owner, n) }
