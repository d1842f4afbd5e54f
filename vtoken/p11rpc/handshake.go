package p11rpc

import (
	"fmt"
	"io"
)

// Offer is the client's half of the handshake: it sends the newest version that
// the client wants to speak and returns the one that the server chose. Where it
// fails with a version above 0, the server may be one from before versions:
// connect again and offer 0.
func Offer(rw io.ReadWriter, newest byte) (version byte, err error) {
	b := [1]byte{newest}
	if _, err := rw.Write(b[:]); err != nil {
		return 0, fmt.Errorf("offer protocol version %d: %w", newest, err)
	}
	if _, err := io.ReadFull(rw, b[:]); err != nil {
		return 0, fmt.Errorf("read the server's protocol version: %w", err)
	}
	if b[0] > newest || b[0] > MaxVersion && !isExtended(b[0]) {
		return 0, malformed("server chose version %d where %d was offered", b[0], newest)
	}
	return b[0], nil
}

// Accept is the server's half: it reads the client's version and answers with
// the older of that and [MaxVersion], or with [Joined] or [Extended] to a client of
// ours.
func Accept(rw io.ReadWriter) (version byte, err error) {
	var b [1]byte
	if _, err := io.ReadFull(rw, b[:]); err != nil {
		return 0, fmt.Errorf("read the client's protocol version: %w", err)
	}
	switch {
	case b[0] >= Joined:
		b[0] = Joined
	case b[0] >= Extended:
		b[0] = Extended
	default:
		b[0] = min(b[0], MaxVersion)
	}
	if _, err := rw.Write(b[:]); err != nil {
		return 0, fmt.Errorf("answer protocol version %d: %w", b[0], err)
	}
	return b[0], nil
}
