package native

import (
	"context"

	"vtoken/provisioning/api"
	"vtoken/provisioning/httpkit"
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
	r.slow()
	if err := h.info.KEKs.Rotate(r.ctx); err != nil {
		return nil, err
	}
	return h.rotation()
}

func (h *Handler) rotation() (any, error) {
	left, err := h.info.KEKs.RotationLeft()
	return api.Rotation{Left: left}, err
}
