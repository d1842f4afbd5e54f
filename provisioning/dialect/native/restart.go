package native

import (
	"vtoken/provisioning"
)

// restart begins a planned restart. It answers when the successor is known to be able to take
// over, and before it does.
func (h *Handler) restart(r *request) (any, error) {
	if err := r.system("restart the daemon"); err != nil {
		return nil, err
	}
	if h.info.Restart == nil {
		return nil, provisioning.Errorf(provisioning.WrongState, "this daemon cannot be restarted from here")
	}
	r.slow()
	if err := h.info.Restart(r.ctx); err != nil {
		return nil, provisioning.Errorf(provisioning.WrongState, "the daemon is not restarted, and goes on: %v", err)
	}
	return nil, nil
}
