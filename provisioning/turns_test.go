package provisioning_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning"
	"vtoken/provisioning/provtest"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/secret"
)

// turns notes who asks for turns, and refuses them where it has an error.
type turns struct {
	owners []string
	refuse error
}

func (q *turns) Do(ctx context.Context, owner string, work func(pause func() error)) error {
	q.owners = append(q.owners, owner)
	if err := errors.Join(ctx.Err(), q.refuse); err != nil {
		return err
	}
	work(ctx.Err)
	return nil
}

// TestSlowRequestsWait: PINs, imports and key pairs are worked on in turns of the credential
// that asks. Where too many wait, they are refused as too many requests.
func TestSlowRequestsWait(t *testing.T) {
	w, q := newWorld(t), new(turns)
	w.core = provisioning.New(provtest.New(), provisioning.Options{Turns: q})
	tenant, err := w.core.TenantNamed(t.Context(), w.system, "")
	require.NoError(t, err)
	w.tenant, w.admin.Tenant = tenant.ID, tenant.ID
	w.ref = w.token(4096)
	require.Empty(t, q.owners, "a token without PINs costs nothing")
	owner := "api \"" + string(w.tenant) + "\" \"admin\""
	for name, slow := range map[string]func(ctx context.Context) error{
		"a PIN": func(ctx context.Context) error {
			return w.core.ResetPIN(ctx, w.admin, w.ref, pin.User, secret.Bytes("12345678"), provisioning.PINRule{})
		},
		"a new token with a PIN": func(ctx context.Context) error {
			_, err := w.core.CreateToken(ctx, w.admin, provisioning.NewToken{Tenant: w.tenant, User: "alice", UserPIN: secret.Bytes("12345678")})
			return err
		},
		"a key pair": func(ctx context.Context) error {
			_, err := w.core.GenerateCSR(ctx, w.admin, w.tenant, "alice", provisioning.NewCSR{Subject: "CN=alice"})
			return err
		},
		"an exchange key": func(ctx context.Context) error {
			_, err := w.core.ExchangeKey(ctx, w.admin, w.tenant)
			return err
		},
		"a credential that signs": func(ctx context.Context) error {
			_, _, err := w.core.CreateAPIKey(ctx, w.admin, w.tenant, provisioning.NewAPIKey{Name: "signer", Dialect: "dualshield", Kind: provisioning.Signer})
			return err
		},
		"an import": func(ctx context.Context) error {
			_, err := w.core.ImportPFX(ctx, w.admin, w.ref, []byte("no PFX"), secret.Bytes("password"))
			if provisioning.KindOf(err) == provisioning.BadInput {
				return nil
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			q.owners, q.refuse = nil, errors.New("too much")
			require.Equal(t, provisioning.RateLimited, provisioning.KindOf(slow(t.Context())))
			q.refuse = nil
			require.NoError(t, slow(t.Context()))
			for _, who := range q.owners {
				require.Equal(t, owner, who)
			}
			require.NotEmpty(t, q.owners)
		})
	}
}
