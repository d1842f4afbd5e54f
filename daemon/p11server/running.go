package p11server

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"vtoken/daemon/peer"
)

// Running is an application as administrators see it. It has a number of its own, because the
// id of one that joined is half of what a ticket needs.
type Running struct {
	History
	Client Client
	// Process is the one that began the application. Its Started may be unknown.
	Process     peer.Process
	Connections int
	// Used is when its last call began.
	Used time.Time
}

// History is what is known of an application since it began. It goes over a planned restart.
type History struct {
	// Number is the application's own: no other one of this daemon has it, nor one of a
	// daemon that was started later. 0 is none.
	Number uint64
	Begun  time.Time
	// Calls counts its calls so far.
	Calls uint64
}

// firstNumber is where a server begins to number applications. One that begins later begins
// above all numbers of this one, unless 32 applications begin in each hundredth of a second.
func firstNumber(now time.Time) uint64 {
	const epoch = 1735689600_000 // 2025, so that numbers stay short
	return uint64(max(now.UnixMilli()-epoch, 0)/10) << 5
}

// numberDigits is how many digits a number has, so that their order is that of the numbers.
const numberDigits = 8

// NewNumber returns a number that no application of this server has.
func (s *Server) NewNumber() uint64 { return s.numbers.Add(1) }

// FormatNumber writes the number of an application in eight digits and small letters.
func FormatNumber(n uint64) string {
	text := strconv.FormatUint(n, 36)
	return strings.Repeat("0", max(numberDigits-len(text), 0)) + text
}

// Applications lists the applications between their C_Initialize and their end, the oldest
// first.
func (s *Server) Applications() []Running {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := make(map[*application]*Running)
	note := func(a *application, process peer.Process) *Running {
		r := found[a]
		if client := a.get(); r == nil && client != nil {
			r = &Running{Client: client, Process: process, History: a.history(), Used: timeOf(a.used.Load())}
			found[a] = r
		}
		return r
	}
	for _, a := range s.applications {
		note(a, a.joined.process)
	}
	for c := range s.conns {
		r := note(c.app.Load(), c.peer)
		if r == nil {
			continue
		}
		r.Connections++
		r.Calls += c.calls.Load()
		if used := timeOf(c.used.Load()); used.After(r.Used) {
			r.Used = used
		}
	}
	list := make([]Running, 0, len(found))
	for _, r := range found {
		list = append(list, *r)
	}
	slices.SortFunc(list, func(a, b Running) int { return cmp.Compare(a.Number, b.Number) })
	return list
}

// timeOf is the time of a conn.used.
func timeOf(used int64) time.Time {
	if used == 0 {
		return time.Time{}
	}
	return time.Unix(0, used)
}

// history is that of the application, which has begun, without the calls of its connections.
func (a *application) history() History {
	b := a.birth.Load()
	return History{Number: b.number, Begun: b.at, Calls: a.calls.Load()}
}

// numberAbove has the server number applications above those that it adopts.
func (s *Server) numberAbove(list []FrozenApplication) {
	for _, one := range list {
		s.numbers.Store(max(s.numbers.Load(), one.History.Number))
	}
}

// adoptHistory makes an application without a client, with the history that it had.
func (s *Server) adoptHistory(h History) *application {
	b := &birth{number: h.Number, at: h.Begun}
	if b.number == 0 {
		b.number, b.at = s.numbers.Add(1), time.Now()
	}
	a := &application{}
	a.birth.Store(b)
	a.calls.Store(h.Calls)
	return a
}
