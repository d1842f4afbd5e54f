package nativetest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"vtoken/provisioning"
	"vtoken/provisioning/api"
	"vtoken/vtoken/record"
)

// keks are KEKs without a store: every URI is good that has a colon, and
// "tpm2:unix=" is never there.
type keks struct {
	mu      sync.Mutex
	list    []api.KEK
	left    int
	tenants int
}

func newKEKs() *keks {
	return &keks{list: []api.KEK{kekOf("file:kek.key"), kekOf("tpm2:device=/dev/tpmrm0")}}
}

func kekOf(uri string) api.KEK {
	kind, _, _ := strings.Cut(uri, ":")
	return api.KEK{
		ID: uuid.NewString(), URI: uri, Kind: kind, Recovery: kind == "passphrase",
		CreatedAt: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC), Ready: true, Protects: "from somebody",
	}
}

func (k *keks) List(context.Context) ([]api.KEK, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.list), nil
}

func (k *keks) Add(_ context.Context, in api.NewKEK) (api.KEK, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case !strings.Contains(in.URI, ":"):
		return api.KEK{}, provisioning.Errorf(provisioning.BadInput, "bad KEK URI: %q", in.URI)
	case strings.HasPrefix(in.URI, "tpm2:unix="):
		return api.KEK{}, provisioning.Errorf(provisioning.WrongState, "there is no TPM")
	}
	added := kekOf(in.URI)
	k.list = append(k.list, added)
	return added, nil
}

func (k *keks) Remove(_ context.Context, id string) (uri string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	i := slices.IndexFunc(k.list, func(k api.KEK) bool { return k.ID == id })
	switch {
	case i < 0:
		return "", provisioning.Errorf(provisioning.KeyNotFound, "there is no KEK %q", id)
	case len(k.list) == 1:
		return k.list[i].URI, provisioning.Errorf(provisioning.WrongState, "it is the last one")
	}
	uri = k.list[i].URI
	k.list = slices.Delete(k.list, i, i+1)
	return uri, nil
}

func (k *keks) Rotate(context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.left = 3
	return nil
}

func (k *keks) RenewKeys(_ context.Context, tenant record.TenantID) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.tenants = 2
	if tenant != "" {
		k.tenants = 1
	}
	return nil
}

func (k *keks) RenewalLeft() (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.tenants, nil
}

func (k *keks) RotationLeft() (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.left, nil
}
