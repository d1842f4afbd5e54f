package tpm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"

	"vtoken/keystore/kek"
)

// A pin is an ordinary NV index in the owner's range of handles. It is written once, with the
// rights of the owner, and locked for good (TPMA_NV_WRITEDEFINE, TPM 2.0 Part 3 section 31.11).
// Everybody who may use the TPM can read it, also after too many wrong auth values. Only the
// owner can remove it.
//
// The handles that a pin can have follow from the path of the data folder, so that it is found
// when nothing of the store is known. Another program may have an index at one of them, and
// the folders of two stores may have one in common: what the index contains says whose it is.
//
// The index contains
//
//	'P', 1
//	32 bytes   SHA-256 of "vtoken-store-pin-1", a zero, and the path
//	16 bytes   id of the store
const (
	pinFormat  = "P\x01"
	pinLabel   = "vtoken-store-pin-1\x00"
	pinID      = 16
	pinSize    = len(pinFormat) + sha256.Size + pinID
	pinHandles = 4
)

// place is the data folder, as a TPM knows it.
type place struct {
	digest [sha256.Size]byte
	first  tpm2.TPMHandle // of pinHandles
}

func placeOf(folder string) place {
	p := place{digest: sha256.Sum256([]byte(pinLabel + folder))}
	p.first = firstHandle + tpm2.TPMHandle(binary.BigEndian.Uint32(p.digest[:])%(handleRange-pinHandles+1))
	return p
}

// content is what the index of a pin contains.
func (p place) content(id []byte) []byte {
	return append(append([]byte(pinFormat), p.digest[:]...), id...)
}

// parse reads the content of an index. It is not ok for an index of another program, or of
// another folder.
func (p place) parse(content []byte) (id string, ok bool) {
	prefix := p.content(nil)
	if len(content) != pinSize || !bytes.HasPrefix(content, prefix) {
		return "", false
	}
	return hex.EncodeToString(content[len(prefix):]), true
}

// pinIndex is an NV index at one of the handles of a place.
type pinIndex struct {
	handle tpm2.TPMHandle
	ours   bool // made as pins are made; its content is not considered
	public tpm2.TPMSNVPublic
	id     string // of the store; empty where it is no pin of the place
}

// publicOfPin is the public area of a pin before it is written.
func publicOfPin(h tpm2.TPMHandle) tpm2.TPMSNVPublic {
	return tpm2.TPMSNVPublic{
		NVIndex: h,
		NameAlg: tpm2.TPMAlgSHA256,
		Attributes: tpm2.TPMANV{
			NT: tpm2.TPMNTOrdinary, OwnerWrite: true, WriteAll: true, WriteDefine: true, OwnerRead: true, AuthRead: true, NoDA: true,
		},
		DataSize: uint16(pinSize),
	}
}

// named is the index as a handle for commands.
func (i pinIndex) named() (tpm2.NamedHandle, error) {
	name, err := tpm2.NVName(&i.public)
	if err != nil {
		return tpm2.NamedHandle{}, err
	}
	return tpm2.NamedHandle{Handle: i.handle, Name: *name}, nil
}

// String names the index.
func (i pinIndex) String() string { return fmt.Sprintf("NV index %#x", uint32(i.handle)) }

// owner authorizes as the owner of the TPM.
func owner() tpm2.AuthHandle {
	return tpm2.AuthHandle{Handle: tpm2.TPMRHOwner, Auth: tpm2.PasswordAuth(nil)}
}

// indices returns what is at the handles of a place.
func (p place) indices(c *conn) (list []pinIndex, err error) {
	const doing = "look for the id of the store in the TPM"
	rsp, err := tpm2.GetCapability{Capability: tpm2.TPMCapHandles, Property: uint32(p.first), PropertyCount: pinHandles}.Execute(c)
	if err != nil {
		return nil, unavailable(doing, err)
	}
	handles, err := rsp.CapabilityData.Data.Handles()
	if err != nil {
		return nil, unavailable(doing, err)
	}
	for _, h := range handles.Handle {
		if h < p.first || h-p.first >= pinHandles {
			continue
		}
		i, err := p.look(c, h)
		if errors.Is(err, tpm2.TPMRCHandle) { // removed since
			continue
		}
		if err != nil {
			return nil, unavailable(fmt.Sprintf("%s, %v", doing, i), err)
		}
		list = append(list, i)
	}
	return list, nil
}

// look reads an index. It reads the content only if the index looks as pins do.
func (p place) look(c *conn, h tpm2.TPMHandle) (i pinIndex, err error) {
	i.handle = h
	rsp, err := tpm2.NVReadPublic{NVIndex: h}.Execute(c)
	if err != nil {
		return i, err
	}
	public, err := rsp.NVPublic.Contents()
	if err != nil {
		return i, err
	}
	i.public = *public
	want := publicOfPin(h)
	want.Attributes.Written, want.Attributes.WriteLocked = public.Attributes.Written, public.Attributes.WriteLocked
	i.ours = public.NVIndex == h && public.NameAlg == want.NameAlg && public.Attributes == want.Attributes &&
		public.DataSize == want.DataSize && len(public.AuthPolicy.Buffer) == 0
	if !i.ours || !public.Attributes.Written {
		return i, nil
	}
	named, err := i.named()
	if err != nil {
		return i, err
	}
	read, err := tpm2.NVRead{
		AuthHandle: tpm2.AuthHandle{Handle: h, Name: named.Name, Auth: tpm2.PasswordAuth(nil)}, NVIndex: named, Size: uint16(pinSize),
	}.Execute(c)
	if errors.Is(err, tpm2.TPMRCBadAuth) || errors.Is(err, tpm2.TPMRCAuthFail) { // of another program, with an auth value
		i.ours = false
		return i, nil
	}
	if err != nil {
		return i, err
	}
	i.id, _ = p.parse(read.Data.Buffer)
	return i, nil
}

// pin is what the rest of the program knows of an index that is a pin.
func (p *provider) pin(i pinIndex) kek.Pin {
	return kek.Pin{
		ID: i.id, Where: fmt.Sprintf("%v of the TPM at %s", i, p.target.address), Unfinished: !i.public.Attributes.WriteLocked,
		Undo: fmt.Sprintf("remove that index: tpm2_nvundefine %#x", uint32(i.handle)),
	}
}

// ReadPins reads what the TPM has for a folder.
func (p *provider) ReadPins(ctx context.Context, folder string) (pins []kek.Pin, err error) {
	err = p.connected(ctx, func(c *conn) error {
		pins = nil
		list, err := placeOf(folder).indices(c)
		for _, i := range list {
			if i.id != "" {
				pins = append(pins, p.pin(i))
			}
		}
		return err
	})
	return pins, err
}

// WritePin writes and locks an NV index.
func (p *provider) WritePin(ctx context.Context, folder, id string) (pin kek.Pin, err error) {
	raw, err := hex.DecodeString(id)
	if err != nil || len(raw) != pinID {
		return pin, fmt.Errorf("write the id of the store into the TPM: %q is not %d bytes in hexadecimal digits", id, pinID)
	}
	at := placeOf(folder)
	err = p.connected(ctx, func(c *conn) error {
		list, err := at.indices(c)
		if err != nil {
			return err
		}
		i, err := at.write(c, list, raw)
		if err == nil || i.id != "" {
			pin = p.pin(i)
		}
		return err
	})
	return pin, err
}

// write makes the pin, or finishes it. list is what is at the handles of the place.
func (p place) write(c *conn, list []pinIndex, id []byte) (i pinIndex, err error) {
	for _, i := range list {
		switch {
		case i.id == "":
		case i.id != hex.EncodeToString(id):
			return i, fmt.Errorf("%w: %v of the TPM has %s for this folder, and the id of the store is %x", kek.ErrPinned, i, i.id, id)
		case i.public.Attributes.WriteLocked:
			return i, nil
		default:
			return i, i.lock(c)
		}
	}
	taken := map[tpm2.TPMHandle]bool{}
	for _, i := range list {
		if i.ours && !i.public.Attributes.Written { // left by a program that was killed here
			if err := i.remove(c); err != nil {
				return i, err
			}
			continue
		}
		taken[i.handle] = true
	}
	for h := p.first; h < p.first+pinHandles; h++ {
		if taken[h] {
			continue
		}
		i = pinIndex{handle: h, ours: true, public: publicOfPin(h)}
		err := i.define(c)
		if errors.Is(err, tpm2.TPMRCNVDefined) {
			continue
		}
		if err == nil {
			err = i.fill(c, p.content(id))
		}
		if err != nil {
			return i, err
		}
		i.id = hex.EncodeToString(id)
		return i, i.lock(c)
	}
	return pinIndex{}, unavailable("write the id of the store into the TPM",
		fmt.Errorf("other programs have the NV indices %#x to %#x; remove one of them with tpm2_nvundefine where nobody needs it", uint32(p.first), uint32(p.first+pinHandles-1)))
}

// define makes the index. It fails with TPMRCNVDefined where there is one.
func (i *pinIndex) define(c *conn) error {
	const doing = "make an NV index for the id of the store in the TPM"
	_, err := tpm2.NVDefineSpace{AuthHandle: owner(), PublicInfo: tpm2.New2B(i.public)}.Execute(c)
	if errors.Is(err, tpm2.TPMRCNVDefined) {
		return err
	}
	return owned(doing, err)
}

// fill writes the index.
func (i *pinIndex) fill(c *conn, content []byte) error {
	named, err := i.named()
	if err != nil {
		return err
	}
	_, err = tpm2.NVWrite{AuthHandle: owner(), NVIndex: named, Data: tpm2.TPM2BMaxNVBuffer{Buffer: content}}.Execute(c)
	i.public.Attributes.Written = err == nil
	return owned(fmt.Sprintf("write the id of the store into %v of the TPM", i), err)
}

// lock keeps everybody from writing the index again, the owner, too.
func (i *pinIndex) lock(c *conn) error {
	named, err := i.named()
	if err != nil {
		return err
	}
	_, err = tpm2.NVWriteLock{AuthHandle: owner(), NVIndex: named}.Execute(c)
	i.public.Attributes.WriteLocked = err == nil
	return owned(fmt.Sprintf("lock the id of the store in %v of the TPM", i), err)
}

// remove removes the index.
func (i pinIndex) remove(c *conn) error {
	named, err := i.named()
	if err != nil {
		return err
	}
	_, err = tpm2.NVUndefineSpace{AuthHandle: owner(), NVIndex: named}.Execute(c)
	return owned(fmt.Sprintf("remove the id of a store, %v, from the TPM", i), err)
}

// RemovePins removes the NV indices that the TPM has for a folder.
func (p *provider) RemovePins(ctx context.Context, folder string) error {
	return p.connected(ctx, func(c *conn) error {
		list, err := placeOf(folder).indices(c)
		if err != nil {
			return err
		}
		for _, i := range list {
			if i.id == "" {
				continue
			}
			if err := i.remove(c); err != nil {
				return err
			}
		}
		return nil
	})
}
