package vtoken

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"reflect"
	"time"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
	"vtoken/vtoken/secret"
)

// The binary form of a state: a header, and then the fields of the structures in their order.
// A number is a varint, bytes and lists have their length before them. The header has a hash
// of the names and types of all fields, so that a state of other structures is refused as a
// whole, before anything of it is read. encoding/gob would leave copies of the secrets in its
// buffers, and compiles the types again for each stream, which for a thousand applications takes
// as long as a restart may.

// ErrStateVersion is in the error for a state that another version of the engine saved.
var ErrStateVersion = errors.New("the state was saved by another version of the engine")

// ErrState is in the error for bytes that are no state, or a state that cannot be.
var ErrState = errors.New("bad state of the engine")

// stateMeaning counts the changes of what states mean that their fields do not show, such as
// those of what a mechanism saves.
const stateMeaning = 2

// magic begins every state.
const magic = "vtoken state "

// StateVersion names the form of the states that this engine saves and restores. Two engines
// of the same version understand each other; it is to be compared before anything is given up.
func StateVersion() string {
	sum := sha256.New()
	for _, t := range []reflect.Type{reflect.TypeFor[ClientState](), reflect.TypeFor[EngineState]()} {
		describeType(sum, t)
	}
	for k := range ck.NumParameterKinds {
		if p := k.Zero(); p != nil {
			describeType(sum, reflect.TypeOf(p))
		}
	}
	for _, m := range mech.List() {
		if d, _ := mech.Lookup(m); d.Digest != nil {
			describeHash(sum, d)
		}
	}
	return fmt.Sprintf("%d-%x", stateMeaning, sum.Sum(nil)[:8])
}

var stateVersion = StateVersion()

// describeHash writes the form in which a hash saves itself, which is the Go library's own.
func describeHash(to io.Writer, d *mech.Descriptor) {
	h, err := d.Digest(nil)
	if err != nil {
		return
	}
	form, _ := mech.SaveHash(h) // none, where it cannot
	fmt.Fprintf(to, "%v %x\n", d.Type, form)
}

// describeType writes the names and kinds of all that is in a type.
func describeType(to io.Writer, t reflect.Type) {
	fmt.Fprintf(to, "%s %s\n", t.Name(), t.Kind())
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		describeType(to, t.Elem())
	case reflect.Struct:
		if t == timeType {
			return
		}
		for i := range t.NumField() {
			fmt.Fprintf(to, "%s: ", t.Field(i).Name)
			describeType(to, t.Field(i).Type)
		}
		fmt.Fprintln(to, "end")
	}
}

var (
	timeType      = reflect.TypeFor[time.Time]()
	parameterType = reflect.TypeFor[ck.Parameter]()
	secretType    = reflect.TypeFor[secret.Bytes]()
)

// encodeState returns the binary form of a state, which may hold secrets.
func encodeState(state any) []byte {
	v := reflect.ValueOf(state).Elem()
	size := &stateWriter{}
	size.value(v)
	out := make([]byte, 0, len(magic)+len(stateVersion)+1+size.n) // no growth, which would leave copies
	out = append(append(append(out, magic...), stateVersion...), '\n')
	w := &stateWriter{out: out, writes: true}
	w.value(v)
	return w.out
}

// stateWriter counts bytes, or writes them.
type stateWriter struct {
	writes bool
	out    []byte
	n      int
}

func (w *stateWriter) put(b []byte) {
	if w.writes {
		w.out = append(w.out, b...)
	}
	w.n += len(b)
}

func (w *stateWriter) number(n uint64) {
	var b [binary.MaxVarintLen64]byte
	w.put(b[:binary.PutUvarint(b[:], n)])
}

func (w *stateWriter) bytes(b []byte) {
	w.number(uint64(len(b)))
	w.put(b)
}

func (w *stateWriter) value(v reflect.Value) {
	switch t := v.Type(); {
	case t == parameterType:
		w.parameter(v)
	case t == timeType:
		b, _ := v.Interface().(time.Time).Round(0).UTC().MarshalBinary() // never fails in UTC
		w.bytes(b)
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		w.bytes(v.Bytes())
	default:
		w.plain(v)
	}
}

func (w *stateWriter) plain(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		w.flag(v.Bool())
	case reflect.Int, reflect.Int64:
		var b [binary.MaxVarintLen64]byte
		w.put(b[:binary.PutVarint(b[:], v.Int())])
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		w.number(v.Uint())
	case reflect.String:
		w.bytes([]byte(v.String()))
	case reflect.Pointer:
		w.flag(!v.IsNil())
		if !v.IsNil() {
			w.value(v.Elem())
		}
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice {
			w.number(uint64(v.Len()))
		}
		for i := range v.Len() {
			w.value(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			w.value(v.Field(i))
		}
	default:
		panic("a state has a field of type " + v.Type().String())
	}
}

func (w *stateWriter) flag(on bool) {
	n := uint64(0)
	if on {
		n = 1
	}
	w.number(n)
}

// parameter writes the name of the type of a mechanism's parameter, and the parameter.
func (w *stateWriter) parameter(v reflect.Value) {
	if v.IsNil() {
		w.bytes(nil)
		return
	}
	p := v.Elem()
	w.bytes([]byte(p.Type().Name()))
	w.value(p)
}

// parameterTypes are the types of parameters, by name.
var parameterTypes = func() map[string]reflect.Type {
	all := map[string]reflect.Type{}
	for k := range ck.NumParameterKinds {
		if p := k.Zero(); p != nil {
			all[reflect.TypeOf(p).Name()] = reflect.TypeOf(p)
		}
	}
	return all
}()

// decodeState reads what encodeState returned, and nothing else. What it returns shares no
// memory with b.
func decodeState(b []byte, state any) error {
	rest, ok := bytes.CutPrefix(b, []byte(magic))
	version, fields, cut := bytes.Cut(rest, []byte("\n"))
	if !ok || !cut {
		return fmt.Errorf("%w: it does not begin like one", ErrState)
	}
	if string(version) != stateVersion {
		return fmt.Errorf("%w: it is of version %.40q, this engine reads %s", ErrStateVersion, version, stateVersion)
	}
	r := &stateReader{in: fields}
	r.value(reflect.ValueOf(state).Elem())
	if r.err == nil && len(r.in) > 0 {
		r.fail("%d bytes after its end", len(r.in))
	}
	return r.err
}

// stateReader reads until the first error. All that it makes is made of bytes that are there,
// so the memory it takes is bounded by them.
type stateReader struct {
	in  []byte
	err error
}

func (r *stateReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrState, fmt.Sprintf(format, args...))
		r.in = nil
	}
}

func (r *stateReader) number() uint64 {
	n, k := binary.Uvarint(r.in)
	if k <= 0 {
		r.fail("it is cut off")
		return 0
	}
	r.in = r.in[k:]
	return n
}

func (r *stateReader) integer() int64 {
	n, k := binary.Varint(r.in)
	if k <= 0 {
		r.fail("it is cut off")
		return 0
	}
	r.in = r.in[k:]
	return n
}

// bytes returns the next bytes, nil for none.
func (r *stateReader) bytes() []byte {
	n := r.number()
	if n > uint64(len(r.in)) {
		r.fail("it is cut off")
	}
	if n == 0 || r.err != nil {
		return nil
	}
	b := bytes.Clone(r.in[:n])
	r.in = r.in[n:]
	return b
}

func (r *stateReader) flag() bool {
	n := r.number()
	if n > 1 {
		r.fail("%d is neither yes nor no", n)
	}
	return n == 1
}

func (r *stateReader) value(v reflect.Value) {
	if r.err != nil {
		return
	}
	switch t := v.Type(); {
	case t == parameterType:
		r.parameter(v)
	case t == timeType:
		var at time.Time
		if err := at.UnmarshalBinary(r.bytes()); err != nil {
			r.fail("a time is none: %v", err)
		}
		v.Set(reflect.ValueOf(at))
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8:
		v.SetBytes(r.bytes())
	default:
		r.plain(v)
	}
}

func (r *stateReader) plain(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(r.flag())
	case reflect.Int, reflect.Int64:
		v.SetInt(r.integer())
	case reflect.Uint8, reflect.Uint32, reflect.Uint64:
		n := r.number()
		if v.OverflowUint(n) {
			r.fail("%d is too large for a %v", n, v.Type())
			return
		}
		v.SetUint(n)
	case reflect.String:
		v.SetString(string(r.bytes()))
	case reflect.Pointer:
		if r.flag() {
			v.Set(reflect.New(v.Type().Elem()))
			r.value(v.Elem())
		}
	case reflect.Slice:
		r.list(v)
	case reflect.Array:
		for i := range v.Len() {
			r.value(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			r.value(v.Field(i))
		}
	}
}

// list reads a list of values, each of which has a byte at least.
func (r *stateReader) list(v reflect.Value) {
	n := r.number()
	if n > uint64(len(r.in)) {
		r.fail("a list of %d in %d bytes", n, len(r.in))
		return
	}
	for range n {
		if r.err != nil {
			return
		}
		one := reflect.New(v.Type().Elem()).Elem()
		r.value(one)
		v.Set(reflect.Append(v, one))
	}
}

func (r *stateReader) parameter(v reflect.Value) {
	name := string(r.bytes())
	if name == "" {
		return
	}
	t, ok := parameterTypes[name]
	if !ok {
		r.fail("%.40q is no parameter of a mechanism", name)
		return
	}
	p := reflect.New(t).Elem()
	r.value(p)
	v.Set(p)
}

// wipeState overwrites all secrets in a state.
func wipeState(v reflect.Value) {
	switch {
	case v.Type() == secretType:
		secret.Bytes(v.Bytes()).Wipe()
	case v.Kind() == reflect.Pointer:
		if !v.IsNil() {
			wipeState(v.Elem())
		}
	case v.Kind() == reflect.Slice || v.Kind() == reflect.Array:
		for i := range v.Len() {
			wipeState(v.Index(i))
		}
	case v.Kind() == reflect.Struct && v.Type() != timeType:
		for i := range v.NumField() {
			wipeState(v.Field(i))
		}
	}
}
