package native

import (
	"context"

	"vtoken/provisioning"
	"vtoken/provisioning/api"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken/record"
)

// KEKs manages the key-encryption keys of the store. Errors are those of package
// provisioning. It is safe for concurrent use.
type KEKs interface {
	// List lists the KEKs by age, and tries each of them.
	List(ctx context.Context) ([]api.KEK, error)
	// Add adds a KEK. Errors are BadInput, WrongState and Conflict.
	Add(ctx context.Context, k api.NewKEK) (api.KEK, error)
	// Remove removes a KEK by its id, and returns its URI, even on failure. Errors are
	// KeyNotFound, and WrongState if nothing else opens the store.
	Remove(ctx context.Context, id string) (uri string, err error)
	// Rotate replaces the root key of the store. It is WrongState if a KEK cannot take
	// part or another rotation is running.
	Rotate(ctx context.Context) error
	// RotationLeft counts the keys that a rotation has not reached yet.
	RotationLeft() (int, error)
	// RenewKeys replaces the keys of a tenant and of its tokens, or of all tenants where
	// tenant is empty. It fails with WrongState while that is running.
	RenewKeys(ctx context.Context, tenant record.TenantID) error
	// RenewalLeft counts the tenants whose records are not all under their new keys yet.
	RenewalLeft() (int, error)
}

func (h *Handler) listKEKs(r *request) (any, error) {
	if err := r.system("list the KEKs"); err != nil {
		return nil, err
	}
	r.slow()
	all, err := h.info.KEKs.List(r.ctx)
	if err != nil {
		return nil, err
	}
	return listedByPlace(r, all, func(k api.KEK) api.KEK { return k })
}

func (h *Handler) addKEK(r *request) (any, error) {
	if err := r.system("add a KEK"); err != nil {
		return nil, err
	}
	in, err := read[api.NewKEK](r)
	if err != nil {
		return nil, err
	}
	r.slow()
	added, err := h.info.KEKs.Add(r.ctx, in)
	if err == nil { // what is no URI may hold anything
		httpkit.NoteKEK(r.http, added.URI)
	}
	return added, err
}

func (h *Handler) removeKEK(r *request) (any, error) {
	if err := r.system("remove a KEK"); err != nil {
		return nil, err
	}
	r.slow()
	uri, err := h.info.KEKs.Remove(r.ctx, r.path("kek"))
	httpkit.NoteKEK(r.http, uri)
	return nil, err
}

func (h *Handler) readRotation(r *request) (any, error) {
	if err := r.system("ask for the rotation of the root key"); err != nil {
		return nil, err
	}
	return h.rotation()
}

func (h *Handler) rotate(r *request) (any, error) {
	if err := r.system("rotate the root key"); err != nil {
		return nil, err
	}
	all, one := r.query("all"), r.query("tenant")
	switch {
	case all != "" && all != "true" && all != "false":
		return nil, provisioning.Errorf(provisioning.BadInput, "all is true or false, and not %.40q", all)
	case all == "true" && one != "":
		return nil, provisioning.Errorf(provisioning.BadInput, "the keys of one tenant are replaced, or of all: give all or tenant")
	}
	var tenant record.TenantID
	if one != "" {
		t, err := h.core.TenantNamed(r.ctx, r.caller, one)
		if err != nil {
			return nil, err
		}
		tenant = t.ID
	}
	r.slow()
	if all == "true" { // so that not one half of it is done
		left, err := h.info.KEKs.RenewalLeft()
		if err == nil && left > 0 {
			err = provisioning.Errorf(provisioning.WrongState, "the keys of %d tenants are being renewed; wait until that is finished", left)
		}
		if err != nil {
			return nil, err
		}
	}
	if one == "" {
		if err := h.info.KEKs.Rotate(r.ctx); err != nil {
			return nil, err
		}
	}
	if one != "" || all == "true" {
		if err := h.info.KEKs.RenewKeys(r.ctx, tenant); err != nil {
			return nil, err
		}
	}
	return h.rotation()
}

func (h *Handler) rotation() (any, error) {
	left, err := h.info.KEKs.RotationLeft()
	if err != nil {
		return nil, err
	}
	tenants, err := h.info.KEKs.RenewalLeft()
	return api.Rotation{Left: left, Tenants: tenants}, err
}
