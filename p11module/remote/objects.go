package remote

import (
	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// CreateObject is C_CreateObject (section 5.7.1).
func (c *Client) CreateObject(h ck.SessionHandle, t ck.Template) (ck.ObjectHandle, error) {
	return c.makeObject(h, p11rpc.CallCreateObject, 0, t)
}

// makeObject makes an object of a template, or a copy of another one. It is done again where
// the daemon ended in the moment after its answer, and a session object went with it.
func (c *Client) makeObject(h ck.SessionHandle, call p11rpc.CallID, source ck.ObjectHandle, t ck.Template) (ck.ObjectHandle, error) {
	for {
		made, kept, err := c.makeObjectOnce(h, call, source, t)
		if err != nil || kept {
			return made, err
		}
	}
}

// makeObjectOnce reports that the object went with the daemon where kept is false.
func (c *Client) makeObjectOnce(
	h ck.SessionHandle, call p11rpc.CallID, source ck.ObjectHandle, t ck.Template,
) (made ck.ObjectHandle, kept bool, err error) {
	x, err := c.beginSession(h, call)
	if err != nil {
		return 0, false, err
	}
	defer x.free()
	if call == p11rpc.CallCopyObject {
		x.enc.Ulong(uint64(source))
	}
	x.enc.Template(t)
	made, err = x.object()
	if err != nil {
		return 0, false, err
	}
	return made, c.sessions.remember(x, sessionObject{handle: made, source: source, template: t}), nil
}

// object runs a request whose answer is an object handle.
func (x *exchange) object() (ck.ObjectHandle, error) {
	n, err := x.number()
	return ck.ObjectHandle(n), err
}

// CopyObject is C_CopyObject (section 5.7.2).
func (c *Client) CopyObject(h ck.SessionHandle, object ck.ObjectHandle, t ck.Template) (ck.ObjectHandle, error) {
	return c.makeObject(h, p11rpc.CallCopyObject, object, t)
}

// DestroyObject is C_DestroyObject (section 5.7.3).
func (c *Client) DestroyObject(h ck.SessionHandle, object ck.ObjectHandle) error {
	for again := false; ; again = true {
		x, err := c.beginSession(h, p11rpc.CallDestroyObject)
		if err != nil {
			return err
		}
		x.enc.Ulong(uint64(object))
		err = x.plain()
		if again && ck.CodeOf(err) == ck.CKR_OBJECT_HANDLE_INVALID {
			err = nil // it was not made again
		}
		done := err != nil || c.sessions.destroyed(x, object)
		x.free()
		if done {
			return err
		}
	}
}

// GetObjectSize is C_GetObjectSize (section 5.7.4).
func (c *Client) GetObjectSize(h ck.SessionHandle, object ck.ObjectHandle) (uint64, error) {
	x, err := c.beginSession(h, p11rpc.CallGetObjectSize)
	if err != nil {
		return 0, err
	}
	defer x.free()
	x.enc.Ulong(uint64(object))
	return x.number()
}

// GetAttributeValue is C_GetAttributeValue (section 5.7.5). There is a result
// for each query where the error is nil, CKR_ATTRIBUTE_SENSITIVE,
// CKR_ATTRIBUTE_TYPE_INVALID or CKR_BUFFER_TOO_SMALL, and none otherwise. The
// values are handed to each while they are there, not returned.
func (c *Client) GetAttributeValue(h ck.SessionHandle, object ck.ObjectHandle, queries []ck.AttributeQuery,
	each func(i int, r ck.AttributeResult)) error {
	x, err := c.beginSession(h, p11rpc.CallGetAttributeValue)
	if err != nil {
		return err
	}
	defer x.free()
	x.enc.Ulong(uint64(object))
	x.enc.AttributeQueries(queries)
	if err := x.run(); err != nil {
		return err
	}
	results, err := x.dec.AttributeResults(queries)
	if done := x.done(); done != nil {
		return done
	}
	for i, r := range results {
		each(i, r)
	}
	return err
}

// SetAttributeValue is C_SetAttributeValue (section 5.7.6).
func (c *Client) SetAttributeValue(h ck.SessionHandle, object ck.ObjectHandle, t ck.Template) error {
	x, err := c.beginSession(h, p11rpc.CallSetAttributeValue)
	if err != nil {
		return err
	}
	defer x.free()
	x.enc.Ulong(uint64(object))
	x.enc.Template(t)
	err = x.plain()
	if err == nil && !c.sessions.change(x, object, t) {
		return x.unknown()
	}
	return err
}
