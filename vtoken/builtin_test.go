package vtoken_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/policy"
)

// certificate is a template of a certificate that is elsewhere.
func certificate(id string, attrs ...ck.Attribute) ck.Template {
	return append(ck.Template{
		ck.Ulong(ck.CKA_CLASS, ck.CKO_CERTIFICATE), ck.Ulong(ck.CKA_CERTIFICATE_TYPE, ck.CKC_X_509),
		ck.String(ck.CKA_URL, "http://localhost/"), ck.Bytes(ck.CKA_SUBJECT, []byte{0x30, 0}), ck.String(ck.CKA_ID, id),
	}, attrs...)
}

func ofClass(c ck.ObjectClass) ck.Attribute { return ck.Ulong(ck.CKA_CLASS, c) }

// Profiles are there as long as they are true, and only a search for their
// class finds them.
func TestProfiles(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	has := func(profile uint64) bool {
		t.Helper()
		found := findAll(t, c, h, ck.Template{ofClass(ck.CKO_PROFILE), ck.Ulong(ck.CKA_PROFILE_ID, profile)})
		return len(found) == 1
	}
	wantProfiles := func(authentication, publicCertificates bool) {
		t.Helper()
		for profile, expected := range map[uint64]bool{
			ck.CKP_BASELINE_PROVIDER: true, ck.CKP_EXTENDED_PROVIDER: true,
			ck.CKP_AUTHENTICATION_TOKEN: authentication, ck.CKP_PUBLIC_CERTIFICATES_TOKEN: publicCertificates,
			ck.CKP_COMPLETE_PROVIDER: false, ck.CKP_HKDF_TLS_TOKEN: false,
		} {
			require.Equal(t, expected, has(profile), "profile %d: %t, want %t", profile, !expected, expected)
		}
	}
	wantProfiles(false, true)
	w.ecPair(c, h, true, ck.String(ck.CKA_ID, "id"))
	wantProfiles(false, true)
	_, err := c.CreateObject(h, certificate("id", onToken))
	require.NoError(w.t, err)
	wantProfiles(true, true)
	hidden, err := c.CreateObject(h, certificate("other", onToken, private))
	require.NoError(w.t, err)
	wantProfiles(true, false)
	public := findAll(t, c, h, ck.Template{ofClass(ck.CKO_PROFILE)})
	require.NoError(w.t, c.DestroyObject(h, hidden))
	wantProfiles(true, true)
	if n := len(findAll(t, c, h, ck.Template{ofClass(ck.CKO_PROFILE)})); n != len(public)+1 {
		t.Errorf("%d profiles, want one more than %d", n, len(public))
	}
	for _, found := range findAll(t, c, h, nil) {
		if class := w.ulong(c, h, found, ck.CKA_CLASS); class != uint64(ck.CKO_CERTIFICATE) &&
			class != uint64(ck.CKO_PUBLIC_KEY) && class != uint64(ck.CKO_PRIVATE_KEY) {
			t.Errorf("a search for everything finds class 0x%x", class)
		}
	}
}

func (w *world) ulong(c *vtoken.Client, h ck.SessionHandle, o ck.ObjectHandle, typ ck.AttributeType) uint64 {
	w.t.Helper()
	r, err := c.GetAttributeValue(h, o, []ck.AttributeQuery{{Type: typ, Buffer: big1K}})
	require.NoError(w.t, err)
	v, ok := ck.Attribute{Type: typ, Value: r[0].Value}.Ulong()
	require.True(w.t, ok, "%v is %x", typ, r[0].Value)
	return v
}

// The mechanism objects are the mechanisms of the list.
func TestMechanismObjects(t *testing.T) {
	w := newWorld(t)
	list, err := policy.Parse("CKM_SHA256,CKM_ECDSA,CKM_RSA_PKCS_OAEP")
	require.NoError(w.t, err)
	w.setPolicy(list)
	c, h := w.open(ro)
	found := findAll(t, c, h, ck.Template{ofClass(ck.CKO_MECHANISM)})
	offered, err := c.GetMechanismList(w.alice.Slot)
	require.NoError(w.t, err)
	if len(found) != 3 || len(offered) != 3 {
		t.Fatalf("%d objects, %d mechanisms", len(found), len(offered))
	}
	for i, o := range found {
		if m := w.ulong(c, h, o, ck.CKA_MECHANISM_TYPE); m != uint64(offered[i]) {
			t.Errorf("object %d is mechanism 0x%x, want %v", i, m, offered[i])
		}
	}
	w.setPolicy(policy.Policy{Name: policy.List, Mechanisms: list.Mechanisms[:1]})
	_, err = c.GetObjectSize(h, found[2])
	require.Equal(t, ck.CKR_OBJECT_HANDLE_INVALID, ck.CodeOf(err))
}

// The clock goes, and its time is that of the token info.
func TestClock(t *testing.T) {
	w := newWorld(t)
	now := time.Date(2030, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600))
	e, err := vtoken.New(w.store, vtoken.Options{Now: func() time.Time { return now }})
	require.NoError(w.t, err)
	w.engine = e
	c, h := w.open(ro)
	clock := findAll(t, c, h, ck.Template{ofClass(ck.CKO_HW_FEATURE), ck.Ulong(ck.CKA_HW_FEATURE_TYPE, ck.CKH_CLOCK)})
	require.Len(t, clock, 1, "%d clocks", len(clock))
	now = now.Add(time.Second)
	r, err := c.GetAttributeValue(h, clock[0], []ck.AttributeQuery{{Type: ck.CKA_VALUE, Buffer: big1K}})
	require.NoError(w.t, err)
	now = now.Add(time.Second)
	info, err := c.GetTokenInfo(w.alice.Slot)
	require.NoError(w.t, err)
	if string(r[0].Value) != "2030010202040600" || info.UTCTime != "2030010202040700" {
		t.Errorf("the clock says %s, the token info %s", r[0].Value, info.UTCTime)
	}
}

// What nobody made, nobody changes.
func TestBuiltinsStay(t *testing.T) {
	w := newWorld(t)
	c, h := w.loggedIn(rw)
	for _, class := range []ck.ObjectClass{ck.CKO_HW_FEATURE, ck.CKO_PROFILE, ck.CKO_MECHANISM} {
		o := findAll(t, c, h, ck.Template{ofClass(class)})[0]
		label := ck.Template{ck.String(ck.CKA_LABEL, "mine")}
		require.Equal(t, ck.CKR_ACTION_PROHIBITED, ck.CodeOf(c.SetAttributeValue(h, o, label)))
		require.Equal(t, ck.CKR_ACTION_PROHIBITED, ck.CodeOf(c.DestroyObject(h, o)))
		_, err := c.CopyObject(h, o, label)
		require.Equal(t, ck.CKR_ACTION_PROHIBITED, ck.CodeOf(err))
		require.Equal(t, ck.CKR_KEY_HANDLE_INVALID, ck.CodeOf(c.SignInit(h, ecdsaMech, o)))
		_, err = c.CreateObject(h, ck.Template{ofClass(class)})
		require.Equal(t, ck.CKR_ATTRIBUTE_VALUE_INVALID, ck.CodeOf(err))
		unique := w.bytes(c, h, o, ck.CKA_UNIQUE_ID)
		if again := findAll(t, c, h, ck.Template{ofClass(class), ck.Bytes(ck.CKA_UNIQUE_ID, unique)}); len(again) != 1 || again[0] != o {
			t.Errorf("class %v: found %v by its unique id, want %v", class, again, o)
		}
	}
}

func (w *world) bytes(c *vtoken.Client, h ck.SessionHandle, o ck.ObjectHandle, typ ck.AttributeType) []byte {
	w.t.Helper()
	r, err := c.GetAttributeValue(h, o, []ck.AttributeQuery{{Type: typ, Buffer: big1K}})
	require.NoError(w.t, err)
	return r[0].Value
}
