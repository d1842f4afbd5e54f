package walktest

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"time"

	p "vtoken/provisioning"
)

// hotp is RFC 4226, section 5.3.
func (m *token) hotp(counter uint64) string {
	h := hmac.New(sha1.New, m.seed)
	_ = binary.Write(h, binary.BigEndian, counter)
	sum := h.Sum(nil)
	at := sum[len(sum)-1] & 15
	n := binary.BigEndian.Uint32(sum[at:]) & 0x7fffffff
	for mod := uint32(1); ; mod *= 10 {
		if len(fmt.Sprint(mod)) > m.digits {
			return fmt.Sprintf("%0*d", m.digits, n%mod)
		}
	}
}

func (m *token) step(now time.Time) uint64 { return uint64(now.Unix()) / uint64(m.period) }

// window is the counters that a password may be of.
func (m *token) window(sync bool, now time.Time) (from, to uint64) {
	at, width := m.next, uint64(10)
	if m.period > 0 {
		at, width = uint64(int64(m.step(now))+int64(m.drift)), 1
	}
	if sync && m.period == 0 {
		width = 1000
	} else if sync {
		at, width = m.step(now), 120
	}
	return at - min(at, width), at + width
}

// guess is a counter that a holder's next password might be of.
func (m *token) guess(w *walk) uint64 {
	w.breathe()
	from, to := m.window(false, w.now)
	return from + w.rng.Uint64N(to-from+2)
}

// try takes the passwords of a row of counters and says how that is answered.
func (m *token) try(sync bool, now time.Time, row ...string) p.Kind {
	if m.wrong >= 10 {
		return p.WrongState
	}
	m.wrong++
	from, to := m.window(sync, now)
	for c := max(from, m.next); c <= to; c++ {
		if m.hotp(c) != row[0] || len(row) > 1 && m.hotp(c+1) != row[1] {
			continue
		}
		last := c + uint64(len(row)) - 1
		m.next, m.wrong, m.enrolled = last+1, 0, true
		if m.period > 0 {
			m.drift = max(-120, min(120, int(int64(last)-int64(m.step(now)))))
		}
		return done
	}
	return p.WrongCode
}

// usable reports whether some holder may use the token now.
func (w *walk) usable(m *token) bool {
	for _, h := range m.holders {
		if !h.suspended && w.users[h.login].enabled {
			return true
		}
	}
	return false
}
