package tpm

import (
	"errors"

	"github.com/google/go-tpm/tpm2"
)

// full are the response codes of a TPM without a free slot.
var full = [...]tpm2.TPMRC{tpm2.TPMRCObjectMemory, tpm2.TPMRCSessionMemory, tpm2.TPMRCSessionHandles}

// withFreeSlots runs work, and once more after it removed leftovers if the TPM had no free slot.
// A program that is killed leaves keys and sessions in the TPM, which has slots for three. The
// kernel's resource manager removes them; a software TPM behind a socket has none. It serves
// one connection at a time, ours, so nothing in it is in use.
func (c *conn) withFreeSlots(work func() error) error {
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
