package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"vtoken/keystore"
	"vtoken/keystore/kek"
	"vtoken/provisioning"
	"vtoken/provisioning/api"
	"vtoken/vtoken/record"
)

// keks manages the KEKs of the keystore for the native API.
type keks struct {
	store *keystore.Store
	added func(ctx context.Context, uri string) // after a KEK was added
}

func (k keks) List(ctx context.Context) ([]api.KEK, error) {
	list, err := k.store.KEKs(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]api.KEK, len(list))
	for i, one := range list {
		out[i] = kekJSON(one)
	}
	return out, nil
}

func kekJSON(k keystore.KEK) api.KEK {
	kind, _, _ := strings.Cut(k.URI, ":")
	out := api.KEK{
		ID: k.ID, URI: k.URI, Kind: kind, Recovery: k.Recovery, CreatedAt: k.Created,
		Ready: k.Err == nil, Protects: k.Status.Protects, Configure: k.Configure, OtherCounters: k.OtherCounters,
	}
	if k.Err != nil {
		out.Problem = k.Err.Error()
	}
	return out
}

func (k keks) Add(ctx context.Context, in api.NewKEK) (api.KEK, error) {
	added, err := k.store.AddKEK(ctx, in.URI, in.Generate)
	if err == nil {
		k.added(ctx, in.URI)
	}
	return kekJSON(added), kekError(err)
}

func (k keks) Remove(ctx context.Context, id string) (uri string, err error) {
	list, err := k.store.Recipients()
	if err != nil {
		return "", err
	}
	if i := slices.IndexFunc(list, func(r keystore.Recipient) bool { return r.ID == id }); i >= 0 {
		uri = list[i].URI
	}
	return uri, kekError(k.store.RemoveKEK(ctx, id))
}

func (k keks) Rotate(ctx context.Context) error { return kekError(k.store.RotateRoot(ctx)) }

func (k keks) RotationLeft() (int, error) { return k.store.RotationLeft() }

func (k keks) RenewKeys(ctx context.Context, tenant record.TenantID) error {
	return kekError(k.store.RenewKeys(ctx, tenant))
}

func (k keks) RenewalLeft() (int, error) { return k.store.RenewalLeft() }

// kekError converts an error about KEKs for callers of the API. The texts name files and
// devices of the machine, which only callers of RoleSystem get to see.
func kekError(err error) error {
	for _, row := range [...]struct {
		is   error
		kind provisioning.Kind
	}{
		{kek.ErrURI, provisioning.BadInput},
		{keystore.ErrKEK, provisioning.WrongState},
		{kek.ErrUnavailable, provisioning.WrongState},
		{kek.ErrWrongKey, provisioning.WrongState},
		{record.ErrExists, provisioning.Conflict},
		{record.ErrNotFound, provisioning.KeyNotFound},
	} {
		if errors.Is(err, row.is) {
			return provisioning.Errorf(row.kind, "%w", err)
		}
	}
	return err
}
