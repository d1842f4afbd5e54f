package remote

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// objectCalls answers the calls that make, change and destroy objects, and notes those that
// make objects again. Objects get the numbers from 1000 on.
type objectCalls struct {
	mu       sync.Mutex
	next     uint64
	restored []string
	refuse   ck.Error // CKR_OK refuses nothing
	before   func(call p11rpc.CallID) (hangUp bool)
	after    func(call p11rpc.CallID)
}

func (o *objectCalls) answer(f *fakeConn, code uint32, call p11rpc.CallID, dec *p11rpc.Decoder) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.before != nil && o.before(call) {
		return true
	}
	switch call {
	case p11rpc.CallCreateObject, p11rpc.CallCopyObject:
		o.next++
		made := 999 + o.next
		f.reply(code, call, func(e *p11rpc.Encoder) { e.Ulong(made) })
	case p11rpc.CallSetAttributeValue:
		dec.Ulong()
		o.restored = append(o.restored, fmt.Sprintf("set %d %s", dec.Ulong(), labelOf(dec.Template())))
		f.reply(code, call, func(*p11rpc.Encoder) {})
	case p11rpc.CallRestoreObject:
		dec.Ulong()
		o.restored = append(o.restored, fmt.Sprintf("%d of %d %s", dec.Ulong(), dec.Ulong(), labelOf(dec.Template())))
		if o.refuse != ck.CKR_OK {
			f.refuse(code, o.refuse)
			return true
		}
		f.reply(code, call, func(*p11rpc.Encoder) {})
	default:
		return false
	}
	if o.after != nil {
		o.after(call)
	}
	return true
}

func (o *objectCalls) made() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := o.restored
	o.restored = nil
	return list
}

func labelOf(t ck.Template) string {
	a, _ := t.Find(ck.CKA_LABEL)
	return string(a.Value)
}

func copyTemplate(label string) ck.Template {
	return ck.Template{ck.Bool(ck.CKA_TOKEN, false), ck.String(ck.CKA_LABEL, label)}
}

func newObject(class ck.ObjectClass, label string, more ...ck.Attribute) ck.Template {
	return append(ck.Template{ck.Ulong(ck.CKA_CLASS, class), ck.String(ck.CKA_LABEL, label)}, more...)
}

// The next daemon is asked to make copies and public objects again, in their order, with their
// changes; and nothing that ended, that the token has, or that holds a secret.
func TestSessionObjectsAreMadeAgain(t *testing.T) {
	d, o := startJoined(t), new(objectCalls)
	d.handle(o.answer)
	c := d.client(patience)
	h, closed := openSession(t, c), openSession(t, c)
	makeCopy := func(h ck.SessionHandle, source ck.ObjectHandle, template ck.Template) ck.ObjectHandle {
		made, err := c.CopyObject(h, source, template)
		require.NoError(t, err)
		return made
	}
	create := func(template ck.Template) ck.ObjectHandle {
		made, err := c.CreateObject(h, template)
		require.NoError(t, err)
		return made
	}
	template := copyTemplate("copy")
	first := makeCopy(h, 5, template)
	template[1].Value[0] = 'X' // it is the host's memory
	makeCopy(h, first, nil)
	makeCopy(h, 5, nil)            // one of the token
	makeCopy(h, 77, ck.Template{}) // of nothing that is known
	makeCopy(closed, 5, copyTemplate("closed"))
	destroyed := makeCopy(h, 5, copyTemplate("destroyed"))
	create(newObject(ck.CKO_PUBLIC_KEY, "public"))
	create(newObject(ck.CKO_CERTIFICATE, "certificate"))
	create(newObject(ck.CKO_CERTIFICATE, "in the token", ck.Bool(ck.CKA_TOKEN, true)))
	create(newObject(ck.CKO_SECRET_KEY, "secret"))
	create(newObject(ck.CKO_PRIVATE_KEY, "private"))
	create(newObject(ck.CKO_DATA, "data"))
	create(newObject(ck.CKO_CERTIFICATE, "large", ck.Bytes(ck.CKA_VALUE, make([]byte, largestTemplate))))
	require.NoError(t, c.SetAttributeValue(h, first, copyTemplate("changed")))
	require.NoError(t, c.DestroyObject(h, destroyed))
	require.NoError(t, c.CloseSession(closed))
	require.Equal(t, []string{"set 1000 changed"}, o.made())

	again := []string{"1000 of 5 copy", "set 1000 changed", "1001 of 1000 ", "1006 of 0 public", "1007 of 0 certificate"}
	for range 2 {
		d.restart()
		require.NoError(t, sign(t, c, h, 3))
		require.Equal(t, again, o.made())
	}
	o.mu.Lock()
	o.refuse = ck.CKR_OBJECT_HANDLE_INVALID
	o.mu.Unlock()
	d.restart()
	require.NoError(t, sign(t, c, h, 3), "a daemon that refuses an object has the session")
	require.Equal(t, again, o.made())

	require.NoError(t, c.Logout(h))
	d.restart()
	require.NoError(t, sign(t, c, h, 3))
	require.Equal(t, []string{"1006 of 0 public", "1007 of 0 certificate"}, o.made(), "copies are private")
	makeCopy(h, 5, copyTemplate("later"))
	require.NoError(t, c.Login(h, ck.CKU_USER, nil))
	o.made()
	d.restart()
	require.NoError(t, sign(t, c, h, 3))
	require.Len(t, o.made(), 2, "a login begins without private session objects")
}

// What is remembered is bounded, and what ended makes room.
func TestRememberedObjectsAreBounded(t *testing.T) {
	d, o := startJoined(t), new(objectCalls)
	d.handle(o.answer)
	c := d.client(patience)
	h, other := openSession(t, c), openSession(t, c)
	for range mostRemembered + 10 {
		_, err := c.CopyObject(other, 5, copyTemplate("x"))
		require.NoError(t, err)
	}
	require.Len(t, c.sessions.objects, mostRemembered)
	require.NoError(t, c.CloseSession(other))
	last, err := c.CopyObject(h, 5, copyTemplate("x"))
	require.NoError(t, err)
	require.Len(t, c.sessions.objects, 1)
	for range largestTemplate / 1000 {
		require.NoError(t, c.SetAttributeValue(h, last, ck.Template{ck.Bytes(ck.CKA_LABEL, make([]byte, 1000))}))
	}
	require.Len(t, c.sessions.objects, 1)
	require.NoError(t, c.SetAttributeValue(h, last, ck.Template{ck.Bytes(ck.CKA_LABEL, make([]byte, 1000))}))
	require.Empty(t, c.sessions.objects, "with its changes it is too large")
}

// A daemon that ends right after it has answered has done what it said, and the next one has
// only what the client remembers. So an object is made or destroyed once more, and of a change
// nobody knows.
func TestObjectsWhileTheDaemonEnds(t *testing.T) {
	d, o := startJoined(t), new(objectCalls)
	d.handle(o.answer)
	c := d.client(patience)
	h := openSession(t, c)
	for call, act := range map[p11rpc.CallID]func(ck.ObjectHandle) error{
		p11rpc.CallCopyObject: func(ck.ObjectHandle) error {
			made, err := c.CopyObject(h, 5, copyTemplate("x"))
			require.NotNil(t, c.sessions.objects[made])
			return err
		},
		p11rpc.CallDestroyObject:     func(copied ck.ObjectHandle) error { return c.DestroyObject(h, copied) },
		p11rpc.CallSetAttributeValue: func(copied ck.ObjectHandle) error { return c.SetAttributeValue(h, copied, copyTemplate("y")) },
	} {
		copied, err := c.CopyObject(h, 5, copyTemplate("x"))
		require.NoError(t, err)
		x := c.request(nil, call, p11rpc.Joined)
		x.conn = &conn{client: c, version: p11rpc.Joined, life: c.life.Load() - 1}
		x.session = c.sessions.find(h)
		switch call {
		case p11rpc.CallCopyObject:
			require.False(t, c.sessions.remember(x, sessionObject{handle: 7, source: 5, template: copyTemplate("x")}))
			require.Nil(t, c.sessions.objects[7])
		case p11rpc.CallDestroyObject:
			require.False(t, c.sessions.destroyed(x, copied))
		default:
			require.False(t, c.sessions.change(x, copied, copyTemplate("y")))
			require.True(t, c.sessions.change(x, 12345, copyTemplate("y")), "of an object that nobody remembers")
		}
		x.free()
		require.NoError(t, act(copied))
	}
}

// A daemon that ends while it makes objects again is no daemon: the next one makes all of them.
func TestDaemonEndsWhileItMakesObjects(t *testing.T) {
	d, o := startJoined(t), new(objectCalls)
	d.handle(o.answer)
	c := d.client(patience)
	h := openSession(t, c)
	for range 3 {
		_, err := c.CopyObject(h, 5, copyTemplate("x"))
		require.NoError(t, err)
	}
	ends := 2
	o.mu.Lock()
	o.before = func(call p11rpc.CallID) bool {
		if call == p11rpc.CallRestoreObject && ends > 0 {
			ends--
			d.restart()
			return true
		}
		return false
	}
	o.mu.Unlock()
	d.restart()
	require.NoError(t, sign(t, c, h, 3))
	require.Equal(t, []string{"1000 of 5 x", "1001 of 5 x", "1002 of 5 x"}, o.made())
}

// The first call of a client waits for a daemon where its process was forked from one that had
// a daemon, and does not wait where there never was one.
func TestFirstCallOfChild(t *testing.T) {
	d := startJoined(t)
	connected := 0
	first := New(Options{Socket: func() string { return d.path }, Timeout: patience, Connected: func() { connected++ }})
	t.Cleanup(first.Close)
	openSession(t, first)
	d.restart()
	openSession(t, first)
	require.Equal(t, 1, connected)

	d.down()
	newcomer := New(Options{Socket: func() string { return d.path }, Timeout: patience})
	slots, err := newcomer.GetSlotList(true)
	require.NoError(t, err)
	require.Empty(t, slots)

	child := New(Options{Socket: func() string { return d.path }, Timeout: patience, HadDaemon: true})
	t.Cleanup(child.Close)
	waited := make(chan error)
	go func() {
		_, err := child.OpenSession(7, ck.CKF_SERIAL_SESSION)
		waited <- err
	}()
	until(func() bool { return child.unproven.Load() != nil })
	d.up()
	require.NoError(t, <-waited)
}
