package vtoken

import (
	"slices"
	"unicode/utf8"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
	"vtoken/vtoken/object"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
)

const (
	manufacturer = "vtoken"
	model        = "vtoken"
	maxLabel     = 32 // bytes of CK_TOKEN_INFO.label
	maxSerial    = 16 // bytes of CK_TOKEN_INFO.serialNumber
)

// GetInfo is C_GetInfo (section 5.4).
func (c *Client) GetInfo() ck.Info {
	return ck.Info{
		CryptokiVersion:    ck.Version{Major: 3, Minor: 2},
		ManufacturerID:     manufacturer,
		LibraryDescription: "vtoken virtual smart card",
		LibraryVersion:     c.engine.opts.Version,
	}
}

// GetSlotList is C_GetSlotList (section 5.5), in the order of slot ids. Every slot has a
// token, so tokenPresent makes no difference. An application that may make tokens also sees
// one blank token, which is created if necessary. If that fails, because the disk is full, the
// others are listed.
func (c *Client) GetSlotList(tokenPresent bool) ([]ck.SlotID, error) {
	if err := c.refresh(); err != nil {
		return nil, err
	}
	if c.mayMake {
		// Not having a blank token must not hide the others.
		_ = c.engine.ensureBlank(c)
	}
	list := c.slots()
	c.mu.Lock()
	for _, slot := range list {
		c.seen[slot] = struct{}{}
	}
	c.mu.Unlock()
	return list, nil
}

// slots returns the slots that the application sees, in order.
func (c *Client) slots() []ck.SlotID {
	var list []ck.SlotID
	c.engine.mu.RLock()
	defer c.engine.mu.RUnlock()
	for _, u := range c.actsFor() {
		for slot, t := range c.engine.tokensOf(u.ID) {
			if c.sees(t) {
				list = append(list, slot)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list) // two of the users may hold the same token
}

// tokenInSlot returns the record of the token in a slot, or nil if the application was told of
// the slot and its token is gone. Other slots are CKR_SLOT_ID_INVALID. It needs no earlier
// C_GetSlotList: cosign calls C_GetTokenInfo first (sigstore/cosign#4768).
func (c *Client) tokenInSlot(slot ck.SlotID) (*record.Token, error) {
	if err := c.refreshIfStale(); err != nil {
		return nil, err
	}
	if t := c.lookupToken(slot); t != nil {
		return t, nil
	}
	c.mu.RLock()
	_, seen := c.seen[slot]
	c.mu.RUnlock()
	if !seen {
		return nil, ck.Errorf(ck.CKR_SLOT_ID_INVALID, "there is no slot %d for this application", slot)
	}
	return nil, nil
}

// presentToken returns the record of the token in a slot, or CKR_TOKEN_NOT_PRESENT if it is
// gone.
func (c *Client) presentToken(slot ck.SlotID) (*record.Token, error) {
	t, err := c.tokenInSlot(slot)
	if err == nil && t == nil {
		err = ck.Errorf(ck.CKR_TOKEN_NOT_PRESENT, "the token in slot %d is gone", slot)
	}
	return t, err
}

func (c *Client) lookupToken(slot ck.SlotID) *record.Token {
	c.engine.mu.RLock()
	defer c.engine.mu.RUnlock()
	for _, u := range c.actsFor() {
		if t := c.engine.tokensOf(u.ID)[slot]; c.sees(t) {
			return t
		}
	}
	return nil
}

// GetSlotInfo is C_GetSlotInfo (section 5.5). Slots are removable: NSS checks only such slots
// again for a token (pk11util.c).
func (c *Client) GetSlotInfo(slot ck.SlotID) (ck.SlotInfo, error) {
	t, err := c.tokenInSlot(slot)
	if err != nil {
		return ck.SlotInfo{}, err
	}
	info := ck.SlotInfo{
		SlotDescription: "vtoken virtual slot",
		ManufacturerID:  manufacturer,
		Flags:           ck.CKF_REMOVABLE_DEVICE,
		FirmwareVersion: c.engine.opts.Version,
	}
	if t != nil {
		info.Flags |= ck.CKF_TOKEN_PRESENT
	}
	return info, nil
}

// GetTokenInfo is C_GetTokenInfo (section 5.5). It counts the sessions of this application.
// Their number has no limit per token: NSS stops caching keys if the limit is below 20
// (pk11slot.c).
func (c *Client) GetTokenInfo(slot ck.SlotID) (ck.TokenInfo, error) {
	t, err := c.presentToken(slot)
	if err != nil {
		return ck.TokenInfo{}, err
	}
	info := ck.TokenInfo{
		Label:              truncate(t.Label, maxLabel),
		ManufacturerID:     manufacturer,
		Model:              model,
		SerialNumber:       truncate(t.Serial, maxSerial),
		Flags:              tokenFlags(t),
		MaxSessionCount:    ck.EffectivelyInfinite,
		MaxRwSessionCount:  ck.EffectivelyInfinite,
		MinPinLen:          uint64(t.UserPIN.Policy.MinLen),
		MaxPinLen:          uint64(t.UserPIN.Policy.MaxLen),
		TotalPublicMemory:  ck.UnavailableInformation,
		FreePublicMemory:   ck.UnavailableInformation,
		TotalPrivateMemory: ck.UnavailableInformation,
		FreePrivateMemory:  ck.UnavailableInformation,
		FirmwareVersion:    c.engine.opts.Version,
		UTCTime:            object.UTCTime(c.engine.opts.Now()),
	}
	c.mu.RLock()
	if a := c.attachments[t.ID]; a != nil {
		info.SessionCount, info.RwSessionCount = uint64(len(a.sessions)), uint64(a.writable)
	}
	c.mu.RUnlock()
	return info, nil
}

func tokenFlags(t *record.Token) ck.Flags {
	f := ck.CKF_RNG | ck.CKF_CLOCK_ON_TOKEN | ck.CKF_LOGIN_REQUIRED | ck.CKF_DUAL_CRYPTO_OPERATIONS | ck.CKF_RESTORE_KEY_NOT_NEEDED | t.UserPIN.Flags(pin.User) | t.SOPIN.Flags(pin.SO)
	if t.Initialized {
		f |= ck.CKF_TOKEN_INITIALIZED
	}
	return f
}

// truncate returns the first n bytes of a text, without splitting a character.
func truncate(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// GetMechanismList is C_GetMechanismList (section 5.5): the mechanisms that the token's
// algorithm policy offers.
func (c *Client) GetMechanismList(slot ck.SlotID) ([]ck.MechanismType, error) {
	t, err := c.presentToken(slot)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(mech.List(), func(m ck.MechanismType) bool { return t.Policy.Uses(m) == 0 }), nil
}

// GetMechanismInfo is C_GetMechanismInfo (section 5.5).
func (c *Client) GetMechanismInfo(slot ck.SlotID, m ck.MechanismType) (ck.MechanismInfo, error) {
	t, err := c.presentToken(slot)
	if err != nil {
		return ck.MechanismInfo{}, err
	}
	d, ok := mech.Lookup(m)
	if !ok || t.Policy.Uses(m) == 0 {
		return ck.MechanismInfo{}, ck.CKR_MECHANISM_INVALID
	}
	info := t.Policy.Limit(m, d.Info())
	if slices.Contains(d.KeyTypes, ck.CKK_RSA) {
		verifies := info.Flags&(ck.CKF_VERIFY|ck.CKF_VERIFY_RECOVER) != 0
		info.MinKeySize = max(info.MinKeySize, t.Policy.MinRSABits(verifies))
	}
	if m == ck.CKM_RSA_PKCS_KEY_PAIR_GEN && t.MaxRSABits > 0 {
		info.MaxKeySize = min(info.MaxKeySize, uint64(t.MaxRSABits))
	}
	return info, nil
}
