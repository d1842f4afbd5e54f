package p11rpc

// Extended is version 2 with more: the calls that p11-kit does not have
// ([CallEncapsulateKey] and those after it), and the parameters of mechanisms that
// p11-kit would pass on as bytes of host memory, pointers included. These travel field
// by field. Our client offered this version up to 0.2. A server of p11-kit answers with its
// own newest version, which is lower, and both sides speak that. The number leaves room for
// p11-kit's versions to come.
const Extended = 0xf0 | MaxVersion

// Joined is [Extended] for an application with several connections, which outlives them:
// each connection begins with [CallJoin] instead of [CallInitialize]. Our client offers this
// version.
const Joined = 0xf8 | MaxVersion

// Versions returns the versions that this package speaks.
func Versions() []byte { return []byte{0, 1, 2, Extended, Joined} }

// isExtended reports whether a version has what p11-kit does not.
func isExtended(version byte) bool { return version == Extended || version == Joined }

// Sizes of the arguments of [CallJoin], in bytes.
const (
	// ApplicationIDSize is the size of the id of an application. The client makes it at
	// random.
	ApplicationIDSize = 16
	// TicketSize is the size of the secret that belongs to the id. The client makes it at
	// random, and never shows it to anybody but the daemon.
	TicketSize = 32
)

// Joining is the answer to [CallJoin].
type Joining uint64

const (
	// JoinedNew means that the daemon did not know the application. Its sessions are gone.
	JoinedNew Joining = iota
	// JoinedLive means that the application lives, and the connection is one more of it.
	JoinedLive
	// JoinedResumed means that the application was known to an earlier daemon, and may
	// have its sessions and logins back ([CallResume]).
	JoinedResumed
)

// ResumedSession is a session in the request of [CallResume].
type ResumedSession struct {
	// Handle is the daemon's handle of the session, which it gets back.
	Handle uint64
	// Slot is the slot of its token.
	Slot uint64
	// Flags are those of C_OpenSession.
	Flags uint64
}

// MaxResumed bounds the sessions of one CallResume. A client with more makes several calls.
const MaxResumed = 4096

// ResumedSessions writes the request of CallResume.
func (e *Encoder) ResumedSessions(list []ResumedSession) {
	numbers := make([]uint64, 0, 3*len(list))
	for _, s := range list {
		numbers = append(numbers, s.Handle, s.Slot, s.Flags)
	}
	Ulongs(e, numbers)
}

// ResumedSessions reads the request of CallResume.
func (d *Decoder) ResumedSessions() []ResumedSession {
	numbers, n := UlongList[uint64](d)
	if n%3 != 0 || n > 3*MaxResumed || uint64(len(numbers)) != n {
		d.fail("%v with %d numbers; each session has 3, and there are at most %d", d.call, n, MaxResumed)
		return nil
	}
	list := make([]ResumedSession, 0, n/3)
	for ; len(numbers) > 0; numbers = numbers[3:] {
		list = append(list, ResumedSession{Handle: numbers[0], Slot: numbers[1], Flags: numbers[2]})
	}
	return list
}
