package p11server

import (
	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
	"vtoken/vtoken/secret"
)

func getInfo(r *request) error {
	if err := r.Done(); err != nil {
		return err
	}
	r.out.Info(r.client.GetInfo())
	return nil
}

func getSlotList(r *request) error {
	present, room := r.Byte() != 0, r.UlongBuffer()
	if err := r.Done(); err != nil {
		return err
	}
	list, err := r.client.GetSlotList(present)
	if err == nil {
		writeList(r, list, room)
	}
	return err
}

// writeList writes a list, or only its length if that was asked for or the list does not fit.
func writeList[T ~uint64](r *request, list []T, room uint64) {
	if n := uint64(len(list)); n > room || room == 0 {
		r.out.UlongCount(n)
		return
	}
	p11rpc.Ulongs(r.out, list)
}

func getSlotInfo(r *request) error {
	slot := r.Slot()
	if err := r.Done(); err != nil {
		return err
	}
	v, err := r.client.GetSlotInfo(slot)
	if err == nil {
		r.out.SlotInfo(v)
	}
	return err
}

func getTokenInfo(r *request) error {
	slot := r.Slot()
	if err := r.Done(); err != nil {
		return err
	}
	v, err := r.client.GetTokenInfo(slot)
	if err == nil {
		r.out.TokenInfo(v)
	}
	return err
}

func getMechanismList(r *request) error {
	slot, room := r.Slot(), r.UlongBuffer()
	if err := r.Done(); err != nil {
		return err
	}
	list, err := r.client.GetMechanismList(slot)
	if err == nil {
		writeList(r, list, room)
	}
	return err
}

func getMechanismInfo(r *request) error {
	slot, m := r.Slot(), ck.MechanismType(r.Ulong())
	if err := r.Done(); err != nil {
		return err
	}
	v, err := r.client.GetMechanismInfo(slot, m)
	if err == nil {
		r.out.MechanismInfo(v)
	}
	return err
}

func initToken(r *request) error {
	slot, pin, label := r.Slot(), secret.Bytes(r.Data()), r.ZeroString()
	if err := r.Done(); err != nil {
		return err
	}
	return r.client.InitToken(slot, pin, label)
}

// initToken2 is C_InitToken since version 1 of the protocol.
func initToken2(r *request) error {
	slot, pin, label := r.Slot(), secret.Bytes(r.Data()), r.SpaceString(32)
	if err := r.Done(); err != nil {
		return err
	}
	return r.client.InitToken(slot, pin, label)
}

func waitForSlotEvent(r *request) error {
	flags := ck.Flags(r.Ulong())
	if err := r.Done(); err != nil {
		return err
	}
	slot, err := r.client.WaitForSlotEvent(r.ctx, flags.Has(ck.CKF_DONT_BLOCK))
	return r.handle(uint64(slot), err)
}
