package scale

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/miekg/pkcs11"
)

// mostObjects is how many objects there are at one desk.
const mostObjects = 30

// create makes a data object that says which card it is of. Only the writer of
// a card makes token objects.
func (w *walker) create(d *desk) error {
	if len(d.objects) >= mostObjects {
		return w.destroy(d)
	}
	h, writable, open := w.session(d)
	onToken, private := d.Mine && w.rng.IntN(2) == 0, w.rng.IntN(2) == 0
	right := inSession(open)
	switch {
	case !open:
	case onToken && !writable:
		right = pkcs11.CKR_SESSION_READ_ONLY
	case private && d.login != "user":
		right = pkcs11.CKR_USER_NOT_LOGGED_IN
	}
	d.made++
	o := thing{label: fmt.Sprintf("%s/%d/%d", d.Label, w.rng.Uint32(), d.made), private: private}
	if !onToken {
		o.session = h
	}
	var made pkcs11.ObjectHandle
	err := w.call(func() (err error) { made, err = w.p.CreateObject(h, o.template()); return err }, right)
	if err == nil && right == ok {
		if _, twice := d.objects[made]; twice {
			return fmt.Errorf("handle %d is of two objects", made)
		}
		d.objects[made] = o
	}
	return err
}

// template is the object as it is made. Its value tells the label again.
func (o thing) template() []*pkcs11.Attribute {
	return []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_DATA),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, o.session == 0),
		pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, o.private),
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, o.label),
		pkcs11.NewAttribute(pkcs11.CKA_VALUE, []byte("value of "+o.label)),
	}
}

// object is an object at the desk, if there is one.
func (w *walker) object(d *desk) (h pkcs11.ObjectHandle, o thing, found bool) {
	handles := slices.Sorted(maps.Keys(d.objects))
	if len(handles) == 0 {
		return 0, o, false
	}
	h = handles[w.rng.IntN(len(handles))]
	return h, d.objects[h], true
}

func (w *walker) destroy(d *desk) error {
	obj, o, found := w.object(d)
	if !found {
		return w.open(d)
	}
	h, writable, open := w.session(d)
	right := inSession(open)
	switch {
	case !open:
	case !d.visible(o):
		right = pkcs11.CKR_OBJECT_HANDLE_INVALID
	case o.session == 0 && !writable:
		right = pkcs11.CKR_SESSION_READ_ONLY
	}
	err := w.call(func() error { return w.p.DestroyObject(h, obj) }, right)
	if err == nil && right == ok {
		delete(d.objects, obj)
		d.gone = append(d.gone, obj)
	}
	return err
}

// content reads label and value of an object.
func (w *walker) content(h pkcs11.SessionHandle, obj pkcs11.ObjectHandle, right ...pkcs11.Error) (label, value string, err error) {
	var got []*pkcs11.Attribute
	err = w.call(func() (err error) {
		got, err = w.p.GetAttributeValue(h, obj, []*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_LABEL, nil), pkcs11.NewAttribute(pkcs11.CKA_VALUE, nil)})
		return err
	}, right...)
	if err == nil && len(got) == 2 {
		return string(got[0].Value), string(got[1].Value), nil
	}
	return "", "", err
}

func (w *walker) read(d *desk) error {
	obj, o, found := w.object(d)
	if !found {
		return w.open(d)
	}
	h, _, open := w.session(d)
	right := inSession(open)
	if open && !d.visible(o) {
		right = pkcs11.CKR_OBJECT_HANDLE_INVALID
	}
	label, value, err := w.content(h, obj, right)
	if err == nil && right == ok && (label != o.label || value != "value of "+o.label) {
		err = fmt.Errorf("object %d is %q with %q; right is %q", obj, label, value, o.label)
	}
	return err
}

// readGone: the handle of an object that is no more is never that of another.
func (w *walker) readGone(d *desk) error {
	h, _, open := w.session(d)
	if len(d.gone) == 0 || !open {
		return w.open(d)
	}
	_, _, err := w.content(h, d.gone[w.rng.IntN(len(d.gone))], pkcs11.CKR_OBJECT_HANDLE_INVALID)
	return err
}

// readOther takes the handle of an object of another card: here it is none.
func (w *walker) readOther(d *desk) error {
	h, _, open := w.session(d)
	other := w.desks[w.rng.IntN(len(w.desks))]
	obj, o, found := w.object(other)
	if !open || !found || other == d {
		return w.open(d)
	}
	label, _, err := w.content(h, obj, pkcs11.CKR_OBJECT_HANDLE_INVALID)
	if err != nil {
		err = fmt.Errorf("%w; object %d is %q of %s, read %q here", err, obj, o.label, other.Label, label)
	}
	return err
}

// find lists all data objects: on a card of our own exactly those of the model,
// on another one only such that belong there.
func (w *walker) find(d *desk) error {
	h, _, open := w.session(d)
	class := []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_DATA)}
	found, err := w.search(h, class, inSession(open))
	if err != nil || !open {
		return err
	}
	slices.Sort(found)
	want := d.expected()
	if d.Mine && !slices.Equal(found, want) {
		return fmt.Errorf("found are %v; right is %v", found, want)
	}
	for _, obj := range want {
		if !slices.Contains(found, obj) {
			return fmt.Errorf("object %d (%q) is not found", obj, d.objects[obj].label)
		}
	}
	for range min(3, len(found)) {
		obj := found[w.rng.IntN(len(found))]
		label, _, err := w.content(h, obj, ok, pkcs11.CKR_OBJECT_HANDLE_INVALID)
		if err != nil {
			return err
		}
		if label != "" && !strings.HasPrefix(label, d.Label+"/") {
			return fmt.Errorf("object %d in slot %d is %q, which belongs to another card", obj, d.Slot, label)
		}
	}
	return nil
}

// search runs a search to its end.
func (w *walker) search(h pkcs11.SessionHandle, t []*pkcs11.Attribute, right pkcs11.Error) (all []pkcs11.ObjectHandle, err error) {
	if err := w.call(func() error { return w.p.FindObjectsInit(h, t) }, right); err != nil || right != ok {
		return nil, err
	}
	for more := true; more; {
		var some []pkcs11.ObjectHandle
		err := w.call(func() (err error) { some, _, err = w.p.FindObjects(h, 7); return err }, ok)
		if err != nil {
			return nil, err
		}
		all, more = append(all, some...), len(some) > 0
	}
	return all, w.call(func() error { return w.p.FindObjectsFinal(h) }, ok)
}

// sign signs with the key of the card, which nobody sees without the user's
// login. The signature has to be by this card's key and no other.
func (w *walker) sign(d *desk) error {
	h, _, open := w.session(d)
	if !open {
		return w.open(d)
	}
	keys, err := w.search(h, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PRIVATE_KEY)}, ok)
	switch {
	case err != nil:
		return err
	case d.login != "user" && len(keys) == 0:
		return nil
	case d.login != "user" || len(keys) != 1:
		return fmt.Errorf("%d private keys are found under the login %q", len(keys), d.login)
	}
	digest := bytes.Repeat([]byte{byte(w.rng.Uint32())}, 32)
	ecdsaMechanism := []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_ECDSA, nil)}
	var signature []byte
	return errors.Join(
		w.call(func() error { return w.p.SignInit(h, ecdsaMechanism, keys[0]) }, ok),
		w.call(func() (err error) { signature, err = w.p.Sign(h, digest); return err }, ok),
		d.verify(digest, signature))
}

func (d *desk) verify(digest, signature []byte) error {
	point, err := hex.DecodeString(d.Point)
	if err != nil || len(point) != 67 || len(signature) != 64 {
		return fmt.Errorf("a point of %d bytes and a signature of %d: %v", len(point), len(signature), err)
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point[2:])
	if err != nil {
		return err
	}
	r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
	if !ecdsa.Verify(key, digest, r, s) {
		return fmt.Errorf("the signature is not by the key of %s", d.Label)
	}
	return nil
}
