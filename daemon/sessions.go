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
// engine what each does. After a crash there are also those that have made no call since.
type running struct {
	server *p11server.Server
	away   *away
	store  viewer
}

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
	for _, a := range r.away.list(r.server.NewNumber) {
		name := userName(a.Process.UID)
		one := provisioning.Application{
			ID: p11server.FormatNumber(a.number), OSUser: name, UID: a.Process.UID, PID: a.Process.PID,
			Executable: observe.NewProcess(a.peer()).Executable, BeganAt: a.Time, Away: true,
		}
		for _, u := range a.tokensOf(r.store) {
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
		return r.endAway(id, by, chosen)
	}
	u, ok := all[i].Client.(endable)
	if !ok {
		return errors.New("end the sessions of an application: the engine does not know it")
	}
	if _, err := u.EndUse(by, chosen); err != nil {
		return notEnded(err)
	}
	return nil
}

// endAway ends the logins of an application that has made no call since a crash.
func (r running) endAway(id, by string, chosen func(*record.Token) bool) error {
	for _, a := range r.away.list(r.server.NewNumber) {
		if p11server.FormatNumber(a.number) != id {
			continue
		}
		var tokens []*record.Token
		for _, u := range a.tokensOf(r.store) {
			if chosen(u.Token) {
				tokens = append(tokens, u.Token)
			}
		}
		found, err := r.away.endUse(a.number, by, tokens)
		if err != nil {
			return notEnded(err)
		}
		if found {
			return nil
		}
	}
	return provisioning.Errorf(provisioning.KeyNotFound, "the application %s has ended meanwhile", id)
}

func notEnded(err error) error {
	return provisioning.Errorf(provisioning.StorageFull, "what could not be recorded was not ended: %w", err)
}
