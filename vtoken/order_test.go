package vtoken_test

import (
	"fmt"
	"maps"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
)

// The order of calls, by exhaustion: for each family of functions, every
// sequence of calls up to a length is made, and each answer is compared with a
// model of what section 5.2 says.

// stage is how far an operation is.
type stage int

const (
	idle    stage = iota
	begun         // Init was called
	inParts       // an Update was made
	fetch         // a one-part result waits for a longer buffer
)

// orderCall is one call of a family, and what it does to an operation at each
// stage: the code, and the stage after it.
type orderCall struct {
	name  string
	call  func() error
	codes [4]ck.Error
	next  [4]stage
}

const (
	missing = ck.CKR_OPERATION_NOT_INITIALIZED
	active  = ck.CKR_OPERATION_ACTIVE
	short   = ck.CKR_BUFFER_TOO_SMALL
)

// The shapes of calls: what comes of them when idle, begun, in parts, fetching.
func initCall(call func() error) orderCall {
	return orderCall{"Init", call, [4]ck.Error{0, active, active, active}, [4]stage{begun, begun, inParts, fetch}}
}

func updateCall(call func() error) orderCall {
	return orderCall{"Update", call, [4]ck.Error{missing, 0, 0, active}, [4]stage{idle, inParts, inParts, idle}}
}

func cancelCall(call func() error) orderCall {
	return orderCall{"Cancel", call, [4]ck.Error{}, [4]stage{}}
}

// outputs are the calls with an output: with no buffer, a short one, and one that
// fits. all does the whole operation, final its end. keeps tells that a result
// whose buffer was too short is kept.
func outputs(all, final func(ck.Buffer) error, n uint64, keeps bool) []orderCall {
	null, little, exact := ck.Buffer{Null: true}, ck.Buffer{Len: n - 1}, ck.Buffer{Len: n}
	afterShort := begun
	if keeps {
		afterShort = fetch
	}
	list := []orderCall{
		{"all(null)", func() error { return all(null) }, [4]ck.Error{missing, 0, active, 0}, [4]stage{idle, begun, idle, fetch}},
		{"all(short)", func() error { return all(little) }, [4]ck.Error{missing, short, active, short}, [4]stage{idle, afterShort, idle, fetch}},
		{"all(exact)", func() error { return all(exact) }, [4]ck.Error{missing, 0, active, 0}, [4]stage{}},
	}
	if final == nil {
		return list
	}
	return append(list,
		orderCall{"Final(null)", func() error { return final(null) }, [4]ck.Error{missing, 0, 0, active}, [4]stage{idle, begun, inParts, idle}},
		orderCall{"Final(exact)", func() error { return final(exact) }, [4]ck.Error{missing, 0, 0, active}, [4]stage{}})
}

// shortFinal is a Final whose output has a length before it is made.
func shortFinal(final func(ck.Buffer) error, n uint64) orderCall {
	return orderCall{"Final(short)", func() error { return final(ck.Buffer{Len: n - 1}) },
		[4]ck.Error{missing, short, short, active}, [4]stage{idle, begun, inParts, idle}}
}

// badCall is a call whose input is wrong: it ends the operation.
func badCall(name string, call func() error, code ck.Error) orderCall {
	return orderCall{name, call, [4]ck.Error{missing, code, active, code}, [4]stage{}}
}

// errorOf drops an output.
func errorOf(_ ck.Output, err error) error { return err }

// orderFamilies are the families of functions in a session.
func orderFamilies(w *world, c *vtoken.Client, h ck.SessionHandle) map[string][]orderCall {
	aes, mac := w.aes(c, h), w.hmacKey(c, h)
	block, data := make([]byte, 32), []byte("data")
	cancel := func(f ck.Flags) orderCall { return cancelCall(func() error { return c.SessionCancel(h, f) }) }
	require.NoError(w.t, c.EncryptInit(h, cbcMech, aes))
	sealed, err := c.Encrypt(h, block, big1K)
	require.NoError(w.t, err)
	require.NoError(w.t, c.SignInit(h, hmacMech, mac))
	sig, err := c.Sign(h, data, big1K)
	require.NoError(w.t, err)

	sign := func(b ck.Buffer) error { return errorOf(c.Sign(h, data, b)) }
	signFinal := func(b ck.Buffer) error { return errorOf(c.SignFinal(h, b)) }
	digest := func(b ck.Buffer) error { return errorOf(c.Digest(h, data, b)) }
	digestFinal := func(b ck.Buffer) error { return errorOf(c.DigestFinal(h, b)) }
	encrypt := func(b ck.Buffer) error { return errorOf(c.Encrypt(h, block, b)) }
	encryptFinal := func(b ck.Buffer) error { return errorOf(c.EncryptFinal(h, b)) }
	decrypt := func(b ck.Buffer) error { return errorOf(c.Decrypt(h, sealed.Data, b)) }
	decryptFinal := func(b ck.Buffer) error { return errorOf(c.DecryptFinal(h, b)) }
	final := [4]ck.Error{missing, ck.CKR_SIGNATURE_INVALID, 0, active}
	return map[string][]orderCall{
		"sign": append(outputs(sign, signFinal, 32, false), shortFinal(signFinal, 32), cancel(ck.CKF_SIGN),
			initCall(func() error { return c.SignInit(h, hmacMech, mac) }),
			updateCall(func() error { return c.SignUpdate(h, data) })),
		"digest": append(outputs(digest, digestFinal, 32, false), shortFinal(digestFinal, 32), cancel(ck.CKF_DIGEST),
			initCall(func() error { return c.DigestInit(h, sha256M) }),
			updateCall(func() error { return c.DigestUpdate(h, data) })),
		"encrypt": append(outputs(encrypt, encryptFinal, 32, false), cancel(ck.CKF_ENCRYPT),
			initCall(func() error { return c.EncryptInit(h, cbcMech, aes) }),
			updateCall(func() error { return errorOf(c.EncryptUpdate(h, block, big1K)) }),
			badCall("all(bad)", func() error { return errorOf(c.Encrypt(h, data, big1K)) }, ck.CKR_DATA_LEN_RANGE)),
		"decrypt": append(outputs(decrypt, decryptFinal, 32, true), cancel(ck.CKF_DECRYPT),
			initCall(func() error { return c.DecryptInit(h, cbcMech, aes) }),
			updateCall(func() error { return errorOf(c.DecryptUpdate(h, block, big1K)) }),
			badCall("all(bad)", func() error { return errorOf(c.Decrypt(h, data, big1K)) }, ck.CKR_ENCRYPTED_DATA_LEN_RANGE)),
		"verify": {
			initCall(func() error { return c.VerifyInit(h, hmacMech, mac) }), cancel(ck.CKF_VERIFY),
			{"all", func() error { return c.Verify(h, data, sig.Data) }, [4]ck.Error{missing, 0, active, active}, [4]stage{}},
			badCall("all(bad)", func() error { return c.Verify(h, block, sig.Data) }, ck.CKR_SIGNATURE_INVALID),
			badCall("all(cut)", func() error { return c.Verify(h, data, sig.Data[1:]) }, ck.CKR_SIGNATURE_LEN_RANGE),
			{"Update", func() error { return c.VerifyUpdate(h, nil) }, [4]ck.Error{missing, 0, 0}, [4]stage{idle, inParts, inParts}},
			{"Final(bad)", func() error { return c.VerifyFinal(h, sig.Data) },
				[4]ck.Error{missing, final[1], ck.CKR_SIGNATURE_INVALID}, [4]stage{}},
		},
	}
}

func (w *world) hmacKey(c *vtoken.Client, h ck.SessionHandle) ck.ObjectHandle {
	w.t.Helper()
	key, err := c.GenerateKey(h, ck.Mechanism{Type: ck.CKM_GENERIC_SECRET_KEY_GEN}, ck.Template{ck.Ulong(ck.CKA_VALUE_LEN, uint64(32))})
	require.NoError(w.t, err)
	return key
}

func TestEveryOrder(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	for name, family := range orderFamilies(w, c, h) {
		t.Run(name, func(t *testing.T) {
			sequences := 0
			var walk func(path []int)
			walk = func(path []int) {
				if len(path) == 5 {
					sequences++
					require.NoError(w.t, c.SessionCancel(h, everyOperation))
					followOrder(t, family, path)
					return
				}
				for i := range family {
					walk(append(path, i))
				}
			}
			walk(nil)
			t.Logf("%d sequences", sequences)
		})
	}
}

const everyOperation = ck.CKF_ENCRYPT | ck.CKF_DECRYPT | ck.CKF_DIGEST | ck.CKF_SIGN | ck.CKF_VERIFY |
	ck.CKF_SIGN_RECOVER | ck.CKF_VERIFY_RECOVER | ck.CKF_FIND_OBJECTS |
	ck.CKF_MESSAGE_ENCRYPT | ck.CKF_MESSAGE_DECRYPT | ck.CKF_MESSAGE_SIGN | ck.CKF_MESSAGE_VERIFY

func followOrder(t *testing.T, family []orderCall, path []int) {
	t.Helper()
	at, told := idle, ""
	for _, i := range path {
		f := family[i]
		told += " " + f.name
		if err := f.call(); ck.CodeOf(err) != f.codes[at] {
			t.Fatalf("%s: got %v, want %v", told, err, f.codes[at])
		}
		at = f.next[at]
	}
}

// A search is an operation too.
func TestFindOrder(t *testing.T) {
	w := newWorld(t)
	c, h := w.open(ro)
	find := func() error { _, err := c.FindObjects(h, 1); return err }
	family := []orderCall{
		{"Init", func() error { return c.FindObjectsInit(h, nil) }, [4]ck.Error{0, active}, [4]stage{begun, begun}},
		{"Find", find, [4]ck.Error{missing, 0}, [4]stage{idle, begun}},
		{"Final", func() error { return c.FindObjectsFinal(h) }, [4]ck.Error{missing, 0}, [4]stage{}},
		cancelCall(func() error { return c.SessionCancel(h, ck.CKF_FIND_OBJECTS) }),
	}
	for n := range 4 * 4 * 4 * 4 * 4 {
		require.NoError(w.t, c.SessionCancel(h, everyOperation))
		followOrder(t, family, []int{n % 4, n / 4 % 4, n / 16 % 4, n / 64 % 4, n / 256})
	}
}

// Every function with a session that there is not, or no longer.
func TestEveryFunctionWithoutSession(t *testing.T) {
	w := newWorld(t)
	c, closed := w.open(rw)
	require.NoError(w.t, c.CloseSession(closed))
	for _, h := range []ck.SessionHandle{0, closed, 1 << 62, ^ck.SessionHandle(0)} {
		calls := sessionCalls(c, h)
		maps.Copy(calls, newerSessionCalls(c, h))
		wantComplete(t, calls)
		for name, call := range calls {
			t.Run(fmt.Sprintf("%s(%d)", name, h), func(t *testing.T) {
				require.Equal(t, ck.CKR_SESSION_HANDLE_INVALID, ck.CodeOf(call()))
			})
		}
	}
}

// sessionCalls is every function that takes a session.
func sessionCalls(c *vtoken.Client, h ck.SessionHandle) map[string]func() error {
	m, out := ck.Mechanism{Type: ck.CKM_SHA256}, errorOf
	object := func(_ ck.ObjectHandle, err error) error { return err }
	return map[string]func() error{
		"CloseSession":   func() error { return c.CloseSession(h) },
		"GetSessionInfo": func() error { _, err := c.GetSessionInfo(h); return err },
		"SessionCancel":  func() error { return c.SessionCancel(h, 0) },
		"EndAfterError":  func() error { return c.EndAfterError(h, 0) },
		"Login":          func() error { return c.Login(h, ck.CKU_USER, pinOf(userPIN)) },
		"LoginUser":      func() error { return c.LoginUser(h, ck.CKU_USER, pinOf(userPIN), nil) },
		"Logout":         func() error { return c.Logout(h) },
		"InitPIN":        func() error { return c.InitPIN(h, pinOf(userPIN)) },
		"SetPIN":         func() error { return c.SetPIN(h, pinOf(userPIN), pinOf(userPIN)) },

		"GetOperationState": func() error { return out(c.GetOperationState(h, big1K)) },
		"SetOperationState": func() error { return c.SetOperationState(h, nil, 0, 0) },

		"CreateObject":      func() error { return object(c.CreateObject(h, nil)) },
		"CopyObject":        func() error { return object(c.CopyObject(h, 1, nil)) },
		"RestoreObject":     func() error { return c.RestoreObject(h, 1, 0, nil) },
		"DestroyObject":     func() error { return c.DestroyObject(h, 1) },
		"GetObjectSize":     func() error { _, err := c.GetObjectSize(h, 1); return err },
		"GetAttributeValue": func() error { _, err := c.GetAttributeValue(h, 1, nil); return err },
		"SetAttributeValue": func() error { return c.SetAttributeValue(h, 1, nil) },
		"FindObjectsInit":   func() error { return c.FindObjectsInit(h, nil) },
		"FindObjects":       func() error { _, err := c.FindObjects(h, 1); return err },
		"FindObjectsFinal":  func() error { return c.FindObjectsFinal(h) },

		"EncryptInit":   func() error { return c.EncryptInit(h, m, 1) },
		"Encrypt":       func() error { return out(c.Encrypt(h, nil, big1K)) },
		"EncryptUpdate": func() error { return out(c.EncryptUpdate(h, nil, big1K)) },
		"EncryptFinal":  func() error { return out(c.EncryptFinal(h, big1K)) },
		"DecryptInit":   func() error { return c.DecryptInit(h, m, 1) },
		"Decrypt":       func() error { return out(c.Decrypt(h, nil, big1K)) },
		"DecryptUpdate": func() error { return out(c.DecryptUpdate(h, nil, big1K)) },
		"DecryptFinal":  func() error { return out(c.DecryptFinal(h, big1K)) },
		"DigestInit":    func() error { return c.DigestInit(h, m) },
		"Digest":        func() error { return out(c.Digest(h, nil, big1K)) },
		"DigestUpdate":  func() error { return c.DigestUpdate(h, nil) },
		"DigestKey":     func() error { return c.DigestKey(h, 1) },
		"DigestFinal":   func() error { return out(c.DigestFinal(h, big1K)) },
		"SignInit":      func() error { return c.SignInit(h, m, 1) },
		"Sign":          func() error { return out(c.Sign(h, nil, big1K)) },
		"SignUpdate":    func() error { return c.SignUpdate(h, nil) },
		"SignFinal":     func() error { return out(c.SignFinal(h, big1K)) },
		"VerifyInit":    func() error { return c.VerifyInit(h, m, 1) },
		"Verify":        func() error { return c.Verify(h, nil, nil) },
		"VerifyUpdate":  func() error { return c.VerifyUpdate(h, nil) },
		"VerifyFinal":   func() error { return c.VerifyFinal(h, nil) },

		"SignRecoverInit":     func() error { return c.SignRecoverInit(h, m, 1) },
		"SignRecover":         func() error { return out(c.SignRecover(h, nil, big1K)) },
		"VerifyRecoverInit":   func() error { return c.VerifyRecoverInit(h, m, 1) },
		"VerifyRecover":       func() error { return out(c.VerifyRecover(h, nil, big1K)) },
		"DigestEncryptUpdate": func() error { return out(c.DigestEncryptUpdate(h, nil, big1K)) },
		"DecryptDigestUpdate": func() error { return out(c.DecryptDigestUpdate(h, nil, big1K)) },
		"SignEncryptUpdate":   func() error { return out(c.SignEncryptUpdate(h, nil, big1K)) },
		"DecryptVerifyUpdate": func() error { return out(c.DecryptVerifyUpdate(h, nil, big1K)) },

		"GenerateKey":     func() error { return object(c.GenerateKey(h, m, nil)) },
		"GenerateKeyPair": func() error { _, _, err := c.GenerateKeyPair(h, m, nil, nil); return err },
		"WrapKey":         func() error { return out(c.WrapKey(h, m, 1, 2, big1K)) },
		"UnwrapKey":       func() error { return object(c.UnwrapKey(h, m, 1, nil, nil)) },
		"DeriveKey":       func() error { return object(c.DeriveKey(h, m, 1, nil)) },
		"SeedRandom":      func() error { return c.SeedRandom(h, nil) },
		"GenerateRandom":  func() error { _, err := c.GenerateRandom(h, 1); return err },
	}
}

// newerSessionCalls is those of 3.0 and 3.2.
func newerSessionCalls(c *vtoken.Client, h ck.SessionHandle) map[string]func() error {
	m, out, p := ck.Mechanism{Type: ck.CKM_SHA256}, errorOf, &ck.MessageParams{}
	const end = ck.CKF_END_OF_MESSAGE
	return map[string]func() error{
		"MessageSignInit":   func() error { return c.MessageSignInit(h, m, 1) },
		"SignMessage":       func() error { return out(c.SignMessage(h, nil, nil, big1K)) },
		"SignMessageBegin":  func() error { return c.SignMessageBegin(h, nil) },
		"SignMessageNext":   func() error { return out(c.SignMessageNext(h, nil, nil, true, big1K)) },
		"MessageSignFinal":  func() error { return c.MessageSignFinal(h) },
		"MessageVerifyInit": func() error { return c.MessageVerifyInit(h, m, 1) },
		"VerifyMessage":     func() error { return c.VerifyMessage(h, nil, nil, nil) },

		"VerifyMessageBegin":  func() error { return c.VerifyMessageBegin(h, nil) },
		"VerifyMessageNext":   func() error { return c.VerifyMessageNext(h, nil, nil, nil) },
		"MessageVerifyFinal":  func() error { return c.MessageVerifyFinal(h) },
		"MessageEncryptInit":  func() error { return c.MessageEncryptInit(h, m, 1) },
		"EncryptMessage":      func() error { return out(c.EncryptMessage(h, p, nil, nil, big1K)) },
		"EncryptMessageBegin": func() error { return c.EncryptMessageBegin(h, p, nil) },
		"EncryptMessageNext":  func() error { return out(c.EncryptMessageNext(h, p, nil, big1K, end)) },
		"MessageEncryptFinal": func() error { return c.MessageEncryptFinal(h) },
		"MessageDecryptInit":  func() error { return c.MessageDecryptInit(h, m, 1) },
		"DecryptMessage":      func() error { return out(c.DecryptMessage(h, p, nil, nil, big1K)) },
		"DecryptMessageBegin": func() error { return c.DecryptMessageBegin(h, p, nil) },
		"DecryptMessageNext":  func() error { return out(c.DecryptMessageNext(h, p, nil, big1K, end)) },
		"MessageDecryptFinal": func() error { return c.MessageDecryptFinal(h) },

		"EncapsulateKey":       func() error { _, _, err := c.EncapsulateKey(h, m, 1, nil, big1K); return err },
		"DecapsulateKey":       func() error { _, err := c.DecapsulateKey(h, m, 1, nil, nil); return err },
		"WrapKeyAuthenticated": func() error { return out(c.WrapKeyAuthenticated(h, &ck.WrapParams{}, 1, 2, big1K)) },
	}
}

// wantComplete finds the functions of the engine that take a session, may fail,
// and are not among the calls.
func wantComplete(t *testing.T, calls map[string]func() error) {
	t.Helper()
	client, session, failure := reflect.TypeFor[*vtoken.Client](), reflect.TypeFor[ck.SessionHandle](), reflect.TypeFor[error]()
	for i := range client.NumMethod() {
		m := client.Method(i)
		f := m.Type
		if f.NumIn() > 1 && f.In(1) == session && f.NumOut() > 0 && f.Out(f.NumOut()-1) == failure && calls[m.Name] == nil {
			t.Errorf("%s takes a session and is not tried", m.Name)
		}
	}
}

// Every function that ends or continues an operation, without one.
func TestEveryFunctionWithoutOperation(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	calls := sessionCalls(c, h)
	maps.Copy(calls, newerSessionCalls(c, h))
	for _, name := range []string{
		"SignMessage", "SignMessageBegin", "SignMessageNext", "MessageSignFinal", "VerifyMessage", "VerifyMessageBegin",
		"VerifyMessageNext", "MessageVerifyFinal", "EncryptMessage", "EncryptMessageBegin", "EncryptMessageNext",
		"MessageEncryptFinal", "DecryptMessage", "DecryptMessageBegin", "DecryptMessageNext", "MessageDecryptFinal",
		"FindObjects", "FindObjectsFinal", "Encrypt", "EncryptUpdate", "EncryptFinal", "Decrypt", "DecryptUpdate", "DecryptFinal",
		"Digest", "DigestUpdate", "DigestKey", "DigestFinal", "Sign", "SignUpdate", "SignFinal", "Verify", "VerifyUpdate",
		"VerifyFinal", "SignRecover", "VerifyRecover", "DigestEncryptUpdate", "DecryptDigestUpdate", "SignEncryptUpdate",
		"DecryptVerifyUpdate", "GetOperationState",
	} {
		if err := calls[name](); ck.CodeOf(err) != ck.CKR_OPERATION_NOT_INITIALIZED {
			t.Errorf("%s: %v", name, err)
		}
	}
	require.NoError(w.t, c.Logout(h))
	require.Equal(t, ck.CKR_USER_NOT_LOGGED_IN, ck.CodeOf(c.Logout(h)))
}
