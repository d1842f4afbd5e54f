package audit

import (
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// How refusals are counted. A caller of one kind of refusal has mostPlain lines in a
// window, and one more that counts the others.
const (
	repeatWindow = time.Minute
	mostPlain    = 20
	// mostKinds bounds the kinds of refusals that are told apart in a window; those of
	// further callers are counted together by their event.
	mostKinds = 1024
)

// kind identifies equal refusals. It has nothing that callers can vary at will, such as the
// token in a path, their port or their process.
type kind struct {
	event, result, caller, from string
	token                       string // where its PIN is locked
	local                       bool
	uid                         uint32
}

// repeat counts one kind in the current window.
type repeat struct {
	lines uint64
	more  uint64 // that have no line
	since time.Time
	last  Record // of them
	ends  time.Time
}

// repeats counts refusals.
type repeats struct {
	mu    sync.Mutex
	kinds map[kind]*repeat
}

// alwaysRecorded are the results that always get a line: successes, and what may have changed
// something. A wrong PIN costs a try.
var alwaysRecorded = [...]string{
	"", "ok", "fault", "unknown", "missing", "failed", "internal", "wrongCode",
	"CKR_PIN_INCORRECT", "CKR_GENERAL_ERROR", "CKR_FUNCTION_FAILED", "CKR_DEVICE_ERROR",
}

// changes reports whether the act was done, or may have been.
func changes(r Record) bool {
	return slices.Contains(alwaysRecorded[:], r.Result) || strings.HasPrefix(r.Result, "HTTP 5") ||
		r.Tries != "" && !strings.HasSuffix(r.Tries, " refused") // a try that was compared, or given back
}

func kindOf(r Record) kind {
	k := kind{event: r.Event, result: r.Result, caller: r.Caller, from: r.From}
	if host, _, err := net.SplitHostPort(r.From); err == nil {
		k.from = host
	}
	if r.Locked {
		k.token = r.Token
	}
	if r.Process != nil {
		k.local, k.uid = true, r.Process.UID
	}
	return k
}

// count reports whether the record is only counted, and gets no line of its own.
func (c *repeats) count(r Record, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if changes(r) {
		c.changed(r.Token)
		return false
	}
	if c.kinds == nil {
		c.kinds = map[kind]*repeat{}
	}
	k := kindOf(r)
	one, known := c.kinds[k]
	if !known && len(c.kinds) >= mostKinds {
		k = kind{event: r.Event}
		one, known = c.kinds[k]
	}
	if !known {
		one = &repeat{ends: now.Add(repeatWindow)}
		c.kinds[k] = one
	}
	if one.lines < mostPlain {
		one.lines++
		return false
	}
	if one.more++; one.more == 1 {
		one.since = now
	}
	one.last = r
	return true
}

// changed resets the counts of refusals for the locked PIN of a token, because the next
// refusal may be the one that locks it.
func (c *repeats) changed(token string) {
	for k, one := range c.kinds {
		if k.token != "" && k.token == token {
			one.lines = 0
		}
	}
}

// due returns and forgets the kinds whose window has ended, or all.
func (c *repeats) due(now time.Time, all bool) (list []Record) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, one := range c.kinds {
		if !all && now.Before(one.ends) {
			continue
		}
		delete(c.kinds, k)
		if one.more > 0 {
			r := one.last
			r.Repeated, r.Since = one.more, one.since.UTC()
			list = append(list, r)
		}
	}
	return list
}

// tellRepeats writes the counts that are due.
func (l *Log) tellRepeats(all bool) {
	for _, r := range l.repeats.due(l.opt.Now(), all) {
		l.mu.Lock()
		err := l.broken
		if err == nil {
			err = l.writeOwn(r, false)
		}
		l.mu.Unlock()
		if err != nil {
			l.failed(err)
		}
	}
}
