package vtoken_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/record"
)

// Which objects can be made and destroyed in which session (section 4.4).
func TestWhoMayWrite(t *testing.T) {
	type row struct {
		name    string
		flags   ck.Flags
		login   string
		attrs   []ck.Attribute
		code    ck.Error
		visible bool // to the session afterwards
	}
	secretKey := []ck.Attribute{onToken, private}
	for _, tc := range []row{
		{"public token object, RO", ro, "", []ck.Attribute{onToken, public}, ck.CKR_SESSION_READ_ONLY, false},
		{"public token object, RO user", ro, "user", []ck.Attribute{onToken, public}, ck.CKR_SESSION_READ_ONLY, false},
		{"public token object, RW", rw, "", []ck.Attribute{onToken, public}, ck.CKR_OK, true},
		{"public token object, RW user", rw, "user", []ck.Attribute{onToken, public}, ck.CKR_OK, true},
		{"public token object, SO", rw, "so", []ck.Attribute{onToken, public}, ck.CKR_OK, true},
		{"private token object, RW", rw, "", secretKey, ck.CKR_USER_NOT_LOGGED_IN, false},
		{"private token object, RW user", rw, "user", secretKey, ck.CKR_OK, true},
		{"private token object, SO", rw, "so", secretKey, ck.CKR_USER_NOT_LOGGED_IN, false},
		{"public session object, RO", ro, "", []ck.Attribute{public}, ck.CKR_OK, true},
		{"private session object, RO", ro, "", []ck.Attribute{private}, ck.CKR_USER_NOT_LOGGED_IN, false},
		{"private session object, RO user", ro, "user", []ck.Attribute{private}, ck.CKR_OK, true},
		{"private session object, SO", rw, "so", []ck.Attribute{private}, ck.CKR_USER_NOT_LOGGED_IN, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			c, h := w.open(tc.flags)
			switch tc.login {
			case "user":
				require.NoError(w.t, c.Login(h, ck.CKU_USER, pinOf(userPIN)))
			case "so":
				require.NoError(w.t, c.Login(h, ck.CKU_SO, pinOf(soPIN)))
			}
			o, err := c.CreateObject(h, data("x", "v", tc.attrs...))
			require.Equal(t, tc.code, ck.CodeOf(err))
			if found := findAll(t, c, h, nil); slices.Contains(found, o) != tc.visible {
				t.Errorf("found %v", found)
			}
			if tc.code == ck.CKR_OK {
				require.NoError(w.t, c.DestroyObject(h, o))
				require.Equal(t, ck.CKR_OBJECT_HANDLE_INVALID, ck.CodeOf(c.DestroyObject(h, o)))
			}
		})
	}
}

// Private objects cannot be reached without login, by any function, and private
// session objects do not survive a logout.
func TestPrivateObjects(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	onCard, err := c.CreateObject(h, data("card", "v", onToken, private))
	require.NoError(w.t, err)
	inSession, err := c.CreateObject(h, data("session", "v", private))
	require.NoError(w.t, err)
	shared, err := c.CreateObject(h, data("public", "v", public))
	require.NoError(w.t, err)
	require.NoError(w.t, c.Logout(h))
	for _, o := range []ck.ObjectHandle{onCard, inSession} {
		_, err := c.GetAttributeValue(h, o, nil)
		require.Equal(t, ck.CKR_OBJECT_HANDLE_INVALID, ck.CodeOf(err))
		_, err = c.GetObjectSize(h, o)
		require.Equal(t, ck.CKR_OBJECT_HANDLE_INVALID, ck.CodeOf(err))
		_, err = c.CopyObject(h, o, nil)
		require.Equal(t, ck.CKR_OBJECT_HANDLE_INVALID, ck.CodeOf(err))
		require.Equal(t, ck.CKR_OBJECT_HANDLE_INVALID,
			ck.CodeOf(c.SetAttributeValue(h, o, ck.Template{ck.String(ck.CKA_LABEL, "x")})))
		require.Equal(t, ck.CKR_OBJECT_HANDLE_INVALID, ck.CodeOf(c.DestroyObject(h, o)))
	}
	require.NoError(w.t, c.Login(h, ck.CKU_USER, pinOf(userPIN)))
	if found := findAll(t, c, h, nil); !slices.Equal(found, []ck.ObjectHandle{onCard, shared}) {
		t.Errorf("found %v, want %v", found, []ck.ObjectHandle{onCard, shared})
	}
}

// A session object is there for all sessions of its application with the token,
// and goes with its own.
func TestSessionObjects(t *testing.T) {
	w := newWorld(t)
	c, h := w.open(ro)
	second := w.session(c, ro)
	o, err := c.CreateObject(h, data("x", "v", public))
	require.NoError(w.t, err)
	if _, err := c.GetObjectSize(second, o); err != nil {
		t.Error(err)
	}
	other, oh := w.open(ro)
	_, err = other.GetObjectSize(oh, o)
	require.Equal(t, ck.CKR_OBJECT_HANDLE_INVALID, ck.CodeOf(err))
	require.NoError(w.t, c.SetAttributeValue(second, o, ck.Template{ck.String(ck.CKA_LABEL, "y")}))
	if found := findAll(t, c, h, ck.Template{ck.String(ck.CKA_LABEL, "y")}); !slices.Equal(found, []ck.ObjectHandle{o}) {
		t.Errorf("found %v", found)
	}
	require.NoError(w.t, c.CloseSession(h))
	_, err = c.GetObjectSize(second, o)
	require.Equal(t, ck.CKR_OBJECT_HANDLE_INVALID, ck.CodeOf(err))
}

// A read tells what it can and marks the rest.
func TestGetAttributeValue(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	_, priv := w.ecPair(c, h, true, ck.String(ck.CKA_LABEL, "key"))
	unavailable := ck.UnavailableInformation
	type row struct {
		query ck.AttributeQuery
		value string
		null  bool
		len   uint64
	}
	label := row{ck.AttributeQuery{Type: ck.CKA_LABEL, Buffer: big1K}, "key", false, 3}
	length := row{ck.AttributeQuery{Type: ck.CKA_LABEL, Buffer: query}, "", true, 3}
	empty := row{ck.AttributeQuery{Type: ck.CKA_ID, Buffer: ck.Buffer{}}, "", false, 0}
	sensitive := row{ck.AttributeQuery{Type: ck.CKA_VALUE, Buffer: query}, "", true, unavailable}
	invalid := row{ck.AttributeQuery{Type: ck.CKA_MODULUS, Buffer: big1K}, "", true, unavailable}
	unset := row{ck.AttributeQuery{Type: ck.CKA_ALLOWED_MECHANISMS, Buffer: big1K}, "", false, 0}
	short := row{ck.AttributeQuery{Type: ck.CKA_LABEL, Buffer: ck.Buffer{Len: 2}}, "", true, unavailable}
	for name, tc := range map[string]struct {
		rows []row
		code ck.Error
	}{
		"all good":           {[]row{label, length, empty}, ck.CKR_OK},
		"a sensitive one":    {[]row{label, sensitive, label}, ck.CKR_ATTRIBUTE_SENSITIVE},
		"an invalid one":     {[]row{invalid, label}, ck.CKR_ATTRIBUTE_TYPE_INVALID},
		"an unset list":      {[]row{unset, label}, ck.CKR_OK},
		"a short buffer":     {[]row{label, short, label}, ck.CKR_BUFFER_TOO_SMALL},
		"one of everything":  {[]row{short, invalid, sensitive, label, length, unset, empty}, ck.CKR_ATTRIBUTE_SENSITIVE},
		"nothing asked":      {nil, ck.CKR_OK},
		"invalid before all": {[]row{short, invalid, empty}, ck.CKR_ATTRIBUTE_TYPE_INVALID},
	} {
		var queries []ck.AttributeQuery
		for _, r := range tc.rows {
			queries = append(queries, r.query)
		}
		results, err := c.GetAttributeValue(h, priv, queries)
		if ck.CodeOf(err) != tc.code || len(results) != len(tc.rows) {
			t.Errorf("%s: %d results, %v", name, len(results), err)
			continue
		}
		for i, r := range tc.rows {
			got := results[i]
			if got.Type != r.query.Type || string(got.Value) != r.value || (got.Value == nil) != r.null || got.Len != r.len {
				t.Errorf("%s: result %d is %+v", name, i, got)
			}
		}
	}
}

// The value of a key that may be read is read from the store when asked for.
func TestReadExtractableKey(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	value := []byte("0123456789abcdef")
	for _, token := range []bool{true, false} {
		key, err := c.CreateObject(h, ck.Template{
			ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_AES),
			ck.Bytes(ck.CKA_VALUE, value), ck.Bool(ck.CKA_TOKEN, token),
			ck.Bool(ck.CKA_SENSITIVE, false), ck.Bool(ck.CKA_EXTRACTABLE, true),
		})
		require.NoError(w.t, err)
		queries := []ck.AttributeQuery{{Type: ck.CKA_VALUE, Buffer: big1K}}
		results, err := c.GetAttributeValue(h, key, queries)
		require.NoError(w.t, err)
		require.Equal(t, string(value), string(results[0].Value), "another value")
		require.NoError(w.t, c.SetAttributeValue(h, key, ck.Template{ck.Bool(ck.CKA_SENSITIVE, true)}))
		_, err = c.GetAttributeValue(h, key, queries)
		require.Equal(t, ck.CKR_ATTRIBUTE_SENSITIVE, ck.CodeOf(err))
		require.Equal(t, ck.CKR_ATTRIBUTE_READ_ONLY,
			ck.CodeOf(c.SetAttributeValue(h, key, ck.Template{ck.Bool(ck.CKA_SENSITIVE, false)})))
	}
}

func TestSetAttributeValue(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	_, priv := w.ecPair(c, h, true)
	label := func(s string) ck.Template { return ck.Template{ck.String(ck.CKA_LABEL, s)} }
	readOnly := w.session(c, ro)
	require.Equal(t, ck.CKR_SESSION_READ_ONLY, ck.CodeOf(c.SetAttributeValue(readOnly, priv, label("x"))))
	require.NoError(w.t, c.SetAttributeValue(h, priv, label("x")))
	// All or nothing.
	require.Equal(t, ck.CKR_ATTRIBUTE_READ_ONLY,
		ck.CodeOf(c.SetAttributeValue(h, priv, append(label("y"), ck.Ulong(ck.CKA_CLASS, ck.CKO_DATA)))))
	if found := findAll(t, c, h, label("x")); !slices.Equal(found, []ck.ObjectHandle{priv}) {
		t.Errorf("found %v", found)
	}
	// The key still works: its secret was not lost with the change.
	require.NoError(w.t, c.SignInit(h, ecdsaMech, priv))
	_, err := c.Sign(h, make([]byte, 32), big1K)
	require.NoError(w.t, err)
	c.Close()
	c, h = w.loggedIn(ro)
	require.NoError(w.t, c.SignInit(h, ecdsaMech, priv))
	_, err = c.Sign(h, make([]byte, 32), big1K)
	require.NoError(w.t, err)
}

// Copies work between token and session, and loosen nothing.
func TestCopyObject(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	pub, priv := w.ecPair(c, h, true)
	inSession, err := c.CopyObject(h, priv, ck.Template{ck.Bool(ck.CKA_TOKEN, false), ck.String(ck.CKA_LABEL, "copy")})
	require.NoError(w.t, err)
	digest := make([]byte, 32)
	require.NoError(w.t, c.SignInit(h, ecdsaMech, inSession))
	out, err := c.Sign(h, digest, big1K)
	require.NoError(w.t, err)
	w.verifyP256(c, h, pub, digest, out.Data)
	results, err := c.GetAttributeValue(h, inSession, []ck.AttributeQuery{
		{Type: ck.CKA_SENSITIVE, Buffer: big1K}, {Type: ck.CKA_EXTRACTABLE, Buffer: big1K}, {Type: ck.CKA_LABEL, Buffer: big1K}})
	require.NoError(w.t, err)
	if results[0].Value[0] != 1 || results[1].Value[0] != 0 || string(results[2].Value) != "copy" {
		t.Errorf("%v", results)
	}
	_, err = c.CopyObject(h, priv, ck.Template{ck.Bool(ck.CKA_EXTRACTABLE, true)})
	require.Equal(t, ck.CKR_ATTRIBUTE_READ_ONLY, ck.CodeOf(err))
	back, err := c.CopyObject(h, inSession, ck.Template{onToken})
	require.NoError(w.t, err)
	require.NoError(w.t, c.CloseAllSessions(w.alice.Slot))
	c, h = w.loggedIn(ro)
	require.NoError(w.t, c.SignInit(h, ecdsaMech, back))
	out, err = c.Sign(h, digest, big1K)
	require.NoError(w.t, err)
	w.verifyP256(c, h, pub, digest, out.Data)
	_, err = c.CopyObject(h, priv, nil)
	require.Equal(t, ck.CKR_SESSION_READ_ONLY, ck.CodeOf(err))
}

// What session objects an application can make the daemon hold is bounded.
func TestSessionObjectsAreBounded(t *testing.T) {
	w := newWorld(t)
	c, h := w.open(ro)
	value := string(make([]byte, 1<<20))
	var last ck.ObjectHandle
	for n := 0; ; n++ {
		o, err := c.CreateObject(h, data("x", value, public))
		if err != nil {
			require.Equal(t, ck.CKR_DEVICE_MEMORY, ck.CodeOf(err))
			require.GreaterOrEqual(t, n, 60, "no room after %d MiB", n)
			break
		}
		last = o
	}
	require.NoError(w.t, c.DestroyObject(h, last))
	_, err := c.CreateObject(h, data("x", value, public))
	require.NoError(w.t, err)
}

func TestUndestroyableObject(t *testing.T) {
	w := newWorld(t)
	c, h := w.open(rw)
	o, err := c.CreateObject(h, data("x", "v", onToken, public, ck.Bool(ck.CKA_DESTROYABLE, false)))
	require.NoError(w.t, err)
	require.Equal(t, ck.CKR_ACTION_PROHIBITED, ck.CodeOf(c.DestroyObject(h, o)))
}

// The token's limit on RSA keys holds before anything is generated.
func TestRSALimit(t *testing.T) {
	w := newWorld(t)
	require.NoError(w.t, w.store.ChangeToken(w.alice.ID, func(r *record.Token) { r.MaxRSABits = 2048 }))
	c, h := w.loggedIn(rw)
	_, _, err := c.GenerateKeyPair(h, ck.Mechanism{Type: ck.CKM_RSA_PKCS_KEY_PAIR_GEN},
		ck.Template{ck.Ulong(ck.CKA_MODULUS_BITS, uint64(3072))}, nil)
	require.Equal(t, ck.CKR_KEY_SIZE_RANGE, ck.CodeOf(err))
	_, _, err = c.GenerateKeyPair(h, ck.Mechanism{Type: ck.CKM_AES_KEY_GEN}, nil, nil)
	require.Equal(t, ck.CKR_MECHANISM_INVALID, ck.CodeOf(err))
	_, err = c.GenerateKey(h, ck.Mechanism{Type: ck.CKM_EC_KEY_PAIR_GEN}, nil)
	require.Equal(t, ck.CKR_MECHANISM_INVALID, ck.CodeOf(err))
	_, _, err = c.GenerateKeyPair(w.session(c, ro), ck.Mechanism{Type: ck.CKM_EC_KEY_PAIR_GEN},
		ck.Template{ck.Bytes(ck.CKA_EC_PARAMS, p256)}, ck.Template{onToken})
	require.Equal(t, ck.CKR_SESSION_READ_ONLY, ck.CodeOf(err))
}

func TestRandom(t *testing.T) {
	w := newWorld(t)
	c, h := w.open(ro)
	a, err := c.GenerateRandom(h, 32)
	require.NoError(w.t, err)
	b, err := c.GenerateRandom(h, 32)
	require.NoError(w.t, err)
	if len(a) != 32 || slices.Equal(a, b) {
		t.Error("not random")
	}
	_, err = c.GenerateRandom(h, 1<<40)
	require.Equal(t, ck.CKR_ARGUMENTS_BAD, ck.CodeOf(err))
	// A seed is taken, an empty one too, and numbers that follow are as random as before.
	seen := [][]byte{a, b}
	for _, seed := range [][]byte{a, a, nil, make([]byte, 1<<20)} {
		require.NoError(t, c.SeedRandom(h, seed))
		for _, n := range []uint64{0, 1, 32, 100_000} {
			r, err := c.GenerateRandom(h, n)
			require.NoError(t, err)
			require.Len(t, r, int(n))
			if n >= 32 {
				require.NotContains(t, seen, r[:32])
				seen = append(seen, r[:32])
			}
		}
	}
	require.Equal(t, ck.CKR_SESSION_HANDLE_INVALID, ck.CodeOf(c.SeedRandom(h+1000, a)))
}

// Where nobody is logged in, private and secret keys of the session are made public in every way of
// making them, and work. With a login they are private, and a template decides either way.
func TestKeysWithoutLogin(t *testing.T) {
	w := newWorld(t)
	in, user := w.loggedIn(rw)
	out, nobody := w.open(rw)
	secretKey := ck.Template{
		ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_AES),
		ck.Bytes(ck.CKA_VALUE, make([]byte, 16)), ck.Bool(ck.CKA_WRAP, true), ck.Bool(ck.CKA_UNWRAP, true),
	}
	without := func(t ck.Template) ck.Template {
		return slices.DeleteFunc(slices.Clone(t), func(a ck.Attribute) bool {
			return a.Type == ck.CKA_VALUE || a.Type == ck.CKA_WRAP || a.Type == ck.CKA_UNWRAP
		})
	}
	makers := map[string]func(c *vtoken.Client, h ck.SessionHandle, more ...ck.Attribute) (ck.ObjectHandle, error){
		"create": func(c *vtoken.Client, h ck.SessionHandle, more ...ck.Attribute) (ck.ObjectHandle, error) {
			return c.CreateObject(h, with(secretKey, more...))
		},
		"generate": func(c *vtoken.Client, h ck.SessionHandle, more ...ck.Attribute) (ck.ObjectHandle, error) {
			return c.GenerateKey(h, ck.Mechanism{Type: ck.CKM_AES_KEY_GEN}, with(ck.Template{ck.Ulong(ck.CKA_VALUE_LEN, uint64(16))}, more...))
		},
		"pair": func(c *vtoken.Client, h ck.SessionHandle, more ...ck.Attribute) (ck.ObjectHandle, error) {
			_, priv, err := c.GenerateKeyPair(h, ck.Mechanism{Type: ck.CKM_EC_KEY_PAIR_GEN}, ck.Template{ck.Bytes(ck.CKA_EC_PARAMS, p256)}, more)
			return priv, err
		},
		"unwrap": func(c *vtoken.Client, h ck.SessionHandle, more ...ck.Attribute) (ck.ObjectHandle, error) {
			wrapping := w.created(c, h, secretKey, public)
			wrap := ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP}
			blob, err := c.WrapKey(h, wrap, wrapping, w.created(c, h, without(secretKey), ck.Bytes(ck.CKA_VALUE, make([]byte, 16)),
				public, ck.Bool(ck.CKA_SENSITIVE, false), ck.Bool(ck.CKA_EXTRACTABLE, true)), big1K)
			require.NoError(t, err)
			return c.UnwrapKey(h, wrap, wrapping, blob.Data, with(without(secretKey), more...))
		},
		"derive": func(c *vtoken.Client, h ck.SessionHandle, more ...ck.Attribute) (ck.ObjectHandle, error) {
			base := w.created(c, h, ck.Template{
				ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_HKDF), ck.Bytes(ck.CKA_VALUE, make([]byte, 16)), public,
			})
			p := ck.HKDFParams{Extract: true, Expand: true, PRF: ck.CKM_SHA256, SaltType: uint64(ck.CKF_HKDF_SALT_NULL)}
			return c.DeriveKey(h, ck.Mechanism{Type: ck.CKM_HKDF_DERIVE, Parameter: p}, base,
				with(without(secretKey), append(more, ck.Ulong(ck.CKA_VALUE_LEN, uint64(16)))...))
		},
		"copy": func(c *vtoken.Client, h ck.SessionHandle, more ...ck.Attribute) (ck.ObjectHandle, error) {
			key, err := c.CreateObject(h, secretKey)
			require.NoError(t, err)
			return c.CopyObject(h, key, more)
		},
	}
	for name, create := range makers {
		key, err := create(out, nobody)
		require.NoError(t, err, name)
		require.Equal(t, []byte{0}, w.bytes(out, nobody, key, ck.CKA_PRIVATE), name)
		_, err = create(out, nobody, private)
		require.Equal(t, ck.CKR_USER_NOT_LOGGED_IN, ck.CodeOf(err), name)
		_, err = create(out, nobody, onToken, private)
		require.Equal(t, ck.CKR_USER_NOT_LOGGED_IN, ck.CodeOf(err), name)
		if name != "copy" { // which is as public as the key
			_, err = create(out, nobody, onToken)
			require.Equal(t, ck.CKR_USER_NOT_LOGGED_IN, ck.CodeOf(err), name)
		}
		key, err = create(in, user)
		require.NoError(t, err, name)
		require.Equal(t, []byte{1}, w.bytes(in, user, key, ck.CKA_PRIVATE), name)
	}
	priv, err := makers["pair"](out, nobody)
	require.NoError(t, err)
	require.NoError(t, out.SignInit(nobody, ecdsaMech, priv))
	_, err = out.Sign(nobody, make([]byte, 32), big1K)
	require.NoError(t, err)
	_, err = makers["pair"](out, nobody, ck.Bool(ck.CKA_ALWAYS_AUTHENTICATE, true))
	require.Equal(t, ck.CKR_USER_NOT_LOGGED_IN, ck.CodeOf(err))
}

// What a template gives twice counts once in every function that makes or changes objects, and
// with two values in none. A search for two values finds nothing.
func TestTemplatesWithAnAttributeTwice(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	label := func(v string) ck.Attribute { return ck.String(ck.CKA_LABEL, v) }
	wrapping := w.aes(c, h, ck.Bool(ck.CKA_WRAP, true), ck.Bool(ck.CKA_UNWRAP, true))
	readable := w.aes(c, h, ck.Bool(ck.CKA_SENSITIVE, false), ck.Bool(ck.CKA_EXTRACTABLE, true))
	wrap := ck.Mechanism{Type: ck.CKM_AES_KEY_WRAP}
	blob, err := c.WrapKey(h, wrap, wrapping, readable, big1K)
	require.NoError(t, err)
	encapsulates, decapsulates, err := c.GenerateKeyPair(h, ck.Mechanism{Type: ck.CKM_ML_KEM_KEY_PAIR_GEN},
		ck.Template{ck.Ulong(ck.CKA_PARAMETER_SET, ck.CKP_ML_KEM_512)}, nil)
	require.NoError(t, err)
	room := ck.Buffer{Len: 2000}
	ciphertext, _, err := c.EncapsulateKey(h, mlkem, encapsulates, readableSecret, room)
	require.NoError(t, err)
	aesTemplate := ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_AES)}
	for name, call := range map[string]func(t ...ck.Attribute) error{
		"create": func(t ...ck.Attribute) error {
			_, err := c.CreateObject(h, append(t, ck.Ulong(ck.CKA_CLASS, ck.CKO_DATA)))
			return err
		},
		"copy": func(t ...ck.Attribute) error { _, err := c.CopyObject(h, readable, t); return err },
		"set":  func(t ...ck.Attribute) error { return c.SetAttributeValue(h, readable, t) },
		"generate": func(t ...ck.Attribute) error {
			_, err := c.GenerateKey(h, ck.Mechanism{Type: ck.CKM_AES_KEY_GEN}, append(t, ck.Ulong(ck.CKA_VALUE_LEN, uint64(16))))
			return err
		},
		"public": func(t ...ck.Attribute) error {
			_, _, err := c.GenerateKeyPair(h, ck.Mechanism{Type: ck.CKM_EC_KEY_PAIR_GEN}, append(t, ck.Bytes(ck.CKA_EC_PARAMS, p256)), nil)
			return err
		},
		"private": func(t ...ck.Attribute) error {
			_, _, err := c.GenerateKeyPair(h, ck.Mechanism{Type: ck.CKM_EC_KEY_PAIR_GEN}, ck.Template{ck.Bytes(ck.CKA_EC_PARAMS, p256)}, t)
			return err
		},
		"unwrap": func(t ...ck.Attribute) error {
			_, err := c.UnwrapKey(h, wrap, wrapping, blob.Data, with(aesTemplate, t...))
			return err
		},
		"encapsulate": func(t ...ck.Attribute) error {
			_, _, err := c.EncapsulateKey(h, mlkem, encapsulates, with(readableSecret, t...), room)
			return err
		},
		"decapsulate": func(t ...ck.Attribute) error {
			_, err := c.DecapsulateKey(h, mlkem, decapsulates, with(readableSecret, t...), ciphertext.Data)
			return err
		},
	} {
		require.NoError(t, call(label(name), label(name)), name)
		require.Equal(t, ck.CKR_TEMPLATE_INCONSISTENT, ck.CodeOf(call(label(name), label("other"))), name)
		found := findAll(t, c, h, ck.Template{label(name), label(name)})
		require.NotEmpty(t, found, name)
		require.Equal(t, found, findAll(t, c, h, ck.Template{label(name)}), name)
		require.Empty(t, findAll(t, c, h, ck.Template{label(name), label("other")}), name)
	}
}
