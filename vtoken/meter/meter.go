package meter

import (
	"errors"
	"sync"

	"vtoken/vtoken/ck"
)

// Account is what one user may make the daemon hold, in bytes. Its methods are safe for
// concurrent use and do not wait.
type Account interface {
	// Charge takes n bytes, or none and says why.
	Charge(n int) error
	// Refund gives n bytes back that were charged.
	Refund(n int)
}

// Purse pays for the memory of one holder. Its methods are safe for concurrent use. The
// errors carry CKR_DEVICE_MEMORY, or CKR_SESSION_HANDLE_INVALID where the holder has ended.
type Purse struct {
	account Account
	advance int // is paid from the beginning to the end
	step    int // in which more is paid; 0 is exactly what is taken

	mu    sync.Mutex
	used  int
	paid  int
	ended bool
}

// Open makes a purse that has paid the advance. A nil account pays for everything.
func Open(account Account, advance, step int) (*Purse, error) {
	p := &Purse{account: account, advance: advance, step: step, paid: advance}
	if err := Charge(account, advance); err != nil {
		return nil, err
	}
	return p, nil
}

// Charge charges an account, which may be nil. The error carries CKR_DEVICE_MEMORY.
func Charge(account Account, n int) error {
	if account == nil {
		return nil
	}
	if err := account.Charge(n); err != nil {
		return ck.Errorf(ck.CKR_DEVICE_MEMORY, "%w: %w", ErrOver, err)
	}
	return nil
}

// ErrOver is in every error of an account that has not enough.
var ErrOver = errors.New("over the limit of memory")

// Refund gives back what [Charge] took.
func Refund(account Account, n int) {
	if account != nil {
		account.Refund(n)
	}
}

// slack is how many steps a purse keeps that it does not use, so that memory that comes
// and goes is not charged each time.
const slack = 4

// Take pays for n bytes more.
func (p *Purse) Take(n int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return ck.Errorf(ck.CKR_SESSION_HANDLE_INVALID, "the connection or session ended meanwhile")
	}
	missing := p.used + n - p.paid
	if missing <= 0 {
		p.used += n
		return nil
	}
	rounded := missing
	if p.step > 0 {
		rounded = (missing + p.step - 1) / p.step * p.step
	}
	err := Charge(p.account, rounded)
	if err != nil && rounded > missing {
		rounded = missing
		err = Charge(p.account, rounded)
	}
	if err != nil {
		return err
	}
	p.used += n
	p.paid += rounded
	return nil
}

// Give says that n bytes of those that were taken are free.
func (p *Purse) Give(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	p.used -= n
	if keep := max(p.used+p.step, p.advance); p.paid > max(keep, p.used+slack*p.step) {
		Refund(p.account, p.paid-keep)
		p.paid = keep
	}
}

// End gives everything back. It may be called twice.
func (p *Purse) End() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		p.ended = true
		Refund(p.account, p.paid)
		p.paid, p.used = 0, 0
	}
}
