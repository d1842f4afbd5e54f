package scale

import (
	"maps"
	"slices"

	"github.com/miekg/pkcs11"
)

// desk is what this process has to do with one card, in the plainest words: the
// model that every answer is compared with. One goroutine works at a desk.
type desk struct {
	card
	sessions map[pkcs11.SessionHandle]bool // read-write?
	login    string                        // "", "user" or "so"
	// objects are the data objects that this process made: those of its sessions,
	// and on its own cards those of the token.
	objects map[pkcs11.ObjectHandle]thing
	gone    []pkcs11.ObjectHandle // handles of objects that are no more
	made    int                   // objects so far, for their labels
}

// thing is a data object.
type thing struct {
	label   string
	private bool
	session pkcs11.SessionHandle // 0 for token objects
}

func newDesk(c card) *desk {
	return &desk{card: c, sessions: map[pkcs11.SessionHandle]bool{}, objects: map[pkcs11.ObjectHandle]thing{}}
}

func (d *desk) readOnly() bool {
	return slices.Contains(slices.Collect(maps.Values(d.sessions)), false)
}

// forget takes away the objects that are chosen.
func (d *desk) forget(chosen func(thing) bool) {
	for h, o := range d.objects {
		if chosen(o) {
			delete(d.objects, h)
			d.gone = append(d.gone, h)
		}
	}
	d.gone = d.gone[max(0, len(d.gone)-100):]
}

// loggedOut: private objects of sessions go with the login.
func (d *desk) loggedOut() {
	d.login = ""
	d.forget(func(o thing) bool { return o.private && o.session != 0 })
}

// closed: the objects of a session go with it, the login with the last one.
func (d *desk) closed(h pkcs11.SessionHandle) {
	delete(d.sessions, h)
	d.forget(func(o thing) bool { return o.session == h })
	if len(d.sessions) == 0 {
		d.loggedOut()
	}
}

// visible reports whether an object is seen under the login of the moment.
func (d *desk) visible(o thing) bool { return !o.private || d.login == "user" }

// expected is the handles of the objects that are to be seen.
func (d *desk) expected() []pkcs11.ObjectHandle {
	var list []pkcs11.ObjectHandle
	for h, o := range d.objects {
		if d.visible(o) {
			list = append(list, h)
		}
	}
	slices.Sort(list)
	return list
}

// state is CK_SESSION_INFO's state of a session.
func (d *desk) state(writable bool) uint {
	switch {
	case d.login == "so":
		return pkcs11.CKS_RW_SO_FUNCTIONS
	case d.login == "user" && writable:
		return pkcs11.CKS_RW_USER_FUNCTIONS
	case d.login == "user":
		return pkcs11.CKS_RO_USER_FUNCTIONS
	case writable:
		return pkcs11.CKS_RW_PUBLIC_SESSION
	}
	return pkcs11.CKS_RO_PUBLIC_SESSION
}
