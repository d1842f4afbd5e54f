package attack

import (
	"fmt"
	"net"
	"os"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// wire is a connection to the daemon that sends whatever frames it is asked to. A
// connection is one application.
type wire struct {
	net.Conn
	version byte
	in      *p11rpc.Reader
	enc     p11rpc.Encoder
	dec     p11rpc.Decoder
	code    uint32
}

// dial connects to the daemon and calls C_Initialize.
func dial(version byte) (*wire, error) {
	conn, err := net.Dial("unix", os.Getenv("VTOKEN_P11_SOCKET"))
	if err != nil {
		return nil, err
	}
	w := &wire{Conn: conn, in: p11rpc.NewReader(conn)}
	if w.version, err = p11rpc.Offer(conn, version); err != nil {
		conn.Close()
		return nil, fmt.Errorf("shaking hands: %w", err)
	}
	w.enc.Version, w.dec.Version = w.version, w.version
	w.begin(p11rpc.CallInitialize)
	w.enc.Data([]byte(p11rpc.Magic))
	w.enc.Byte(0)
	w.enc.Data([]byte{})
	if err := w.roundTrip(p11rpc.CallInitialize); err != nil {
		conn.Close()
		return nil, fmt.Errorf("C_Initialize: %w", err)
	}
	return w, w.dec.Done()
}

// begin starts a request; its values are written to w.enc.
func (w *wire) begin(call p11rpc.CallID) {
	w.code++
	w.enc.Reset()
	w.enc.BeginRequest(w.code, call)
}

// roundTrip sends the request and starts to read the answer. The error is a bare ck.Error
// where the call failed; every other one means that the connection is of no use.
func (w *wire) roundTrip(call p11rpc.CallID) error {
	if err := w.enc.End(); err != nil {
		return fmt.Errorf("writing %v: %w", call, err)
	}
	if _, err := w.Write(w.enc.Bytes()); err != nil {
		return fmt.Errorf("sending %v: %w", call, err)
	}
	f, err := w.in.Next()
	if err != nil {
		return fmt.Errorf("waiting for the answer to %v: %w", call, err)
	}
	if f.Code != w.code {
		return fmt.Errorf("the answer to %v has code %d, not %d", call, f.Code, w.code)
	}
	err = w.dec.Response(f.Body, call)
	if rv, ok := err.(ck.Error); ok {
		return rv
	}
	if err != nil {
		return fmt.Errorf("reading the answer to %v: %w", call, err)
	}
	return nil
}

// add adds a request to those that are sent together. Its answers are for whoever reads
// them.
func (w *wire) add(call p11rpc.CallID, write func(*p11rpc.Encoder)) {
	w.code++
	w.enc.BeginRequest(w.code, call)
	write(&w.enc)
	_ = w.enc.End()
}

// send sends what was added.
func (w *wire) send() error {
	_, err := w.Write(w.enc.Bytes())
	w.enc.Reset()
	return err
}

// call makes one call, whose answer w.dec then reads.
func (w *wire) call(call p11rpc.CallID, write func(*p11rpc.Encoder)) error {
	w.begin(call)
	write(&w.enc)
	return w.roundTrip(call)
}
