package remote

import (
	"cmp"
	"slices"
	"time"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// Session objects go with the daemon that had them. Some can be made again from what is in
// the store and from what no one keeps secret: a copy of a token object, with which
// pkcs11-provider and NSS sign, and a public key or a certificate that the host made. The
// client remembers how the host made those, and the next daemon makes them again, under the
// same handles (CallRestoreObject).

// Bounds of what is remembered. Objects beyond are lost with the daemon.
const (
	mostRemembered  = 1024     // objects
	largestTemplate = 16 << 10 // bytes
)

// sessionObject is how the host made a session object.
type sessionObject struct {
	handle   ck.ObjectHandle
	session  *session
	source   ck.ObjectHandle // that it is a copy of; 0 where it was made of the template alone
	template ck.Template
	changes  []ck.Template // of C_SetAttributeValue
	// private says that it may be a private object, which ends with the login.
	private bool
}

// remember keeps how a session object was made that the daemon of x has answered. It returns
// false where that daemon is gone already, and the object with it.
func (t *sessionTable) remember(x *exchange, o sessionObject) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case x.conn.version != p11rpc.Joined || !t.canBeMadeAgain(&o):
		return true
	case x.conn.life != x.client.life.Load():
		return false
	}
	if len(t.objects) >= mostRemembered {
		t.forgetClosed()
	}
	if len(t.objects) < mostRemembered {
		o.session, o.template = x.session, cloneTemplate(o.template)
		t.objects[o.handle] = &o
	}
	return true
}

// canBeMadeAgain reports whether an object can be made from its template, and its source. t.mu
// is locked.
func (t *sessionTable) canBeMadeAgain(o *sessionObject) bool {
	if sizeOf(o.template) > largestTemplate {
		return false
	}
	onToken, given := flag(o.template, ck.CKA_TOKEN)
	private, _ := flag(o.template, ck.CKA_PRIVATE)
	o.private = private || o.source != 0
	if o.source != 0 {
		return given && !onToken || !given && t.objects[o.source] != nil
	}
	class, _ := o.template.Find(ck.CKA_CLASS)
	c, _ := class.Ulong()
	return !onToken && (c == uint64(ck.CKO_PUBLIC_KEY) || c == uint64(ck.CKO_CERTIFICATE))
}

// flag is the value of a boolean attribute, and whether it is in the template.
func flag(t ck.Template, typ ck.AttributeType) (value, given bool) {
	a, given := t.Find(typ)
	return given && len(a.Value) == 1 && a.Value[0] != 0, given
}

func sizeOf(t ck.Template) (n int) {
	for _, a := range t {
		n += len(a.Value)
	}
	return n
}

// cloneTemplate copies a template out of the host's memory.
func cloneTemplate(t ck.Template) ck.Template {
	t = slices.Clone(t)
	for i := range t {
		t[i].Value = slices.Clone(t[i].Value)
	}
	return t
}

// change notes a change of an object. It returns false where the object was made again in the
// meantime, without it.
func (t *sessionTable) change(x *exchange, h ck.ObjectHandle, template ck.Template) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	o := t.objects[h]
	if o == nil {
		return true
	}
	if x.conn.life != x.client.life.Load() {
		return false
	}
	size := sizeOf(o.template) + sizeOf(template)
	for _, c := range o.changes {
		size += sizeOf(c)
	}
	if size > largestTemplate {
		delete(t.objects, h)
		return true
	}
	o.changes = append(o.changes, cloneTemplate(template))
	return true
}

// destroyed forgets an object. It returns false where the object was made again in the
// meantime.
func (t *sessionTable) destroyed(x *exchange, h ck.ObjectHandle) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.objects[h] == nil {
		return true
	}
	delete(t.objects, h)
	return x.conn.life == x.client.life.Load()
}

// forgetPrivate forgets the private objects of a slot, which end with the login.
func (t *sessionTable) forgetPrivate(slot ck.SlotID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for h, o := range t.objects {
		if o.private && o.session.slot == slot {
			delete(t.objects, h)
		}
	}
}

// forgetClosed forgets the objects of sessions that are closed or lost. t.mu is locked.
func (t *sessionTable) forgetClosed() {
	open := make(map[*session]bool, len(t.list))
	for _, s := range t.list {
		open[s] = !s.lost()
	}
	for h, o := range t.objects {
		if !open[o.session] {
			delete(t.objects, h)
		}
	}
}

// remembered are the objects of open sessions, in the order in which they were made, as a copy
// comes after what it is a copy of.
func (t *sessionTable) remembered() []sessionObject {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forgetClosed()
	list := make([]sessionObject, 0, len(t.objects))
	for _, o := range t.objects {
		list = append(list, *o)
	}
	slices.SortFunc(list, func(a, b sessionObject) int { return cmp.Compare(a.handle, b.handle) })
	return list
}

// restoreObjects has the daemon make the objects again that it can. The error is about the
// connection: where the daemon refuses an object, the host finds its handle invalid.
func (n *conn) restoreObjects(until time.Time) error {
	for _, o := range n.client.sessions.remembered() {
		x := n.client.request(nil, p11rpc.CallRestoreObject, n.version)
		x.enc.Ulong(o.session.remote)
		x.enc.Ulong(uint64(o.handle))
		x.enc.Ulong(uint64(o.source))
		x.enc.Template(o.template)
		if err := n.askAnyway(x, until); err != nil {
			return err
		}
		for _, change := range o.changes {
			x := n.client.request(nil, p11rpc.CallSetAttributeValue, n.version)
			x.enc.Ulong(o.session.remote)
			x.enc.Ulong(uint64(o.handle))
			x.enc.Template(change)
			if err := n.askAnyway(x, until); err != nil {
				return err
			}
		}
	}
	return nil
}

// askAnyway sends a request whose refusal is no error, and frees it.
func (n *conn) askAnyway(x *exchange, until time.Time) error {
	defer x.free()
	err := n.ask(x, until)
	if x.fate != answered || n.lost() || endsHere(err) {
		return n.notNow(x, err)
	}
	return nil
}
