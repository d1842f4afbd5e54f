package remote

import (
	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

// CreateObject is C_CreateObject (section 5.7.1).
func (c *Client) CreateObject(h ck.SessionHandle, t ck.Template) (ck.ObjectHandle, error) {
	x, err := c.beginSession(h, p11rpc.CallCreateObject)
	if err != nil {
		return 0, err
	}
	defer x.free()
	x.enc.Template(t)
	return x.object()
}

// object runs a request whose answer is an object handle.
func (x *exchange) object() (ck.ObjectHandle, error) {
	n, err := x.number()
	return ck.ObjectHandle(n), err
}

// CopyObject is C_CopyObject (section 5.7.2).
func (c *Client) CopyObject(h ck.SessionHandle, object ck.ObjectHandle, t ck.Template) (ck.ObjectHandle, error) {
	x, err := c.beginSession(h, p11rpc.CallCopyObject)
	if err != nil {
		return 0, err
	}
	defer x.free()
	x.enc.Ulong(uint64(object))
	x.enc.Template(t)
	return x.object()
}

// DestroyObject is C_DestroyObject (section 5.7.3).
func (c *Client) DestroyObject(h ck.SessionHandle, object ck.ObjectHandle) error {
	return c.numbers(h, p11rpc.CallDestroyObject, uint64(object))
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
	return x.plain()
}
