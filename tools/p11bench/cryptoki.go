package main

/*
#cgo LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

// What of PKCS#11 2.40 the benchmark calls, in our own words: the structures of
// section 3, and the start of CK_FUNCTION_LIST (section 3.6), which has one
// pointer per function in the order of the standard.
typedef unsigned long ulong_t;
typedef struct { ulong_t type; void *value; ulong_t length; } attribute_t;
typedef struct { ulong_t type; void *params; ulong_t length; } mechanism_t;
typedef struct { void *create, *destroy, *lock, *unlock; ulong_t flags; void *reserved; } init_args_t;
typedef struct {
	unsigned char label[32], manufacturer[32], model[16], serial[16];
	ulong_t flags, counts[10];
	unsigned char rest[20];
} token_info_t;
typedef struct {
	unsigned char version[2];
	ulong_t (*initialize)(init_args_t *);
	ulong_t (*finalize)(void *);
	void *get_info[2];
	ulong_t (*get_slot_list)(unsigned char, ulong_t *, ulong_t *);
	void *get_slot_info;
	ulong_t (*get_token_info)(ulong_t, token_info_t *);
	void *get_mechanism_list[5];
	ulong_t (*open_session)(ulong_t, ulong_t, void *, void *, ulong_t *);
	void *close_session[5];
	ulong_t (*login)(ulong_t, ulong_t, unsigned char *, ulong_t);
	void *logout;
	ulong_t (*create_object)(ulong_t, attribute_t *, ulong_t, ulong_t *);
	void *copy_object;
	ulong_t (*destroy_object)(ulong_t, ulong_t);
	void *get_object_size;
	ulong_t (*get_attribute_value)(ulong_t, ulong_t, attribute_t *, ulong_t);
	void *set_attribute_value;
	ulong_t (*find_init)(ulong_t, attribute_t *, ulong_t);
	ulong_t (*find)(ulong_t, ulong_t *, ulong_t, ulong_t *);
	ulong_t (*find_final)(ulong_t);
	void *encrypt_init[13];
	ulong_t (*sign_init)(ulong_t, mechanism_t *, ulong_t);
	ulong_t (*sign)(ulong_t, unsigned char *, ulong_t, unsigned char *, ulong_t *);
	void *sign_update[15];
	ulong_t (*generate_key_pair)(ulong_t, mechanism_t *, attribute_t *, ulong_t, attribute_t *, ulong_t, ulong_t *, ulong_t *);
} functions_t;

static functions_t *load(const char *path) {
	void *module = dlopen(path, RTLD_NOW);
	if (!module) return NULL;
	ulong_t (*get)(functions_t **) = (ulong_t (*)(functions_t **))dlsym(module, "C_GetFunctionList");
	functions_t *list = NULL;
	return get && get(&list) == 0 ? list : NULL;
}

static ulong_t initialize(functions_t *f) {
	init_args_t args;
	memset(&args, 0, sizeof args);
	args.flags = 2; // CKF_OS_LOCKING_OK
	return f->initialize(&args);
}

static ulong_t finalize(functions_t *f) { return f->finalize(NULL); }
static ulong_t get_slot_list(functions_t *f, ulong_t *slots, ulong_t *n) { return f->get_slot_list(1, slots, n); }
static ulong_t get_token_info(functions_t *f, ulong_t slot, token_info_t *i) { return f->get_token_info(slot, i); }
static ulong_t open_session(functions_t *f, ulong_t slot, ulong_t flags, ulong_t *s) { return f->open_session(slot, flags, NULL, NULL, s); }
static ulong_t login(functions_t *f, ulong_t s, unsigned char *pin, ulong_t n) { return f->login(s, 1, pin, n); }
static ulong_t create_object(functions_t *f, ulong_t s, attribute_t *t, ulong_t n, ulong_t *o) { return f->create_object(s, t, n, o); }
static ulong_t destroy_object(functions_t *f, ulong_t s, ulong_t o) { return f->destroy_object(s, o); }

static ulong_t find(functions_t *f, ulong_t s, attribute_t *t, ulong_t n, ulong_t *found, ulong_t max, ulong_t *count) {
	ulong_t rv = f->find_init(s, t, n);
	if (rv) return rv;
	rv = f->find(s, found, max, count);
	ulong_t final = f->find_final(s);
	return rv ? rv : final;
}

static ulong_t two_attributes(functions_t *f, ulong_t s, ulong_t object) {
	ulong_t class;
	unsigned char label[256];
	attribute_t t[2] = { { 0x0, &class, sizeof class }, { 0x3, label, sizeof label } };
	return f->get_attribute_value(s, object, t, 2);
}

static ulong_t sign(functions_t *f, ulong_t s, ulong_t mechanism, ulong_t key, unsigned char *data, ulong_t length) {
	unsigned char signature[1024];
	ulong_t size = sizeof signature;
	mechanism_t m = { mechanism, NULL, 0 };
	ulong_t rv = f->sign_init(s, &m, key);
	return rv ? rv : f->sign(s, data, length, signature, &size);
}

static ulong_t generate_key_pair(functions_t *f, ulong_t s, ulong_t mechanism, attribute_t *pub, ulong_t npub, attribute_t *priv, ulong_t npriv, ulong_t *a, ulong_t *b) {
	mechanism_t m = { mechanism, NULL, 0 };
	return f->generate_key_pair(s, &m, pub, npub, priv, npriv, a, b);
}
*/
import "C"

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unsafe"

	"vtoken/vtoken/ck"
)

// module is a loaded PKCS#11 module. It is called through the one function list
// that it gave us: some modules make a new instance for every list.
type module struct{ f *C.functions_t }

type (
	session = C.ulong_t
	handle  = C.ulong_t
	slotID  = C.ulong_t
)

func load(path string) (module, error) {
	p := C.CString(path)
	defer C.free(unsafe.Pointer(p))
	f := C.load(p)
	if f == nil {
		return module{}, fmt.Errorf("loading %s: no PKCS#11 module there", path)
	}
	return module{f}, nil
}

func result(doing string, rv C.ulong_t) error {
	if rv == 0 {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, ck.Error(rv))
}

func (m module) initialize() error { return result("C_Initialize", C.initialize(m.f)) }
func (m module) finalize() error   { return result("C_Finalize", C.finalize(m.f)) }

// slots lists the slots that have a token.
func (m module) slots() ([]slotID, error) {
	var n C.ulong_t
	if err := result("C_GetSlotList", C.get_slot_list(m.f, nil, &n)); err != nil || n == 0 {
		return nil, err
	}
	slots := make([]slotID, n)
	err := result("C_GetSlotList", C.get_slot_list(m.f, &slots[0], &n))
	return slots[:min(int(n), len(slots))], err
}

// tokenInfo is the label and the flags of a token.
func (m module) tokenInfo(slot slotID) (string, ck.Flags, error) {
	var info C.token_info_t
	err := result("C_GetTokenInfo", C.get_token_info(m.f, slot, &info))
	label := C.GoBytes(unsafe.Pointer(&info.label[0]), C.int(len(info.label)))
	return strings.TrimRight(string(label), " "), ck.Flags(info.flags), err
}

func (m module) openSession(slot slotID) (s session, err error) {
	flags := C.ulong_t(ck.CKF_SERIAL_SESSION | ck.CKF_RW_SESSION)
	return s, result("C_OpenSession", C.open_session(m.f, slot, flags, &s))
}

func (m module) login(s session, pin string) error {
	p := []byte(pin + "\x00")
	return result("C_Login", C.login(m.f, s, (*C.uchar)(&p[0]), C.ulong_t(len(pin))))
}

func (m module) createObject(s session, t template) (o handle, err error) {
	at, n, free := t.c()
	defer free()
	rv := C.create_object(m.f, s, at, n, &o)
	return o, result("C_CreateObject", rv)
}

func (m module) destroyObject(s session, o handle) error {
	return result("C_DestroyObject", C.destroy_object(m.f, s, o))
}

// find runs a whole search and returns up to most of what matches.
func (m module) find(s session, t template, most int) ([]handle, error) {
	at, n, free := t.c()
	defer free()
	var count C.ulong_t
	found := make([]handle, most)
	rv := C.find(m.f, s, at, n, &found[0], C.ulong_t(most), &count)
	return found[:min(int(count), most)], result("finding objects", rv)
}

// twoAttributes reads the class and the label of an object.
func (m module) twoAttributes(s session, o handle) error {
	return result("C_GetAttributeValue", C.two_attributes(m.f, s, o))
}

// sign is C_SignInit and C_Sign with a buffer that is large enough.
func (m module) sign(s session, mech ck.MechanismType, key handle, data []byte) error {
	return result("signing", C.sign(m.f, s, C.ulong_t(mech), key, (*C.uchar)(&data[0]), C.ulong_t(len(data))))
}

func (m module) generateKeyPair(s session, mech ck.MechanismType, public, private template) (pub, priv handle, err error) {
	a, na, freeA := public.c()
	defer freeA()
	b, nb, freeB := private.c()
	defer freeB()
	rv := C.generate_key_pair(m.f, s, C.ulong_t(mech), a, na, b, nb, &pub, &priv)
	return pub, priv, result("C_GenerateKeyPair", rv)
}

// attribute is one of a template; its value is a bool, a number, a text or bytes.
type attribute struct {
	name  ck.AttributeType
	value any
}

type template []attribute

// c copies a template to memory that C may see. free gives it back.
func (t template) c() (first *C.attribute_t, n C.ulong_t, free func()) {
	size := C.size_t(len(t)) * C.sizeof_attribute_t
	first = (*C.attribute_t)(C.malloc(size))
	all := unsafe.Slice(first, len(t))
	for i, a := range t {
		b := a.bytes()
		all[i] = C.attribute_t{C.ulong_t(a.name), C.CBytes(b), C.ulong_t(len(b))}
	}
	return first, C.ulong_t(len(t)), func() {
		for _, a := range all {
			C.free(a.value)
		}
		C.free(unsafe.Pointer(first))
	}
}

// bytes is the value as a host has it in memory.
func (a attribute) bytes() []byte {
	switch v := a.value.(type) {
	case bool:
		if v {
			return []byte{1}
		}
		return []byte{0}
	case ck.ObjectClass:
		return binary.NativeEndian.AppendUint64(nil, uint64(v))
	case int:
		return binary.NativeEndian.AppendUint64(nil, uint64(v))
	case string:
		return []byte(v)
	case []byte:
		return v
	}
	panic(fmt.Sprintf("an attribute of type %T", a.value))
}
