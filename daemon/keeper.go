package main

import (
	"context"
	"io"

	"vtoken/keystore"
	"vtoken/provisioning/api"
)

// keeper checks and backs up the keystore for the native API.
type keeper struct{ store *keystore.Store }

func (k keeper) Check(ctx context.Context) (api.Check, error) {
	r, err := k.store.Check(ctx)
	return api.Check{
		Records: r.Records, Recipients: r.Recipients, Tenants: r.Tenants, Users: r.Users,
		Groups: r.Groups, APIKeys: r.APIKeys, PendingKeys: r.Pending, Tokens: r.Tokens, Objects: r.Objects, Problems: append([]string{}, r.Problems...),
	}, err
}

func (k keeper) Backup(ctx context.Context, w io.Writer) error {
	_, err := k.store.Backup(ctx, w)
	return err
}
