package observe

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// How many lines a user may have in the log: peerBurst at once, and one more every
// peerEvery. What is over is counted, and the count is told within peerEvery.
const (
	peerBurst = 20
	peerEvery = time.Minute
	// maxPeers bounds the users that are kept apart. More share the last share.
	maxPeers = 1024
)

// uidAttr is the name under which the servers log the user of a peer.
const uidAttr = "uid"

// PeerLog is a slog handler that keeps users from filling the log: it limits the lines of
// loggers with the attribute uid for each user. Other lines, and debug lines, are not limited.
type PeerLog struct {
	slog.Handler
	shares *shares
	uid    slog.Value // of the logger, where it has one
	peer   bool
}

// NewPeerLog writes to h.
func NewPeerLog(h slog.Handler) *PeerLog {
	return &PeerLog{Handler: h, shares: &shares{now: time.Now, of: map[string]*share{}}}
}

// WithAttrs looks for the user.
func (l *PeerLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	next := *l
	next.Handler = l.Handler.WithAttrs(attrs)
	for _, a := range attrs {
		if a.Key == uidAttr {
			next.uid, next.peer = a.Value, true
		}
	}
	return &next
}

// WithGroup keeps the user.
func (l *PeerLog) WithGroup(name string) slog.Handler {
	next := *l
	next.Handler = l.Handler.WithGroup(name)
	return &next
}

// Handle writes or counts the line.
func (l *PeerLog) Handle(ctx context.Context, r slog.Record) error {
	if !l.peer || r.Level < slog.LevelInfo {
		return l.Handler.Handle(ctx, r)
	}
	if l.shares.take(l.uid.String(), l.tell) {
		return l.Handler.Handle(ctx, r)
	}
	return nil
}

// tell writes how many lines were dropped.
func (l *PeerLog) tell(left int) {
	r := slog.NewRecord(time.Now(), slog.LevelWarn, "dropped log lines about this user, who causes too many", 0)
	r.AddAttrs(slog.Int("lines", left), slog.Int("a minute", int(time.Minute/peerEvery)), slog.Int("at once", peerBurst))
	_ = l.Handler.Handle(context.Background(), r) // there is nobody to tell
}

// shares are the lines that each user may still write.
type shares struct {
	mu  sync.Mutex
	now func() time.Time
	of  map[string]*share
}

// share is a token bucket of one user.
type share struct {
	lines float64
	at    time.Time
	left  int // left out, and not told yet
}

// take reports whether the user may write a line. If not, tell is called within peerEvery with
// the number of dropped lines.
func (s *shares) take(uid string, tell func(left int)) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.share(uid)
	if b.lines >= 1 {
		b.lines--
		return true
	}
	if b.left++; b.left == 1 {
		time.AfterFunc(peerEvery, func() { tell(s.toldOf(b)) })
	}
	return false
}

// toldOf returns and resets the number of dropped lines.
func (s *shares) toldOf(b *share) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := b.left
	b.left = 0
	return left
}

// share returns the bucket of a user, refilled. s.mu is locked.
func (s *shares) share(uid string) *share {
	b := s.of[uid]
	if b == nil && len(s.of) >= maxPeers {
		s.forget()
	}
	if b == nil && len(s.of) >= maxPeers {
		uid = "" // all of them together
		b = s.of[uid]
	}
	if b == nil {
		b = &share{lines: peerBurst, at: s.now()}
		s.of[uid] = b
	}
	b.fill(s.now())
	return b
}

func (b *share) fill(now time.Time) {
	b.lines = min(peerBurst, b.lines+float64(now.Sub(b.at))/float64(peerEvery))
	b.at = now
}

// forget drops full buckets, which equal new ones. s.mu is locked.
func (s *shares) forget() {
	for uid, b := range s.of {
		if b.fill(s.now()); b.lines >= peerBurst && b.left == 0 {
			delete(s.of, uid)
		}
	}
}
