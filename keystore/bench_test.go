package keystore

import (
	"log/slog"
	"sync"
	"testing"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"

	"github.com/stretchr/testify/require"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func create512(s *Store, token record.TokenID) error {
	return s.Update(func(tx *Tx) error {
		return tx.PutObject(token, &object.Object{Attrs: object.Set{
			ck.String(ck.CKA_LABEL, "label"), ck.Bytes(ck.CKA_VALUE, make([]byte, 512)),
		}})
	})
}

// BenchmarkCreate is an acknowledged object of 512 bytes, on disk.
func BenchmarkCreate(b *testing.B) {
	s := temp(b)
	tok := addToken(b, s, addUser(b, s, "alice"), "label")
	update(b, s, func(tx *Tx) error {
		of, err := tx.Tenant(tok.Tenant)
		if err != nil {
			return err
		}
		of.Quota = record.Quota{Objects: record.MaxObjects, ObjectsPerUser: record.MaxObjects}
		return tx.PutTenant(of)
	})
	b.Run("alone", func(b *testing.B) {
		for b.Loop() {
			require.NoError(b, create512(s, tok.ID))
		}
	})
	b.Run("32writers", func(b *testing.B) {
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() {
				for range (b.N + 31) / 32 {
					if err := create512(s, tok.ID); err != nil {
						b.Error(err)
					}
				}
			})
		}
		wg.Wait()
	})
}

func BenchmarkToken(b *testing.B) {
	s := temp(b)
	tok := addToken(b, s, addUser(b, s, "alice"), "label")
	b.ReportAllocs()
	for b.Loop() {
		view(b, s, func(tx *Tx) error { _, err := tx.Token(tok.ID); return err })
	}
}

func BenchmarkCheckPIN(b *testing.B) {
	s := temp(b)
	v, err := s.HashPIN("t", pin.User, secret.Bytes("1234"), nil)
	require.NoError(b, err)
	for b.Loop() {
		ok, _, err := s.CheckPIN("t", pin.User, v, secret.Bytes("1234"))
		require.True(b, ok)
		require.NoError(b, err)
	}
}
