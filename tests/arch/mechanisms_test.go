package arch

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
	"vtoken/vtoken/p11rpc"
)

// Every mechanism that a token offers has a row in the table of parameters, and a
// parameter of the row's kind travels between our module and our daemon.
func TestParametersOfAllMechanisms(t *testing.T) {
	for _, m := range mech.List() {
		kind := ck.ParameterKindOf(m)
		if kind == ck.ParamUnknown {
			t.Errorf("%v has no row in parameterKinds (vtoken/ck/parameterkind.go)", m)
			continue
		}
		sent := ck.Mechanism{Type: m, Parameter: sample(kind)}
		frame, err := encode(p11rpc.Extended, sent)
		require.NoError(t, err, "%v with %v", m, kind)
		require.Equal(t, sent, decode(t, frame), "%v with %v", m, kind)
	}
}

// hostStructure stands for a C structure of which nobody knows what it holds.
var hostStructure = ck.RawParameter(bytes.Repeat([]byte("\x10\x20\x30\x40\x50\x7f\x00\x00"), 6))

// No structure of a host process leaves it as it is, whatever a row says, is missing, or
// says wrongly: it may hold pointers. Bytes that are an initialization vector do.
func TestNoHostPointersAreSent(t *testing.T) {
	const pastStandard = ck.MechanismType(0x5000)
	iv := hostStructure[:16]
	carried := 0
	for m := range pastStandard {
		kind := ck.ParameterKindOf(m)
		for _, version := range p11rpc.Versions() {
			frame, err := encode(version, ck.Mechanism{Type: m, Parameter: hostStructure})
			require.NotContains(t, string(frame), string(iv), "%v with %v in version %d: %v", m, kind, version, err)

			frame, err = encode(version, ck.Mechanism{Type: m, Parameter: iv})
			sent := bytes.Contains(frame, iv)
			require.Equal(t, kind == ck.ParamBytes, sent, "%v with %v in version %d: %v", m, kind, version, err)
			if sent {
				carried++
			}
		}
	}
	require.NotZero(t, carried)
}

// sample returns a parameter of that kind with every field set.
func sample(kind ck.ParameterKind) ck.Parameter {
	zero := kind.Zero()
	if zero == nil {
		return nil
	}
	v := reflect.New(reflect.TypeOf(zero)).Elem()
	fill(v)
	return v.Interface().(ck.Parameter)
}

func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8, reflect.Uint64:
		v.SetUint(7)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 3, 3))
		fallthrough
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	default:
		panic("no sample of " + v.Type().String())
	}
}

// encode writes a request with a mechanism.
func encode(version byte, m ck.Mechanism) ([]byte, error) {
	e := p11rpc.Encoder{Version: version}
	e.BeginRequest(1, p11rpc.CallSignInit)
	e.Ulong(1)
	e.Mechanism(&m)
	e.Ulong(2)
	err := e.End()
	return e.Bytes(), err
}

// decode reads what encode wrote in our own version.
func decode(t *testing.T, wire []byte) ck.Mechanism {
	frame, err := p11rpc.NewReader(bytes.NewReader(wire)).Next()
	require.NoError(t, err)
	d := p11rpc.Decoder{Version: p11rpc.Extended}
	_, err = d.Request(frame.Body)
	require.NoError(t, err)
	d.Session()
	m := d.Mechanism()
	d.Object()
	require.NoError(t, d.Done())
	return *m
}
