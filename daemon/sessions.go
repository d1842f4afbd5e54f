package main

import (
	"context"
	"errors"
	"slices"

	"vtoken/daemon/observe"
	"vtoken/daemon/p11server"
	"vtoken/provisioning"
	"vtoken/vtoken"
	"vtoken/vtoken/record"
)

// running are the applications that use tokens: the server knows which there are, and the
// engine what each does. An application that has made no call since a crash is not one of them.
type running struct{ server *p11server.Server }

// endable is what the engine knows of an application.
type endable interface {
	TokenUses() []vtoken.TokenUse
	EndUse(by string, chosen func(*record.Token) bool) ([]vtoken.TokenUse, error)
}

// List lists the applications, the oldest first.
func (r running) List(context.Context) ([]provisioning.Application, error) {
	all := r.server.Applications()
	list := make([]provisioning.Application, 0, len(all))
	names := map[uint32]string{}
	for _, a := range all {
		uid := a.Process.UID
		if _, known := names[uid]; !known {
			names[uid] = userName(uid)
		}
		one := provisioning.Application{
			ID: p11server.FormatNumber(a.Number), OSUser: names[uid], UID: uid, PID: a.Process.PID,
			Executable: observe.NewProcess(record.Peer{UID: uid, PID: a.Process.PID}).Executable,
			BeganAt:    a.Begun, Calls: a.Calls, Connections: a.Connections, UsedAt: a.Used,
		}
		for _, u := range usesOf(a.Client) {
			one.Tokens = append(one.Tokens, provisioning.TokenUse(u))
		}
		list = append(list, one)
	}
	return list, nil
}

// usesOf is what an application does with tokens.
func usesOf(c p11server.Client) []vtoken.TokenUse {
	if u, ok := c.(endable); ok {
		return u.TokenUses()
	}
	return nil
}

// End ends the sessions and logins of the application with the chosen tokens.
func (r running) End(_ context.Context, id, by string, chosen func(*record.Token) bool) error {
	all := r.server.Applications()
	i := slices.IndexFunc(all, func(a p11server.Running) bool { return p11server.FormatNumber(a.Number) == id })
	if i < 0 {
		return provisioning.Errorf(provisioning.KeyNotFound, "the application %s has ended meanwhile", id)
	}
	u, ok := all[i].Client.(endable)
	if !ok {
		return errors.New("end the sessions of an application: the engine does not know it")
	}
	if _, err := u.EndUse(by, chosen); err != nil {
		return provisioning.Errorf(provisioning.StorageFull, "what could not be recorded was not ended: %w", err)
	}
	return nil
}
