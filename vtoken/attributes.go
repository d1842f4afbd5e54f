package vtoken

import (
	"errors"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/meter"
	"vtoken/vtoken/object"
	"vtoken/vtoken/record"
)

// GetObjectSize is C_GetObjectSize (section 5.7): the size of the attributes that are not
// secret, with a small overhead for each.
func (c *Client) GetObjectSize(h ck.SessionHandle, obj ck.ObjectHandle) (uint64, error) {
	s, err := c.enter(h)
	if err != nil {
		return 0, err
	}
	defer s.leave()
	o, err := s.object(obj)
	if err != nil {
		return 0, err
	}
	return o.WithoutSecret().Size(), nil
}

// GetAttributeValue is C_GetAttributeValue (section 5.7). It returns one result for each
// query, in order, also with an error: callers rely on the values that could be read
// (openssl-projects/pkcs11-provider#768). The error is CKR_ATTRIBUTE_SENSITIVE, else
// CKR_ATTRIBUTE_TYPE_INVALID, else CKR_BUFFER_TOO_SMALL, if it applies to one of the results.
// Other errors come without results.
func (c *Client) GetAttributeValue(h ck.SessionHandle, obj ck.ObjectHandle, queries []ck.AttributeQuery) ([]ck.AttributeResult, error) {
	s, err := c.enter(h)
	if err != nil {
		return nil, err
	}
	defer s.leave()
	o, err := s.object(obj)
	if err != nil {
		return nil, err
	}
	if !o.HasSecret() || !askForSecrets(queries) {
		return s.readAttributes(obj, o, queries)
	}
	var results []ck.AttributeResult
	e := Event{Act: ActRead, Object: describe(o)}
	e.setSession(s)
	err = c.perform(e, func(e *Event) (err error) {
		results, err = s.readAttributes(obj, o, queries)
		e.Attribute = firstSecret(o.Class(), results)
		return err
	})
	return results, err
}

// askForSecrets reports whether a query is for the value of an attribute that is secret in
// keys.
func askForSecrets(queries []ck.AttributeQuery) bool {
	for _, q := range queries {
		if !q.Null && (object.IsSecret(ck.CKO_PRIVATE_KEY, q.Type) || object.IsSecret(ck.CKO_SECRET_KEY, q.Type)) {
			return true
		}
	}
	return false
}

// firstSecret is the first secret attribute whose value is among the results, or 0.
func firstSecret(class ck.ObjectClass, results []ck.AttributeResult) ck.AttributeType {
	for _, r := range results {
		if len(r.Value) > 0 && object.IsSecret(class, r.Type) {
			return r.Type
		}
	}
	return 0
}

func (s *session) readAttributes(obj ck.ObjectHandle, o *object.Object, queries []ck.AttributeQuery) (results []ck.AttributeResult, err error) {
	r := reader{session: s, handle: obj, object: o}
	results = make([]ck.AttributeResult, len(queries))
	for i, q := range queries {
		if results[i], err = r.answer(q); err != nil {
			return nil, err
		}
	}
	return results, r.worst()
}

// reader answers the queries of one C_GetAttributeValue.
type reader struct {
	session *session
	handle  ck.ObjectHandle
	object  *object.Object
	// what was met so far
	sensitive, invalid, short bool
	size                      int // of the values
}

func (r *reader) worst() error {
	switch {
	case r.sensitive:
		return ck.CKR_ATTRIBUTE_SENSITIVE
	case r.invalid:
		return ck.CKR_ATTRIBUTE_TYPE_INVALID
	case r.short:
		return ck.CKR_BUFFER_TOO_SMALL
	}
	return nil
}

// answer answers one query. An error ends the call.
func (r *reader) answer(q ck.AttributeQuery) (ck.AttributeResult, error) {
	result := ck.AttributeResult{Type: q.Type, Len: ck.UnavailableInformation}
	v, err := r.read(q.Type)
	switch ck.CodeOf(err) {
	case ck.CKR_OK:
	case ck.CKR_ATTRIBUTE_SENSITIVE:
		r.sensitive = true
		return result, nil
	case ck.CKR_ATTRIBUTE_TYPE_INVALID:
		r.invalid = true
		return result, nil
	default:
		return result, err
	}
	switch {
	case q.Null:
		result.Len = uint64(len(v))
	case q.Len < hostLen(q.Type, v):
		r.short = true
	default:
		// One large value may be asked for a thousand times in one call.
		if r.size += len(v); r.size > maxAnswer {
			return result, ck.Errorf(ck.CKR_DEVICE_MEMORY, "the values that are asked for have more than %d bytes together; ask for fewer at a time", maxAnswer)
		}
		result.Len = uint64(len(v))
		result.Value = append([]byte{}, v...)
	}
	return result, nil
}

// read reads a value, including secret attributes that may be read.
func (r *reader) read(t ck.AttributeType) ([]byte, error) {
	v, err := r.object.Read(t)
	if !errors.Is(err, object.ErrSealed) {
		return v, err
	}
	o, err := r.session.openSecrets(r.handle, r.object)
	if err != nil {
		return nil, err
	}
	// Not wiped: whoever may read the key's value is given it.
	r.object = o
	return o.Read(t)
}

// hostLen is the length that a value takes in the memory of a 64-bit host.
func hostLen(t ck.AttributeType, v []byte) uint64 {
	if ck.KindOf(t) == ck.KindTemplate {
		inner, _ := ck.DecodeTemplate(v)
		return uint64(len(inner)) * sizeofAttribute
	}
	return uint64(len(v))
}

// sizeofAttribute is sizeof(CK_ATTRIBUTE) on a 64-bit host.
const sizeofAttribute = 24

// SetAttributeValue is C_SetAttributeValue (section 5.7). It sets all of the template or
// nothing.
func (c *Client) SetAttributeValue(h ck.SessionHandle, obj ck.ObjectHandle, t ck.Template) error {
	s, err := c.enter(h)
	if err != nil {
		return err
	}
	defer s.leave()
	o, err := s.toWrite(obj)
	if err != nil {
		return err
	}
	if !o.Modifiable() {
		return ck.Errorf(ck.CKR_ACTION_PROHIBITED, "the object's CKA_MODIFIABLE is false")
	}
	if obj&sessionObjectBit != 0 {
		return s.attachment.change(obj, t, s.isSO())
	}
	err = s.update(func(tx Tx) error {
		// The store's object, not ours: another session may just change it.
		o, err := tx.Object(s.token().id, object.ID(obj))
		if err != nil {
			return err
		}
		next, err := o.Change(t, s.isSO())
		if err != nil {
			return err
		}
		return tx.PutObject(s.token().id, next)
	})
	if errors.Is(err, record.ErrNotFound) {
		return ck.Errorf(ck.CKR_OBJECT_HANDLE_INVALID, "the object has been destroyed in the meantime: %w", err)
	}
	return err
}

// change changes a session object.
func (a *attachment) change(h ck.ObjectHandle, t ck.Template, so bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	o := a.objects.get(h)
	if o == nil {
		return ck.CKR_OBJECT_HANDLE_INVALID
	}
	next, err := o.Change(t, so)
	if err != nil {
		return err
	}
	more := weightOf(next) - weightOf(o)
	if more > 0 {
		if a.bytes+next.Size()-o.Size() > maxSessionBytes {
			return ck.Errorf(ck.CKR_DEVICE_MEMORY, "the application has session objects of %d bytes; destroy some", a.bytes)
		}
		if err := meter.Charge(a.client.account, more); err != nil {
			return err
		}
	} else {
		meter.Refund(a.client.account, -more)
	}
	a.bytes += next.Size() - o.Size()
	a.objects.put(h, next)
	return nil
}
