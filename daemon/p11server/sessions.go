package p11server

import (
	"vtoken/vtoken/ck"
	"vtoken/vtoken/p11rpc"
	"vtoken/vtoken/secret"
)

func openSession(r *request) error {
	slot, flags := r.Slot(), ck.Flags(r.Ulong())
	if err := r.Done(); err != nil {
		return err
	}
	h, err := r.client.OpenSession(slot, flags)
	return r.handle(uint64(h), err)
}

func closeAllSessions(r *request) error {
	slot := r.Slot()
	if err := r.Done(); err != nil {
		return err
	}
	return r.client.CloseAllSessions(slot)
}

func getSessionInfo(r *request) error {
	h := r.Session()
	if err := r.Done(); err != nil {
		return err
	}
	v, err := r.client.GetSessionInfo(h)
	if err == nil {
		r.out.SessionInfo(v)
	}
	return err
}

func sessionCancel(r *request) error {
	h, flags := r.Session(), ck.Flags(r.Ulong())
	if err := r.Done(); err != nil {
		return err
	}
	if p11rpc.EndsMessages(flags) {
		return r.client.EndAfterError(h, flags)
	}
	return r.client.SessionCancel(h, flags)
}

func initPIN(r *request) error {
	h, pin := r.Session(), secret.Bytes(r.Data())
	if err := r.Done(); err != nil {
		return err
	}
	return r.client.InitPIN(h, pin)
}

func setPIN(r *request) error {
	h, old, pin := r.Session(), secret.Bytes(r.Data()), secret.Bytes(r.Data())
	if err := r.Done(); err != nil {
		return err
	}
	return r.client.SetPIN(h, old, pin)
}

func login(r *request) error {
	h, user, pin := r.Session(), ck.UserType(r.Ulong()), secret.Bytes(r.Data())
	if err := r.Done(); err != nil {
		return err
	}
	return r.client.Login(h, user, pin)
}

func loginUser(r *request) error {
	h, user, pin, name := r.Session(), ck.UserType(r.Ulong()), secret.Bytes(r.Data()), r.Data()
	if err := r.Done(); err != nil {
		return err
	}
	return r.client.LoginUser(h, user, pin, name)
}
