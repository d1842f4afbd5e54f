package p11server

import (
	"context"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// cancelable has key pairs take until the client is cancelled, and says when one has begun.
func cancelable(begun chan<- struct{}) func(*fakeClient) {
	return func(f *fakeClient) {
		f.genPair = func(ck.SessionHandle) error {
			begun <- struct{}{}
			<-f.canceled
			return ck.CKR_FUNCTION_CANCELED
		}
	}
}

// addPair puts C_GenerateKeyPair in the session behind the requests that wait to be sent.
func (c *caller) addPair(h ck.SessionHandle) {
	c.add(p11rpc.CallGenerateKeyPair, func(e *p11rpc.Encoder) {
		e.Ulong(uint64(h))
		e.Mechanism(&ck.Mechanism{Type: ck.CKM_RSA_PKCS_KEY_PAIR_GEN})
		e.Template(nil)
		e.Template(nil)
	})
}

// TestCancelled: slow work ends with its client, however many requests stand before the end
// of the connection.
func TestCancelled(t *testing.T) {
	for name, pairs := range map[string]int{"one": 1, "as many as are worked on": maxRequests, "more than are read": 3 * maxRequests} {
		t.Run(name, func(t *testing.T) {
			begun := make(chan struct{}, pairs)
			s := serve(t, Options{}, cancelable(begun))
			c, app := s.initialized(t)
			for i := range pairs {
				c.addPair(ck.SessionHandle(i + 1))
			}
			c.send()
			<-begun
			require.NoError(t, c.sock.Close())
			<-app.canceled
			<-app.closed
			require.Contains(t, app.seen(), "cancel")
		})
	}
}

// A server that shuts down lets work come to its end.
func TestShutdownDoesNotCancel(t *testing.T) {
	begun := make(chan struct{}, 1)
	goOn := make(chan struct{})
	s := serve(t, Options{}, func(f *fakeClient) {
		f.genPair = func(ck.SessionHandle) error {
			begun <- struct{}{}
			<-goOn
			return nil
		}
	})
	c, app := s.initialized(t)
	c.addPair(1)
	c.send()
	<-begun
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(context.Background()) }()
	for !s.isClosing() {
		runtime.Gosched()
	}
	close(goOn)
	require.NoError(t, <-done)
	require.NotContains(t, app.seen(), "cancel")
}
