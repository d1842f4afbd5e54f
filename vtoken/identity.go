package vtoken

import (
	"vtoken/vtoken/ck"
	"vtoken/vtoken/record"
)

// TokenIn is the record of the token in a slot that the application sees, for
// those who keep records of what it does: PKCS#11 itself tells no tenant and no
// id. CKR_TOKEN_NOT_PRESENT where the token is gone.
func (c *Client) TokenIn(slot ck.SlotID) (*record.Token, error) { return c.present(slot) }
