package dualshield

import (
	"cmp"
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"vtoken/provisioning"
	"vtoken/vtoken/record"
	"vtoken/vtoken/secret"
)

// part finds an assignment: by its id, or by user and token.
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

// partNames are the names of attributes that name an assignment.
func partNames(others ...string) []string {
	return append(append(userNames("user."), "id", "token.id", "token.serial"), others...)
}

// setAssignment changes the status, the PIN, the times and the order of an assignment:
// all that is named, or nothing.
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
	change, err := holderChange(a)
	defer change.PIN.New.Wipe()
	if err != nil {
		return nil, err
	}
	_, err = d.core.SetHolder(in.ctx, in.caller, ref, user, change)
	return nil, err
}

// holderChange converts attributes to a change of an assignment. ACTIVE unlocks a locked
// PIN, and an empty PIN clears the current one.
func holderChange(a attrs) (change provisioning.HolderChange, err error) {
	if err = a.only("status", "pin", "mustchangepin", "pinneverexpires", "starts", "expires", "usagelimit", "priority"); err != nil {
		return change, err
	}
	state, err := a.text("status")
	if err != nil {
		return change, err
	}
	switch state {
	case "":
	case statusActive, statusDisabled:
		suspended := state == statusDisabled
		change.Suspended, change.PIN.Unlock = &suspended, !suspended
	default:
		return change, provisioning.Errorf(provisioning.BadInput, "an assignment is set to ACTIVE or DISABLED, not to %.40q",
			state)
	}
	for name, to := range map[string]**time.Time{"starts": &change.Starts, "expires": &change.Expires} {
		if *to, err = a.date(name); err != nil {
			return change, err
		}
	}
	for name, to := range map[string]**int{"usagelimit": &change.UsageLimit, "priority": &change.Priority} {
		if *to, err = a.number(name); err != nil {
			return change, err
		}
	}
	if change.PIN.MustChange, err = a.flag("mustchangepin"); err != nil {
		return change, err
	}
	if never, err := a.flag("pinneverexpires"); err != nil || never != nil && !*never {
		return change, cmp.Or(err, error(provisioning.Errorf(provisioning.NotSupported,
			"PINs do not expire here; ask for another one with mustChangePin")))
	}
	if _, found := a["pin"]; found {
		text, err := a.digits("pin")
		if err != nil {
			return change, err
		}
		if change.PIN.Clear = text == ""; !change.PIN.Clear {
			change.PIN.New = secret.Bytes(text)
		}
	}
	return change, nil
}

// reference is an answer that names an assignment, with more attributes.
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

// partOf finds the assignment that a call names in its body, and returns its other
// attributes.
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

// sendActivationCode begins an activation. There is no channel to send the code, so it is
// in the answer.
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

// sendDownloadURL returns the link of a soft token, once. There is no channel to send it,
// so it is in the answer.
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
	if _, found := a["channel"]; found && !slices.Contains([]string{"SMS", "SMTP", "TWITTER", "TELEPHONE"}, channel) {
		return provisioning.Errorf(provisioning.BadInput,
			"there is no channel %.40q; the channels are SMS, SMTP, TWITTER and TELEPHONE", channel)
	}
	return nil
}

// tokenQRCode returns the seed of a soft token, once, as a QR code.
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

// maxSort bounds the assignments of one call to sort.
const maxSort = 1000

// sortAssignments sets the priorities of assignments to their order.
func (d *Dialect) sortAssignments(in *call) (any, error) {
	if err := in.only("ids"); err != nil {
		return nil, err
	}
	list, ok := in.body["ids"].([]any)
	if !ok || len(list) == 0 || len(list) > maxSort {
		return nil, provisioning.Errorf(provisioning.BadInput, "ids is a list of the ids of assignments, at most %d",
			maxSort)
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
