package provisioning

import (
	"context"
	"slices"
	"time"

	"vtoken/provisioning/text"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
)

// Applications are the processes that use tokens through PKCS#11. They are safe for concurrent
// use.
type Applications interface {
	// List lists them with all tokens that they use, the oldest first.
	List(ctx context.Context) ([]Application, error)
	// End ends the sessions and logins of the application with the chosen tokens, because
	// the caller of that name wants it. Neither a crash nor a restart of the daemon brings
	// them back. It fails with KeyNotFound where the application has ended, and with
	// WrongState where the daemon cannot say so now.
	End(ctx context.Context, id, by string, chosen func(*record.Token) bool) error
}

// Application is a process that uses tokens, from its C_Initialize to its end.
type Application struct {
	// ID is short, and no other application gets it.
	ID string
	// OSUser is the name of the operating system user that the process began with.
	OSUser     string
	UID        uint32
	PID        int32  // 0 for a process of another container
	Executable string // empty where the daemon may not see it
	BeganAt    time.Time
	// Calls is how many calls it made, over Connections that it has now, and UsedAt when
	// the last one began; zero for none.
	Calls       uint64
	Connections int
	UsedAt      time.Time
	// Away says that it has made no call since a crash of the daemon, with whose first one
	// it gets its logins back. BeganAt is then when these last changed.
	Away   bool
	Tokens []TokenUse
}

// TokenUse is how an application uses one token.
type TokenUse struct {
	Token    *record.Token
	Sessions int
	// LoggedIn says that Role is logged in.
	LoggedIn bool
	Role     pin.Role
}

// ApplicationFilter selects applications. The zero value selects all.
type ApplicationFilter struct {
	// Tenant and Token are those of a token that it uses.
	Tenant record.TenantID
	Token  record.TokenID
	// OSUser is a name, or a uid such as "#1000".
	OSUser string
	PID    int32
}

// Applications lists the applications that use tokens which the caller may access, the oldest
// first, with these tokens only. Callers with the right record.MaySystem see those without
// sessions as well.
func (s *Service) Applications(ctx context.Context, c Caller, f ApplicationFilter) ([]Application, error) {
	if err := c.authorizeAny(OpSessionList, f.Tenant); err != nil {
		return nil, err
	}
	all, err := s.applications(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	if f.OSUser != "" {
		names = append(s.opt.OSUser(f.OSUser), f.OSUser)
	}
	list := []Application{}
	for _, a := range all {
		a.Tokens = slices.DeleteFunc(slices.Clone(a.Tokens), func(u TokenUse) bool {
			return !c.sees(u.Token.Tenant) || f.Tenant != "" && u.Token.Tenant != f.Tenant
		})
		uses := func(u TokenUse) bool { return f.Token == "" || u.Token.ID == f.Token }
		everything := c.May(record.MaySystem) && f.Tenant == "" && f.Token == ""
		switch {
		case !everything && !slices.ContainsFunc(a.Tokens, uses):
		case f.PID != 0 && a.PID != f.PID:
		case names != nil && !slices.Contains(names, a.OSUser):
		default:
			list = append(list, a)
		}
	}
	return list, nil
}

// EndApplication ends the sessions and logins of an application with the tokens that the
// caller may access: with those of one tenant where tenant is not empty, and with one of them
// where token is not empty. An application that uses none of them is KeyNotFound.
func (s *Service) EndApplication(ctx context.Context, c Caller, id string, tenant record.TenantID, token record.TokenID) error {
	if err := c.authorizeAny(OpSessionEnd, tenant); err != nil {
		return err
	}
	chosen := func(t *record.Token) bool {
		return c.sees(t.Tenant) && (tenant == "" || t.Tenant == tenant) && (token == "" || t.ID == token)
	}
	all, err := s.applications(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(a Application) bool { return a.ID == id })
	everything := c.May(record.MaySystem) && tenant == "" && token == ""
	if i < 0 || !everything && !slices.ContainsFunc(all[i].Tokens, func(u TokenUse) bool { return chosen(u.Token) }) {
		return Errorf(KeyNotFound, "there is no application %q that uses such a token; list them with `vtoken session list`", text.Clip(id))
	}
	return s.opt.Applications.End(ctx, id, c.Name, chosen)
}

// authorizeAny checks that the caller may do op in the tenant, or in some tenant where it is
// empty.
func (c Caller) authorizeAny(op Operation, tenant record.TenantID) error {
	if tenant == "" {
		return c.mayDo(op)
	}
	return c.authorize(op, tenant)
}

func (s *Service) applications(ctx context.Context) ([]Application, error) {
	if err := ctx.Err(); err != nil || s.opt.Applications == nil {
		return nil, err
	}
	return s.opt.Applications.List(ctx)
}
