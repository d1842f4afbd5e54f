package dualshield

import (
	"encoding/base64"
	"strings"
	"time"

	"vtoken/provisioning"
	"vtoken/provisioning/directory"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// part finds the part of one user in a token: by the id of the assignment, or by
// user and token.
func (d *Dialect) part(in *call, a attrs) (ref provisioning.TokenRef, user string, err error) {
	id, err := a.text("id")
	if err != nil {
		return ref, "", err
	}
	if id != "" {
		return assignment(in.caller, id)
	}
	if ref, err = d.token(in.caller, a, "token."); err != nil {
		return ref, "", err
	}
	u, named, err := d.user(in.ctx, in.caller, a, "user.")
	if err == nil && !named {
		err = provisioning.Errorf(provisioning.BadInput, "the assignment is not named; give id, or user.id and token.id")
	}
	ref.User = string(u.ID)
	return ref, ref.User, err
}

// partNames are the names that name an assignment.
func partNames(others ...string) []string {
	return append(append(userNames("user."), "id", "token.id", "token.serial"), others...)
}

func (d *Dialect) getAssignment(in *call) (any, error) {
	rows, err := d.assignments(in, "match", "return")
	if err != nil {
		return nil, err
	}
	switch len(rows) {
	case 0:
		return nil, provisioning.Errorf(provisioning.TokenNotFound, "token assignment not found")
	case 1:
		return rows[0], nil
	}
	return nil, provisioning.Errorf(provisioning.Conflict, "several assignments match; match by id, or search")
}

func (d *Dialect) searchAssignments(in *call) (any, error) {
	q, err := in.paging()
	if err != nil {
		return nil, err
	}
	rows, err := d.assignments(in, "match", "return", "sort", "order", "max", "offset")
	if err != nil {
		return nil, err
	}
	total := len(rows)
	rows = rows[min(q.Skip, total):]
	return map[string]any{"total": total, "rows": rows[:min(q.Limit, len(rows))]}, nil
}

// maxAssignments bounds the tokens whose assignments one call looks at.
const maxAssignments = provisioning.MaxPage

// partSearch is a search for assignments, made ready.
type partSearch struct {
	where []directory.Criterion // of their tokens
	// id, user and status are what an assignment has to have; empty is anything.
	id, user, status string
}

// partSearch reads what a call matches.
func (d *Dialect) partSearch(in *call) (partSearch, error) {
	var q partSearch
	match, err := in.match()
	if err != nil {
		return q, err
	}
	var rest []triple
	for _, t := range match {
		switch {
		case t.name == "id" && t.op == "=":
			q.id = strings.ToLower(t.value)
			ref, _, err := assignment(in.caller, t.value)
			if err != nil {
				return q, err
			}
			rest = append(rest, triple{"token.id", "=", string(ref.ID)})
		case t.name == "status" && t.op == "=":
			q.status = t.value
		default:
			rest = append(rest, t)
		}
	}
	if q.where, err = d.criteria(in.ctx, in.caller, rest, "token."); err != nil {
		return q, err
	}
	for _, c := range q.where {
		if c.Field == directory.Holder {
			q.user = c.Value
		}
	}
	return q, nil
}

// fits reports whether the attributes of an assignment are those that are looked
// for.
func (q partSearch) fits(h provisioning.Holder, own map[string]any) bool {
	return (q.id == "" || own["id"] == q.id) && (q.user == "" || string(h.User) == q.user) && (q.status == "" || own["status"] == q.status)
}

// assignments are the assignments that match.
func (d *Dialect) assignments(in *call, members ...string) ([]map[string]any, error) {
	if err := in.only(members...); err != nil {
		return nil, err
	}
	wanted, err := in.returns()
	if err != nil {
		return nil, err
	}
	q, err := d.partSearch(in)
	if err != nil {
		return nil, err
	}
	page, err := d.core.SearchTokens(in.ctx, in.caller, provisioning.TokenSearch{Tenant: in.caller.Tenant, Where: q.where, Limit: maxAssignments})
	if err != nil {
		return nil, err
	}
	rows := []map[string]any{}
	for _, t := range page.Tokens {
		for i, h := range t.Holders {
			own := assignmentAttrs(t, i)
			if !q.fits(h, own) {
				continue
			}
			row, err := wanted.pick(own, nil)
			if err != nil {
				return nil, err
			}
			rows = append(rows, row)
		}
	}
	return rows, nil
}

// setAssignment changes the status, the PIN, the time or the order of a part.
func (d *Dialect) setAssignment(in *call) (any, error) {
	if err := in.only("id", "attrs"); err != nil {
		return nil, err
	}
	ref, user, err := d.part(in, in.some("id"))
	if err != nil {
		return nil, err
	}
	a, err := in.attrs()
	if err != nil {
		return nil, err
	}
	if err := a.only("status", "pin", "starts", "expires", "usagelimit", "priority"); err != nil {
		return nil, err
	}
	if _, there := a["pin"]; there {
		if len(a) > 1 {
			return nil, provisioning.Errorf(provisioning.BadInput, "a PIN is set by a call of its own")
		}
		return nil, d.setPIN(in, ref, a)
	}
	change, unlock, err := holderChange(a)
	if err != nil {
		return nil, err
	}
	t, err := d.core.SetHolder(in.ctx, in.caller, ref, user, change)
	if err == nil && unlock && t.UserPIN.Locked {
		_, err = d.core.UnlockPIN(in.ctx, in.caller, ref, pin.User)
	}
	return nil, err
}

// setPIN sets the PIN of the token, or clears it where it is empty.
func (d *Dialect) setPIN(in *call, ref provisioning.TokenRef, a attrs) error {
	text, err := a.digits("pin")
	if err != nil {
		return err
	}
	if text == "" {
		_, err = d.core.ClearPIN(in.ctx, in.caller, ref, pin.User)
		return err
	}
	p := secret.Bytes(text)
	defer p.Wipe()
	return d.core.ResetPIN(in.ctx, in.caller, ref, pin.User, p, provisioning.PINRule{})
}

// holderChange is what attributes change of a part; unlock says that it becomes
// active, so that a locked PIN is unlocked.
func holderChange(a attrs) (change provisioning.HolderChange, unlock bool, err error) {
	state, err := a.text("status")
	if err != nil {
		return change, false, err
	}
	switch state {
	case "":
	case statusActive, statusDisabled:
		suspended := state == statusDisabled
		change.Suspended = &suspended
	default:
		return change, false, provisioning.Errorf(provisioning.BadInput, "an assignment is set to ACTIVE or DISABLED, not to %.40q", state)
	}
	for name, to := range map[string]**time.Time{"starts": &change.Starts, "expires": &change.Expires} {
		if *to, err = a.date(name); err != nil {
			return change, false, err
		}
	}
	for name, to := range map[string]**int{"usagelimit": &change.UsageLimit, "priority": &change.Priority} {
		if *to, err = a.number(name); err != nil {
			return change, false, err
		}
	}
	return change, state == statusActive, nil
}

// reference is an answer that names an assignment, and what else comes with it.
type reference struct {
	ID             string      `json:"id"`
	ActivationCode secret.Text `json:"activationCode,omitempty"`
	URL            secret.Text `json:"url,omitempty"`
}

// activate ends the activation of a token with its code.
func (d *Dialect) activate(in *call) (any, error) {
	a, ref, user, err := d.partOf(in, "code")
	if err != nil {
		return nil, err
	}
	code, err := a.need("code")
	if err != nil {
		return nil, err
	}
	t, err := d.core.FinishActivation(in.ctx, in.caller, ref, secret.Bytes(code))
	return reference{ID: assignmentID(t.ID, record.UserID(user))}, err
}

// partOf is the part that a call names in its body, and what else it says.
func (d *Dialect) partOf(in *call, others ...string) (a attrs, ref provisioning.TokenRef, user string, err error) {
	if a, err = in.parts(); err != nil {
		return nil, ref, "", err
	}
	if err = a.only(partNames(others...)...); err != nil {
		return nil, ref, "", err
	}
	ref, user, err = d.part(in, a)
	return a, ref, strings.ToLower(user), err
}

// sendActivationCode begins an activation. There is no channel to send by, so the
// code is in the answer.
func (d *Dialect) sendActivationCode(in *call) (any, error) {
	a, ref, user, err := d.partOf(in, "provisioningurl", "channel")
	if err != nil {
		return nil, err
	}
	if err := checkChannel(a); err != nil {
		return nil, err
	}
	code, t, err := d.core.StartActivation(in.ctx, in.caller, ref, 0)
	return reference{ID: assignmentID(t.ID, record.UserID(user)), ActivationCode: secret.Text(code)}, err
}

// sendDownloadURL hands out the link of a soft token, once. There is no channel to
// send by, so the link is in the answer.
func (d *Dialect) sendDownloadURL(in *call) (any, error) {
	a, ref, user, err := d.partOf(in, "provisioningurl", "channel")
	if err != nil {
		return nil, err
	}
	if err := checkChannel(a); err != nil {
		return nil, err
	}
	e, err := d.core.EnrolOTP(in.ctx, in.caller, ref, provisioning.Enrolment{})
	e.Seed.Wipe()
	return reference{ID: assignmentID(e.Token.ID, record.UserID(user)), URL: secret.Text(e.URI)}, err
}

func checkChannel(a attrs) error {
	if _, err := a.text("provisioningurl"); err != nil {
		return err
	}
	channel, err := a.text("channel")
	if err != nil {
		return err
	}
	if _, there := a["channel"]; there && !contains([]string{"SMS", "SMTP", "TWITTER", "TELEPHONE"}, channel) {
		return provisioning.Errorf(provisioning.BadInput, "there is no channel %.40q; the channels are SMS, SMTP, TWITTER and TELEPHONE", channel)
	}
	return nil
}

// tokenQRCode hands out the seed of a soft token, once, as a picture.
func (d *Dialect) tokenQRCode(in *call) (any, error) {
	_, ref, _, err := d.partOf(in)
	if err != nil {
		return nil, err
	}
	e, err := d.core.EnrolOTP(in.ctx, in.caller, ref, provisioning.Enrolment{})
	if err != nil {
		return nil, err
	}
	e.Seed.Wipe()
	defer e.URI.Wipe()
	return secret.Text(base64.StdEncoding.EncodeToString(e.PNG)), nil
}

// maxSort bounds the assignments that are put in order.
const maxSort = 1000

// sortAssignments sets the priorities of assignments by their order.
func (d *Dialect) sortAssignments(in *call) (any, error) {
	if err := in.only("ids"); err != nil {
		return nil, err
	}
	list, ok := in.body["ids"].([]any)
	if !ok || len(list) == 0 || len(list) > maxSort {
		return nil, provisioning.Errorf(provisioning.BadInput, "ids is a list of the ids of assignments, at most %d", maxSort)
	}
	order := make([]provisioning.HolderRef, len(list))
	for i, item := range list {
		id, err := attrs{"id": item}.need("id")
		if err != nil {
			return nil, err
		}
		ref, user, err := assignment(in.caller, id)
		if err != nil {
			return nil, err
		}
		order[i] = provisioning.HolderRef{Token: ref, User: user}
	}
	return nil, d.core.SortHolders(in.ctx, in.caller, order)
}
