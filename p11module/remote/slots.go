package remote

import (
	"strings"
	"time"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
	"vtoken/vtoken/secret"
	"vtoken/vtoken/version"
)

// GetInfo is C_GetInfo (section 5.4.3). It is about the library, so it is
// answered here, daemon or not.
func (c *Client) GetInfo() (ck.Info, error) {
	return ck.Info{
		CryptokiVersion:    ck.Version{Major: 3, Minor: 2},
		ManufacturerID:     "vtoken",
		LibraryDescription: "vtoken virtual smart card",
		LibraryVersion:     version.Library(),
	}, nil
}

// firstList is for how many entries a list is asked for at first.
const firstList = 256

// GetSlotList is C_GetSlotList (section 5.5.1), whole. Without a daemon there
// are no slots.
func (c *Client) GetSlotList(tokenPresent bool) ([]ck.SlotID, error) {
	if _, err := c.connected(true); noDaemon(err) {
		return nil, nil
	}
	var flag byte
	if tokenPresent {
		flag = 1
	}
	return list[ck.SlotID](c, p11rpc.CallGetSlotList, func(x *exchange) { x.enc.Byte(flag) })
}

// noDaemon reports whether err says that there is no daemon for this user.
func noDaemon(err error) bool {
	code := ck.CodeOf(err)
	return code == ck.CKR_DEVICE_REMOVED || code == ck.CKR_ACTION_PROHIBITED
}

// GetMechanismList is C_GetMechanismList (section 5.5.5), whole.
func (c *Client) GetMechanismList(slot ck.SlotID) ([]ck.MechanismType, error) {
	return list[ck.MechanismType](c, p11rpc.CallGetMechanismList, func(x *exchange) { x.enc.Ulong(uint64(slot)) })
}

// list asks for a list, again with more room where it has grown.
func list[T ~uint64](c *Client, call p11rpc.CallID, args func(*exchange)) ([]T, error) {
	for room := uint64(firstList); ; {
		all, n, err := listOnce[T](c, call, args, room)
		if err != nil || all != nil || n <= room {
			return all, err
		}
		room = n
	}
}

func listOnce[T ~uint64](c *Client, call p11rpc.CallID, args func(*exchange), room uint64) ([]T, uint64, error) {
	x, err := c.begin(call)
	if err != nil {
		return nil, 0, err
	}
	defer x.free()
	args(x)
	x.enc.UlongBuffer(room)
	if err := x.run(); err != nil {
		return nil, 0, err
	}
	all, n := p11rpc.UlongList[T](&x.dec)
	return all, n, x.done()
}

// GetSlotInfo is C_GetSlotInfo (section 5.5.2).
func (c *Client) GetSlotInfo(slot ck.SlotID) (info ck.SlotInfo, err error) {
	err = c.aboutSlot(p11rpc.CallGetSlotInfo, func(d *p11rpc.Decoder) { info = d.SlotInfo() }, uint64(slot))
	return info, err
}

// GetTokenInfo is C_GetTokenInfo (section 5.5.3).
func (c *Client) GetTokenInfo(slot ck.SlotID) (info ck.TokenInfo, err error) {
	err = c.aboutSlot(p11rpc.CallGetTokenInfo, func(d *p11rpc.Decoder) { info = d.TokenInfo() }, uint64(slot))
	return info, err
}

// GetMechanismInfo is C_GetMechanismInfo (section 5.5.6).
func (c *Client) GetMechanismInfo(slot ck.SlotID, m ck.MechanismType) (info ck.MechanismInfo, err error) {
	err = c.aboutSlot(p11rpc.CallGetMechanismInfo, func(d *p11rpc.Decoder) { info = d.MechanismInfo() }, uint64(slot), uint64(m))
	return info, err
}

func (c *Client) aboutSlot(call p11rpc.CallID, read func(*p11rpc.Decoder), args ...uint64) error {
	x, err := c.begin(call)
	if err != nil {
		return err
	}
	defer x.free()
	for _, arg := range args {
		x.enc.Ulong(arg)
	}
	if err := x.run(); err != nil {
		return err
	}
	read(&x.dec)
	return x.done()
}

// labelLen is the length of a token label, padded with blanks.
const labelLen = 32

// InitToken is C_InitToken (section 5.5.7).
func (c *Client) InitToken(slot ck.SlotID, pin secret.Bytes, label string) error {
	n, err := c.connected(true)
	if err != nil {
		return err
	}
	call := p11rpc.CallInitToken2
	if n.version == 0 {
		call = p11rpc.CallInitToken
	}
	x := c.request(nil, call, n.version)
	defer x.free()
	x.enc.Ulong(uint64(slot))
	x.enc.Data(pin)
	if n.version == 0 {
		x.enc.ZeroString(label + strings.Repeat(" ", max(0, labelLen-len(label))))
	} else {
		x.enc.SpaceString(label, labelLen)
	}
	return x.plain()
}

// WaitForSlotEvent is C_WaitForSlotEvent (section 5.5.4). Without a daemon a
// call that may block waits for one; a daemon that comes back, or another one, counts as an
// event of its first slot, since everything may have changed.
func (c *Client) WaitForSlotEvent(flags ck.Flags) (ck.SlotID, error) {
	if flags.Has(ck.CKF_DONT_BLOCK) {
		return c.askForEvent(flags)
	}
	var life uint64 // of the daemon that was waited for last
	for missed := false; ; missed = true {
		pause := lookAgain
		n, err := c.listener()
		if err == nil {
			pause = firstPause
			if missed && n.life != life {
				if slots, err := c.GetSlotList(false); err == nil && len(slots) > 0 {
					c.release(n, time.Now())
					return slots[0], nil
				}
			}
			life = n.life
			slot, ok, err := c.event(n, flags, time.Time{})
			if ok {
				return slot, err
			}
		}
		if c.closed.Load() {
			return 0, errClosed()
		}
		futexWait(&c.closing, 0, time.Now().Add(pause))
	}
}

// lookAgain is how long a thread that waits for events waits for a daemon
// before it looks again.
const lookAgain = time.Second

// askForEvent is WaitForSlotEvent that does not block. It does not wait for a daemon either.
func (c *Client) askForEvent(flags ck.Flags) (ck.SlotID, error) {
	for range 2 { // the first time may find that the daemon has closed the connection
		n, err := c.connected(false)
		if err != nil {
			break
		}
		n.busy.Add(1)
		if slot, ok, err := c.event(n, flags, time.Now().Add(c.options.Timeout)); ok {
			return slot, err
		}
	}
	if c.closed.Load() {
		return 0, errClosed()
	}
	return 0, ck.CKR_NO_EVENT
}

// listener is a connection for a call that may take for ever: one of its own, where it may
// have one.
func (c *Client) listener() (*conn, error) {
	first, err := c.connected(false)
	if err != nil {
		return nil, err
	}
	for _, n := range c.conns() {
		if n != first && n.claim() {
			return n, nil
		}
	}
	if n := c.grow(time.Now()); n != nil {
		return n, nil
	}
	first.busy.Add(1)
	return first, nil
}

// event asks for an event on a connection that was acquired, and releases it. It reports
// false where the connection is of no more use.
func (c *Client) event(n *conn, flags ck.Flags, deadline time.Time) (slot ck.SlotID, ok bool, err error) {
	defer func() { c.release(n, time.Now()) }()
	x := c.request(nil, p11rpc.CallWaitForSlotEvent, n.version)
	defer x.free()
	x.enc.Ulong(uint64(flags))
	if err := x.enc.End(); err != nil {
		return 0, true, err
	}
	n.roundTrip(deadline, []*exchange{x})
	if x.fate == late {
		return 0, true, x.tooLate(n, c.options.Timeout)
	}
	if x.fate != answered {
		return 0, false, nil
	}
	if err = x.open(); endsHere(err) && n.version == p11rpc.Joined {
		n.retire()
		return 0, false, nil
	} else if err == nil {
		slot = ck.SlotID(x.dec.Ulong())
		err = x.done()
	}
	return slot, !n.lost(), err
}
