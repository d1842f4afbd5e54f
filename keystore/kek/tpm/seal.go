package tpm

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"

	"vtoken/keystore/kek"
	"vtoken/vtoken/secret"
)

const nonceSize = 16

// primary is the storage primary while it is loaded.
type primary struct {
	c      *conn
	handle tpm2.TPMHandle
	name   tpm2.TPM2BName
	public tpm2.TPMTPublic
}

// withPrimary makes the storage primary, runs fn, and removes it again.
func withPrimary(c *conn, fn func(*primary) error) (err error) {
	const doing = "make the TPM's storage primary"
	rsp, err := tpm2.CreatePrimary{PrimaryHandle: tpm2.TPMRHOwner, InPublic: tpm2.New2B(tpm2.ECCSRKTemplate)}.Execute(c)
	if err != nil {
		return owned(doing, err)
	}
	defer func() { err = errors.Join(err, flush(c, rsp.ObjectHandle)) }()
	p := &primary{c: c, handle: rsp.ObjectHandle}
	public, err := rsp.OutPublic.Contents()
	if err != nil {
		return unavailable(doing, err)
	}
	p.public = *public
	name, err := tpm2.ObjectName(public)
	if err != nil || !bytes.Equal(name.Buffer, rsp.Name.Buffer) || len(name.Buffer) != nameSize {
		return unavailable(doing, errors.Join(errors.New("it gives a key of another name"), err))
	}
	p.name = *name
	return fn(p)
}

// flush removes an object from the TPM.
func flush(c *conn, h tpm2.TPMHandle) error {
	if _, err := (tpm2.FlushContext{FlushHandle: h}).Execute(c); err != nil {
		return unavailable("remove a key from the TPM", err)
	}
	return nil
}

// asParent is the primary as the parent of a command whose first parameter is
// encrypted on its way.
func (p *primary) asParent() tpm2.AuthHandle {
	return tpm2.AuthHandle{Handle: p.handle, Name: p.name, Auth: tpm2.HMAC(tpm2.TPMAlgSHA256, nonceSize,
		tpm2.Salted(p.handle, p.public), tpm2.AESEncryption(128, tpm2.EncryptIn))}
}

// selection selects the PCRs of the SHA-256 bank.
func selection(pcrs []pcr) tpm2.TPMLPCRSelection {
	indices := make([]uint, len(pcrs))
	for i, p := range pcrs {
		indices[i] = uint(p.index)
	}
	return tpm2.TPMLPCRSelection{PCRSelections: []tpm2.TPMSPCRSelection{
		{Hash: tpm2.TPMAlgSHA256, PCRSelect: tpm2.PCClientCompatible.PCRs(indices...)},
	}}
}

func pcrDigest(pcrs []pcr) []byte {
	h := sha256.New()
	for _, p := range pcrs {
		h.Write(p.value[:])
	}
	return h.Sum(nil)
}

// policy is the digest of the policy under which a KEK is sealed: the PCRs, if
// any, and the auth value, which may be empty.
func policy(pcrs []pcr) ([]byte, error) {
	calc, err := tpm2.NewPolicyCalculator(tpm2.TPMAlgSHA256)
	if err != nil {
		return nil, err
	}
	if len(pcrs) > 0 {
		cmd := tpm2.PolicyPCR{PcrDigest: tpm2.TPM2BDigest{Buffer: pcrDigest(pcrs)}, Pcrs: selection(pcrs)}
		if err := cmd.Update(calc); err != nil {
			return nil, err
		}
	}
	if err := (tpm2.PolicyAuthValue{}).Update(calc); err != nil {
		return nil, err
	}
	return calc.Hash().Digest, nil
}

// public is the public area of a sealed KEK. It follows from the wrapped key,
// but for the unique value.
func public(b *blob) (tpm2.TPMTPublic, error) {
	digest, err := policy(b.pcrs)
	return tpm2.TPMTPublic{
		Type:    tpm2.TPMAlgKeyedHash,
		NameAlg: tpm2.TPMAlgSHA256,
		ObjectAttributes: tpm2.TPMAObject{
			FixedTPM: true, FixedParent: true, NoDA: !b.auth,
		},
		AuthPolicy: tpm2.TPM2BDigest{Buffer: digest},
		Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgKeyedHash, &tpm2.TPMSKeyedHashParms{
			Scheme: tpm2.TPMTKeyedHashScheme{Scheme: tpm2.TPMAlgNull},
		}),
		Unique: tpm2.NewTPMUPublicID(tpm2.TPMAlgKeyedHash, &tpm2.TPM2BDigest{Buffer: b.unique[:]}),
	}, err
}

// seal has the TPM seal a KEK, and notes in b what it takes to get it back.
func (p *primary) seal(b *blob, key, auth secret.Bytes) error {
	const doing = "seal a key in the TPM"
	area, err := public(b)
	if err != nil {
		return err
	}
	area.Unique = tpm2.TPMUPublicID{}
	rsp, err := tpm2.Create{
		ParentHandle: p.asParent(),
		InSensitive: tpm2.TPM2BSensitiveCreate{Sensitive: &tpm2.TPMSSensitiveCreate{
			UserAuth: tpm2.TPM2BAuth{Buffer: auth},
			Data:     tpm2.NewTPMUSensitiveCreate(&tpm2.TPM2BSensitiveData{Buffer: key}),
		}},
		InPublic: tpm2.New2B(area),
	}.Execute(p.c)
	if err != nil {
		return unavailable(doing, err)
	}
	made, err := rsp.OutPublic.Contents()
	if err != nil {
		return unavailable(doing, err)
	}
	unique, err := made.Unique.KeyedHash()
	if err != nil || len(unique.Buffer) != len(b.unique) || len(rsp.OutPrivate.Buffer) > maxPrivate {
		return unavailable(doing, errors.Join(errors.New("it gives an object of another form"), err))
	}
	copy(b.primary[:], p.name.Buffer)
	copy(b.unique[:], unique.Buffer)
	b.private = rsp.OutPrivate.Buffer
	return nil
}

// errAuth is where the TPM refuses the auth value.
var errAuth = errors.New("the secret in auth-file is not the right one")

// wrapped fails where another TPM sealed what is in b.
func (p *primary) wrapped(b *blob) error {
	if !bytes.Equal(p.name.Buffer, b.primary[:]) {
		return fmt.Errorf("%w: it was wrapped by another TPM, or this one was cleared since; "+
			"what only it could open is lost; open the store with another KEK, such as the recovery passphrase, then remove this one and add it again", kek.ErrWrongKey)
	}
	return nil
}

// unseal gets back a KEK.
func (p *primary) unseal(b *blob, auth secret.Bytes) (key secret.Bytes, err error) {
	if err := p.wrapped(b); err != nil {
		return nil, err
	}
	area, err := public(b)
	if err != nil {
		return nil, err
	}
	loaded, err := tpm2.Load{
		ParentHandle: p.asParent(), InPrivate: tpm2.TPM2BPrivate{Buffer: b.private}, InPublic: tpm2.New2B(area),
	}.Execute(p.c)
	if err != nil {
		return nil, refused("load a sealed key into the TPM", err)
	}
	defer func() { err = errors.Join(err, flush(p.c, loaded.ObjectHandle)) }()
	if err := samePCRs(p.c, b.pcrs); err != nil {
		return nil, err
	}
	rsp, err := tpm2.Unseal{ItemHandle: tpm2.AuthHandle{
		Handle: loaded.ObjectHandle, Name: loaded.Name,
		Auth: tpm2.Policy(tpm2.TPMAlgSHA256, nonceSize, b.fulfil,
			tpm2.Auth(auth), tpm2.Salted(p.handle, p.public), tpm2.AESEncryption(128, tpm2.EncryptOut)),
	}}.Execute(p.c)
	if errors.Is(err, tpm2.TPMRCAuthFail) || errors.Is(err, tpm2.TPMRCBadAuth) {
		return nil, fmt.Errorf("unseal a key in the TPM: %w: %w; the TPM counts such tries (%w)", kek.ErrUnavailable, errAuth, err)
	}
	if err != nil {
		return nil, unavailable("unseal a key in the TPM", err)
	}
	return secret.Bytes(rsp.OutData.Buffer), nil
}

// fulfil runs the policy in a session.
func (b *blob) fulfil(t transport.TPM, session tpm2.TPMISHPolicy, _ tpm2.TPM2BNonce) error {
	if len(b.pcrs) > 0 {
		cmd := tpm2.PolicyPCR{PolicySession: session, PcrDigest: tpm2.TPM2BDigest{Buffer: pcrDigest(b.pcrs)}, Pcrs: selection(b.pcrs)}
		if _, err := cmd.Execute(t); err != nil {
			return err
		}
	}
	_, err := tpm2.PolicyAuthValue{PolicySession: session}.Execute(t)
	return err
}

// readPCRs reads PCRs. They are not secret.
func readPCRs(c *conn, indices []uint8) (list []pcr, err error) {
	for _, i := range indices {
		p := pcr{index: i}
		rsp, err := tpm2.PCRRead{PCRSelectionIn: selection([]pcr{p})}.Execute(c)
		if err != nil {
			return nil, unavailable(fmt.Sprintf("read PCR %d", i), err)
		}
		if d := rsp.PCRValues.Digests; len(d) != 1 || copy(p.value[:], d[0].Buffer) != sha256.Size {
			return nil, unavailable(fmt.Sprintf("read PCR %d", i), errors.New("the TPM has no SHA-256 bank of it; enable that bank in the firmware"))
		}
		list = append(list, p)
	}
	return list, nil
}

// samePCRs names the PCRs that changed, which the TPM would not.
func samePCRs(c *conn, want []pcr) error {
	var changed []string
	for _, w := range want {
		now, err := readPCRs(c, []uint8{w.index})
		if err != nil {
			return err
		}
		if now[0] != w {
			changed = append(changed, fmt.Sprint(w.index))
		}
	}
	if len(changed) == 0 {
		return nil
	}
	return fmt.Errorf("%w: PCR %s changed since the key was wrapped, as after an update of firmware or boot loader; "+
		"open the store with another KEK, then remove this one and add it again", kek.ErrUnavailable, strings.Join(changed, " and "))
}
