package p11server

import (
	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
)

func createObject(r *request) error {
	h, t := r.Session(), r.Template()
	if err := r.Done(); err != nil {
		return err
	}
	obj, err := r.client.CreateObject(h, cloneTemplate(t))
	return r.handle(uint64(obj), err)
}

func copyObject(r *request) error {
	h, obj, t := r.Session(), r.Object(), r.Template()
	if err := r.Done(); err != nil {
		return err
	}
	made, err := r.client.CopyObject(h, obj, cloneTemplate(t))
	return r.handle(uint64(made), err)
}

func restoreObject(r *request) error {
	h, handle, source, t := r.Session(), r.Object(), r.Object(), r.Template()
	if err := r.Done(); err != nil {
		return err
	}
	return r.client.RestoreObject(h, handle, source, cloneTemplate(t))
}

func getObjectSize(r *request) error {
	h, obj := r.Session(), r.Object()
	if err := r.Done(); err != nil {
		return err
	}
	n, err := r.client.GetObjectSize(h, obj)
	return r.handle(n, err)
}

func getAttributeValue(r *request) error {
	h, obj, queries := r.Session(), r.Object(), r.AttributeQueries()
	if err := r.Done(); err != nil {
		return err
	}
	if err := r.pay(valuesIn(queries)); err != nil {
		return err
	}
	results, err := r.client.GetAttributeValue(h, obj, wholeTemplates(queries))
	rv := ck.CodeOf(err)
	switch rv {
	case ck.CKR_OK, ck.CKR_ATTRIBUTE_SENSITIVE, ck.CKR_ATTRIBUTE_TYPE_INVALID, ck.CKR_BUFFER_TOO_SMALL:
		r.out.AttributeResults(queries, results, rv)
		return nil
	}
	return err
}

// valuesIn is the maximum size of the values in an answer.
func valuesIn(queries []ck.AttributeQuery) (n uint64) {
	for _, q := range queries {
		if !q.Null {
			n += q.Len
		}
	}
	return n
}

// wholeTemplates returns the queries with room for every template: whether one fits is known
// only when its entries are written.
func wholeTemplates(queries []ck.AttributeQuery) []ck.AttributeQuery {
	whole := queries
	for i, q := range queries {
		if ck.KindOf(q.Type) != ck.KindTemplate {
			continue
		}
		if &whole[0] == &queries[0] {
			whole = append([]ck.AttributeQuery(nil), queries...)
		}
		whole[i].Buffer = ck.Buffer{Len: p11rpc.MaxBody}
	}
	return whole
}

func setAttributeValue(r *request) error {
	h, obj, t := r.Session(), r.Object(), r.Template()
	if err := r.Done(); err != nil {
		return err
	}
	return r.client.SetAttributeValue(h, obj, cloneTemplate(t))
}

func findObjectsInit(r *request) error {
	h, t := r.Session(), r.Template()
	if err := r.Done(); err != nil {
		return err
	}
	return r.client.FindObjectsInit(h, cloneTemplate(t))
}

// maxFound bounds the handles of one answer to C_FindObjects.
const maxFound = 64 << 10

func findObjects(r *request) error {
	h, room := r.Session(), r.UlongBuffer()
	if err := r.Done(); err != nil {
		return err
	}
	room = min(room, maxFound)
	if err := r.pay(8 * room); err != nil {
		return err
	}
	list, err := r.client.FindObjects(h, room)
	if err == nil {
		p11rpc.Ulongs(r.out, list)
	}
	return err
}
