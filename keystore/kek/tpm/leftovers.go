package tpm

import (
	"errors"

	"github.com/google/go-tpm/tpm2"
)

// full are the answers of a TPM that has no room left.
var full = [...]tpm2.TPMRC{tpm2.TPMRCObjectMemory, tpm2.TPMRCSessionMemory, tpm2.TPMRCSessionHandles}

// roomy runs a piece of work. A program that is killed in the middle of it leaves
// keys and sessions in the TPM, which has room for three. The kernel's resource
// manager removes them; behind a socket nobody does, so that it is done here when
// there is no room left. Such a TPM serves one connection at a time, and it is
// ours, so that what is in it belongs to nobody.
func (c *conn) roomy(work func() error) error {
	err := work()
	if err == nil || c.managed {
		return err
	}
	for _, code := range full {
		if errors.Is(err, code) {
			if swept := c.sweep(); swept != nil {
				return errors.Join(err, swept)
			}
			return work()
		}
	}
	return err
}

// sweep removes all keys and sessions that are loaded.
func (c *conn) sweep() error {
	for _, first := range [...]tpm2.TPMHandle{0x80000000, 0x02000000} { // transient objects, loaded sessions
		rsp, err := tpm2.GetCapability{Capability: tpm2.TPMCapHandles, Property: uint32(first), PropertyCount: 64}.Execute(c)
		if err != nil {
			return err
		}
		list, err := rsp.CapabilityData.Data.Handles()
		if err != nil {
			return err
		}
		for _, h := range list.Handle {
			if err := flush(c, h); err != nil {
				return err
			}
		}
	}
	return nil
}
