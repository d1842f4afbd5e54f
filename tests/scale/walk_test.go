package scale

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/miekg/pkcs11"
)

// threads is how many goroutines work in one process, each at desks of its own.
const threads = 2

// walker is one goroutine's random walk.
type walker struct {
	p     *pkcs11.Ctx
	rng   *rand.Rand
	desks []*desk
	all   []card
	done  tally
}

// step is one kind of step; likely is how often it is chosen beside the others.
type step struct {
	name   string
	likely int
	take   func(*walker, *desk) error
}

var steps = [...]step{
	{"token info", 6, (*walker).tokenInfo},
	{"slot list", 1, (*walker).slotList},
	{"session info", 6, (*walker).sessionInfo},
	{"open", 12, (*walker).open},
	{"close", 6, (*walker).close},
	{"close all", 1, (*walker).closeAll},
	{"log in", 10, (*walker).logIn},
	{"log out", 3, (*walker).logOut},
	{"wrong PIN", 1, (*walker).wrongPIN},
	{"create", 14, (*walker).create},
	{"destroy", 6, (*walker).destroy},
	{"read", 12, (*walker).read},
	{"read what is gone", 3, (*walker).readGone},
	{"read of another card", 6, (*walker).readOther},
	{"find", 12, (*walker).find},
	{"sign", 10, (*walker).sign},
	{"random", 4, (*walker).random},
}

// walk is a process's work: tokens are asked about before any list of slots,
// since every slot id that was ever told is good in any order (sigstore/cosign#4768).
func (o order) walk() (done tally, err error) {
	p := pkcs11.New(o.Module)
	if p == nil {
		return done, fmt.Errorf("%s cannot be loaded", o.Module)
	}
	if err := p.Initialize(); err != nil {
		return done, err
	}
	end := time.Now().Add(o.Time)
	walkers, errs := make([]*walker, threads), make([]error, threads)
	var wg sync.WaitGroup
	for i := range threads {
		w := &walker{p: p, rng: rand.New(rand.NewPCG(o.Seed, uint64(i))), all: o.Cards, done: tally{Steps: map[string]int{}}}
		for n, c := range o.Cards {
			if n/processes%threads == i {
				w.desks = append(w.desks, newDesk(c))
			}
		}
		walkers[i] = w
		wg.Go(func() { errs[i] = w.until(end) })
	}
	wg.Wait()
	done.Steps = map[string]int{}
	for _, w := range walkers {
		done.add(w.done)
	}
	return done, errors.Join(append(errs, p.Finalize())...)
}

// until takes steps until the time is over, every third one at a desk of a card
// that is this process's own.
func (w *walker) until(end time.Time) error {
	var mine []*desk
	for _, d := range w.desks {
		if d.Mine {
			mine = append(mine, d)
		}
	}
	var lots []step
	for _, s := range steps {
		lots = append(lots, slices.Repeat([]step{s}, s.likely)...)
	}
	for n := 0; time.Now().Before(end); n++ {
		among := w.desks
		if n%3 == 0 {
			among = mine
		}
		d, s := among[w.rng.IntN(len(among))], lots[w.rng.IntN(len(lots))]
		if err := s.take(w, d); err != nil {
			return fmt.Errorf("step %d, %s at %s: %w", n, s.name, d.Label, err)
		}
		w.done.Steps[s.name]++
	}
	return nil
}

// ok is the code of success in the tables of expected codes.
const ok = pkcs11.Error(pkcs11.CKR_OK)

// call makes a call and compares its code with those that are right.
func (w *walker) call(do func() error, right ...pkcs11.Error) error {
	begin := time.Now()
	err := do()
	w.done.Longest = max(w.done.Longest, time.Since(begin))
	w.done.Calls++
	code := ok
	if err != nil && !errors.As(err, &code) {
		return err
	}
	if !slices.Contains(right, code) {
		return fmt.Errorf("the code is %v; right is %v", code, right)
	}
	return nil
}

// session is a session at the desk, or now and then a handle that is none.
func (w *walker) session(d *desk) (h pkcs11.SessionHandle, writable, open bool) {
	handles := slices.Sorted(maps.Keys(d.sessions))
	if len(handles) == 0 || w.rng.IntN(50) == 0 {
		return 1 << 60, false, false
	}
	h = handles[w.rng.IntN(len(handles))]
	return h, d.sessions[h], true
}

func (w *walker) tokenInfo(d *desk) error {
	var info pkcs11.TokenInfo
	err := w.call(func() (err error) { info, err = w.p.GetTokenInfo(d.Slot); return err }, ok)
	if err == nil && (info.Label != d.Label || info.SerialNumber != d.Serial) {
		err = fmt.Errorf("slot %d has token %q (%s)", d.Slot, info.Label, info.SerialNumber)
	}
	return err
}

func (w *walker) slotList(*desk) error {
	var slots []uint
	err := w.call(func() (err error) { slots, err = w.p.GetSlotList(true); return err }, ok)
	for _, c := range w.all {
		if err == nil && !slices.Contains(slots, c.Slot) {
			err = fmt.Errorf("slot %d of %s is missing", c.Slot, c.Label)
		}
	}
	return err
}

func (w *walker) sessionInfo(d *desk) error {
	h, writable, open := w.session(d)
	var info pkcs11.SessionInfo
	err := w.call(func() (err error) { info, err = w.p.GetSessionInfo(h); return err }, inSession(open))
	if err == nil && open && (info.SlotID != d.Slot || info.State != d.state(writable)) {
		err = fmt.Errorf("the session is of slot %d in state %d; right is slot %d, state %d", info.SlotID, info.State, d.Slot, d.state(writable))
	}
	return err
}

// inSession is the code of a call that needs nothing but its session.
func inSession(open bool) pkcs11.Error {
	if open {
		return ok
	}
	return pkcs11.CKR_SESSION_HANDLE_INVALID
}

func (w *walker) open(d *desk) error {
	const most = 8
	if len(d.sessions) >= most {
		return w.close(d)
	}
	writable, flags := w.rng.IntN(3) > 0, uint(pkcs11.CKF_SERIAL_SESSION)
	right := ok
	if writable {
		flags |= pkcs11.CKF_RW_SESSION
	} else if d.login == "so" {
		right = pkcs11.CKR_SESSION_READ_WRITE_SO_EXISTS
	}
	var h pkcs11.SessionHandle
	err := w.call(func() (err error) { h, err = w.p.OpenSession(d.Slot, flags); return err }, right)
	if err == nil && right == ok {
		d.sessions[h] = writable
	}
	return err
}

func (w *walker) close(d *desk) error {
	h, _, open := w.session(d)
	err := w.call(func() error { return w.p.CloseSession(h) }, inSession(open))
	if err == nil && open {
		d.closed(h)
	}
	return err
}

func (w *walker) closeAll(d *desk) error {
	err := w.call(func() error { return w.p.CloseAllSessions(d.Slot) }, ok)
	for h := range d.sessions {
		d.closed(h)
	}
	return err
}

// mayLogIn is the code of a login with the right PIN.
func (d *desk) mayLogIn(who string, open bool) pkcs11.Error {
	switch {
	case !open:
		return pkcs11.CKR_SESSION_HANDLE_INVALID
	case d.login == who:
		return pkcs11.CKR_USER_ALREADY_LOGGED_IN
	case d.login != "":
		return pkcs11.CKR_USER_ANOTHER_ALREADY_LOGGED_IN
	case who == "so" && d.readOnly():
		return pkcs11.CKR_SESSION_READ_ONLY_EXISTS
	}
	return ok
}

func (w *walker) logIn(d *desk) error {
	who, kind, pin := "user", uint(pkcs11.CKU_USER), d.PIN
	if w.rng.IntN(8) == 0 {
		who, kind, pin = "so", pkcs11.CKU_SO, d.SOPIN
	}
	h, _, open := w.session(d)
	right := d.mayLogIn(who, open)
	err := w.call(func() error { return w.p.Login(h, kind, pin) }, right)
	if err == nil && right == ok {
		d.login = who
	}
	return err
}

func (w *walker) logOut(d *desk) error {
	h, _, open := w.session(d)
	right := inSession(open)
	if open && d.login == "" {
		right = pkcs11.CKR_USER_NOT_LOGGED_IN
	}
	err := w.call(func() error { return w.p.Logout(h) }, right)
	if err == nil && right == ok {
		d.loggedOut()
	}
	return err
}

// wrongPIN gives a wrong PIN and then the right one, so that the count of wrong
// tries never gets far.
func (w *walker) wrongPIN(d *desk) error {
	h, _, open := w.session(d)
	if !d.Mine || d.mayLogIn("user", open) != ok {
		return w.random(d)
	}
	if err := w.call(func() error { return w.p.Login(h, pkcs11.CKU_USER, "no"+d.PIN) }, pkcs11.CKR_PIN_INCORRECT); err != nil {
		return err
	}
	err := w.call(func() error { return w.p.Login(h, pkcs11.CKU_USER, d.PIN) }, ok)
	if err == nil {
		d.login = "user"
	}
	return err
}

func (w *walker) random(d *desk) error {
	h, _, open := w.session(d)
	return w.call(func() error { _, err := w.p.GenerateRandom(h, 16); return err }, inSession(open))
}
