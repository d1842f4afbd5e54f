package vtoken

import (
	"cmp"
	"slices"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
)

// TokenUse is how an application uses one token.
type TokenUse struct {
	Token    *record.Token
	Sessions int
	// LoggedIn says that Role is logged in.
	LoggedIn bool
	Role     pin.Role
}

// TokenUses lists the tokens with which the application has sessions, by slot.
func (c *Client) TokenUses() (list []TokenUse) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for _, a := range c.attachments {
		one := TokenUse{Token: a.token.record(), Sessions: len(a.sessions)}
		if l := a.login.Load(); l != nil {
			one.LoggedIn, one.Role = true, l.role
		}
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b TokenUse) int { return cmp.Compare(a.Token.Slot, b.Token.Slot) })
	return list
}

// EndUse closes the application's sessions with the chosen tokens, and ends its logins, because
// an administrator of that name wants it. It returns the first error of the listener, which
// can refuse the end of each use. The application may open new sessions and log in again.
func (c *Client) EndUse(by string, chosen func(*record.Token) bool) (ended []TokenUse, err error) {
	for _, u := range c.TokenUses() {
		if !chosen(u.Token) {
			continue
		}
		e := Event{Act: ActEnd, By: by, Slot: u.Token.Slot, Token: u.Token}
		if u.LoggedIn {
			e.User = userOf(u.Role)
		} else {
			e.User = nobody
		}
		one := c.perform(e, func(*Event) error {
			c.detach(u.Token.ID)
			return nil
		})
		if one == nil {
			ended = append(ended, u)
		}
		err = cmp.Or(err, one)
	}
	return ended, err
}

// LastHandle is the newest handle of a session, of any application.
func (c *Client) LastHandle() ck.SessionHandle { return ck.SessionHandle(c.engine.handles.Load()) }

// TellLogins tells who keeps the logins of the application of them once more; see [Client.OnLogins].
func (c *Client) TellLogins() {
	c.logins.changed()
	c.tellLogins()
}

// nobody is the user of an act without one: no user of C_Login has this number.
const nobody = ^ck.UserType(0)
