package tpm

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"

	"vtoken/keystore/kek"
	"vtoken/vtoken/secret"
)

var _ kek.CounterLister = (*provider)(nil)

// A counter stays in the TPM when its store is removed with the data folder, or when the
// program is killed between making one and storing its name. A TPM has room for a few
// dozen. Nobody but its owner can tell whether another store uses one.

// handlesAtOnce is how many handles one command asks for.
const handlesAtOnce = 64

// OtherCounters lists the NV indices that are counters of ours.
func (p *provider) OtherCounters(ctx context.Context, mine secret.Bytes) (others []string, err error) {
	own := counter{}
	if len(mine) > 0 {
		if own, err = parseCounter(mine); err != nil {
			return nil, err
		}
	}
	err = p.connected(ctx, func(conn *conn) error {
		for from, more := firstHandle, true; more; {
			rsp, err := tpm2.GetCapability{Capability: tpm2.TPMCapHandles, Property: uint32(from), PropertyCount: handlesAtOnce}.Execute(conn)
			if err != nil {
				return unavailable("list the NV indices of the TPM", err)
			}
			list, err := rsp.CapabilityData.Data.Handles()
			if err != nil {
				return unavailable("list the NV indices of the TPM", err)
			}
			more = rsp.MoreData && len(list.Handle) > 0
			for _, h := range list.Handle {
				from = h + 1
				if h < firstHandle || h-firstHandle >= handleRange {
					more = false
					continue
				}
				if ours, err := isCounter(conn, h); err != nil {
					return err
				} else if ours && h != own.handle {
					others = append(others, counter{handle: h}.String())
				}
			}
		}
		return nil
	})
	return others, err
}

// isCounter reports whether an NV index looks as this program makes them.
func isCounter(conn *conn, h tpm2.TPMHandle) (bool, error) {
	rsp, err := tpm2.NVReadPublic{NVIndex: h}.Execute(conn)
	if errors.Is(err, tpm2.TPMRCHandle) { // removed since
		return false, nil
	}
	if err != nil {
		return false, unavailable(fmt.Sprintf("read what NV index %#x of the TPM is", uint32(h)), err)
	}
	public, err := rsp.NVPublic.Contents()
	if err != nil {
		return false, unavailable(fmt.Sprintf("read what NV index %#x of the TPM is", uint32(h)), err)
	}
	want := counter{handle: h}.public(public.Attributes.Written)
	return public.NameAlg == want.NameAlg && public.Attributes == want.Attributes &&
		public.DataSize == want.DataSize && len(public.AuthPolicy.Buffer) == 0, nil
}
