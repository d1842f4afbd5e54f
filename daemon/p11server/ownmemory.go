package p11server

import (
	"bytes"
	"reflect"
	"slices"

	"vtoken/vtoken/ck"
)

// What the decoder returns shares the memory of the request, which is wiped. What
// the engine keeps needs memory of its own.

// cloneTemplate copies the values of a template.
func cloneTemplate(t ck.Template) ck.Template {
	for i := range t {
		t[i].Value = slices.Clone(t[i].Value)
	}
	return t
}

// cloneMechanism copies a mechanism with its parameter.
func cloneMechanism(m *ck.Mechanism) ck.Mechanism {
	return ck.Mechanism{Type: m.Type, Parameter: cloneParameter(m.Parameter)}
}

func cloneParameter(p ck.Parameter) ck.Parameter {
	switch p := p.(type) {
	case nil, ck.RSAPkcsPssParams, ck.AESCtrParams, ck.MACGeneralParams:
		return p // no pointer in it
	case ck.RawParameter:
		return ck.RawParameter(bytes.Clone(p))
	}
	v := reflect.New(reflect.TypeOf(p)).Elem()
	v.Set(reflect.ValueOf(p))
	cloneInto(v)
	return v.Interface().(ck.Parameter)
}

// cloneInto replaces the slices in a value, recursively, by copies.
func cloneInto(v reflect.Value) {
	switch v.Kind() {
	case reflect.Slice:
		if v.IsNil() {
			return
		}
		c := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(c, v)
		v.Set(c)
		if v.Type().Elem().Kind() == reflect.Struct {
			for i := range v.Len() {
				cloneInto(v.Index(i))
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			cloneInto(v.Field(i))
		}
	}
}
