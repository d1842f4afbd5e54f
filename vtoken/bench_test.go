package vtoken_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/record"
)

// BenchmarkSign is C_SignInit and C_Sign; with HMAC what is left is the engine.
func BenchmarkSign(b *testing.B) {
	w := newWorld(b)
	c, h := w.loggedIn(rw)
	_, ec := w.ecPair(c, h, true)
	hmac, err := c.GenerateKey(h, ck.Mechanism{Type: ck.CKM_GENERIC_SECRET_KEY_GEN},
		ck.Template{ck.Ulong(ck.CKA_VALUE_LEN, uint64(32)), onToken})
	require.NoError(w.t, err)
	for name, bc := range map[string]struct {
		m   ck.Mechanism
		key ck.ObjectHandle
	}{
		"ECDSA": {ecdsaMech, ec},
		"HMAC":  {ck.Mechanism{Type: ck.CKM_SHA256_HMAC}, hmac},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			digest := make([]byte, 32)
			b.RunParallel(func(p *testing.PB) {
				h, err := c.OpenSession(w.alice.Slot, ro)
				if err != nil {
					b.Error(err)
					return
				}
				for p.Next() {
					if err := c.SignInit(h, bc.m, bc.key); err != nil {
						b.Error(err)
						return
					}
					if _, err := c.Sign(h, digest, big1K); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

func BenchmarkGetTwoAttributes(b *testing.B) {
	w := newWorld(b)
	c, h := w.loggedIn(rw)
	_, priv := w.ecPair(c, h, true)
	queries := []ck.AttributeQuery{{Type: ck.CKA_LABEL, Buffer: big1K}, {Type: ck.CKA_ID, Buffer: big1K}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.GetAttributeValue(h, priv, queries); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFindByLabel is a whole search for one of n token objects.
func BenchmarkFindByLabel(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w := newWorld(b)
			c, h := w.loggedIn(rw)
			for i := range n {
				if _, err := c.CreateObject(h, data(fmt.Sprint("label-", i), "v", onToken)); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				if found := findAll(b, c, h, ck.Template{ck.String(ck.CKA_LABEL, "label-77")}); len(found) != 1 {
					b.Fatal(found)
				}
			}
		})
	}
}

func BenchmarkCreateAndDestroy(b *testing.B) {
	w := newWorld(b)
	c, h := w.loggedIn(rw)
	b.ReportAllocs()
	for b.Loop() {
		o, err := c.CreateObject(h, data("x", "v", onToken))
		if err != nil {
			b.Fatal(err)
		}
		if err := c.DestroyObject(h, o); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkShortClient is the engine's part of a short-lived process: connect,
// list, open, log in, find, sign, close.
func BenchmarkShortClient(b *testing.B) {
	w := newWorld(b)
	c, h := w.loggedIn(rw)
	w.ecPair(c, h, true, ck.String(ck.CKA_LABEL, "key"))
	for i := range 1000 {
		if _, err := c.CreateObject(h, data(fmt.Sprint("label-", i), "v", onToken)); err != nil {
			b.Fatal(err)
		}
	}
	c.Close()
	search := ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_PRIVATE_KEY), ck.String(ck.CKA_LABEL, "key")}
	run := func(e *vtoken.Engine) {
		c := e.Connect(record.Peer{UID: aliceUID})
		defer c.Close()
		slots(b, c)
		h, err := c.OpenSession(w.alice.Slot, ro)
		require.NoError(w.t, err)
		require.NoError(w.t, c.Login(h, ck.CKU_USER, pinOf(userPIN)))
		key := findAll(b, c, h, search)[0]
		require.NoError(w.t, c.SignInit(h, ecdsaMech, key))
		_, err = c.Sign(h, make([]byte, 32), big1K)
		require.NoError(w.t, err)
	}
	b.Run("loaded", func(b *testing.B) {
		for b.Loop() {
			run(w.engine)
		}
	})
	b.Run("cold", func(b *testing.B) {
		for b.Loop() {
			w.restart()
			run(w.engine)
		}
	})
}
