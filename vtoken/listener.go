package vtoken

import (
	"errors"
	"time"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/object"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
)

// Listener hears what one application does. Each kind of act is told in one place of the
// engine, by the function that does it.
type Listener interface {
	// Begin hears of an act before it is done, with what is known of it by then. An
	// error refuses the act: the application gets the error, and nothing was done.
	// Otherwise end hears of the act when it has ended, before the application has its
	// answer. A nil end does not want to.
	//
	// The application's session is locked in some acts, so Begin and end do not call the
	// engine.
	Begin(Event) (end func(Event), err error)
	// Did hears of what cannot be refused: [ActSign] and [ActLockPIN]. It is called while
	// signatures wait, so it neither waits nor allocates.
	Did(Event)
	// Closed hears that the application has ended. It is called once.
	Closed()
}

// Act is something that an application does.
type Act string

// The acts that a Listener hears of.
const (
	ActLogin       Act = "login" // C_Login, C_LoginUser
	ActInitToken   Act = "init-token"
	ActInitPIN     Act = "init-pin"
	ActSetPIN      Act = "set-pin"
	ActGenerate    Act = "generate-key" // C_GenerateKey, C_GenerateKeyPair
	ActCreate      Act = "create-key"   // C_CreateObject, of any object
	ActCopy        Act = "copy-key"     // C_CopyObject, of any object
	ActUnwrap      Act = "unwrap-key"
	ActDerive      Act = "derive-key"
	ActEncapsulate Act = "encapsulate-key" // with a buffer: a call for the length makes no key
	ActDecapsulate Act = "decapsulate-key"
	ActDestroy     Act = "destroy-key" // C_DestroyObject, of any object
	ActWrap        Act = "wrap-key"    // C_WrapKey, C_WrapKeyAuthenticated, with a buffer
	ActRead        Act = "read-key"    // C_GetAttributeValue that asks for the value of a key
	ActSign        Act = "sign"        // each signature that was computed, right or not
	ActLockPIN     Act = "lock-pin"    // a wrong try has locked a PIN
	ActResume      Act = "resume"      // a login goes on after the daemon was started again
	ActEnd         Act = "end"         // an administrator ends the use of a token, with its login
)

// Event is one act. What does not apply, or is not known yet, is empty.
type Event struct {
	Act Act
	// Slot and Token are where it is done, nil where no session was found.
	Slot  ck.SlotID
	Token *record.Token
	// User says whose PIN is compared or set.
	User ck.UserType
	// By is the administrator who does the act, empty where the application does it.
	By string
	// Object is the object that is read, wrapped, copied or destroyed, or that was made.
	// When an act begins that makes one, it has what the template asks for.
	Object    *Object
	Mechanism ck.MechanismType
	// Attribute is the first secret attribute that ActRead gave out, 0 where it gave none.
	Attribute ck.AttributeType
	// PINLocked says that the PIN of the user is locked after the act.
	PINLocked bool
	// Err is the error that the application gets, [ErrPanicked] where the act panicked.
	Err error
	// Took is how long the act took.
	Took time.Duration
}

// Object describes an object to a Listener.
type Object struct {
	Class   ck.ObjectClass
	KeyType ck.KeyType
	IsKey   bool // KeyType is set
	Token   bool // it is on the token, not in a session
	ID      []byte
}

// ErrPanicked is the result of an act that panicked.
var ErrPanicked = errors.New("the act panicked")

// silent is the listener of an application that nobody listens to.
type silent struct{}

func (silent) Begin(Event) (func(Event), error) { return nil, nil }
func (silent) Did(Event)                        {}
func (silent) Closed()                          {}

// perform does an act and tells the listener. do fills in more of the event.
func (c *Client) perform(e Event, do func(e *Event) error) error {
	end, err := c.listener.Begin(e)
	if err != nil {
		return err
	}
	if end == nil {
		return do(&e)
	}
	began := time.Now()
	e.Err = ErrPanicked // stays where do panics
	defer func() {
		e.Took = time.Since(began)
		end(e)
	}()
	e.Err = do(&e)
	return e.Err
}

// performIn is perform for an act in a session. do runs with the session locked.
func (c *Client) performIn(h ck.SessionHandle, e Event, do func(s *session, e *Event) error) error {
	return c.perform(e, func(e *Event) error {
		s, err := c.session(h)
		if err != nil {
			return err
		}
		e.setSession(s)
		if err := s.enter(); err != nil {
			return err
		}
		defer s.leave()
		return do(s, e)
	})
}

// performPIN is performIn for an act that compares or sets the user's PIN.
func (c *Client) performPIN(h ck.SessionHandle, e Event, do func(s *session, e *Event) error) error {
	return c.performIn(h, e, func(s *session, e *Event) error {
		err := do(s, e)
		e.PINLocked = s.token().record().PIN(roleOf(e.User)).Locked()
		return err
	})
}

// performMaking is performIn for an act that makes an object as the template says, and
// returns its handle.
func (c *Client) performMaking(h ck.SessionHandle, act Act, m ck.MechanismType, t ck.Template, do func(*session) (*object.Object, error)) (made ck.ObjectHandle, err error) {
	err = c.performIn(h, Event{Act: act, Mechanism: m, Object: askedFor(t)}, func(s *session, e *Event) error {
		o, err := do(s)
		if err != nil {
			return err
		}
		if made, err = s.addObject(o); err == nil {
			e.Object = describe(o)
		}
		return err
	})
	return made, err
}

// setSession says that the act is done in a session.
func (e *Event) setSession(s *session) {
	e.Slot, e.Token = s.token().slot, s.token().record()
}

// signed tells the listener of a signature.
func (s *session) signed(op *operation, began time.Time, err error) {
	e := Event{Act: ActSign, Mechanism: op.mechanism.Type, Err: err, Took: time.Since(began)}
	e.setSession(s)
	s.attachment.client.listener.Did(e)
}

// maxToldID bounds the CKA_ID that a Listener is told. A longer one is left out.
const maxToldID = 4096

// describe describes an object to a Listener.
func describe(o *object.Object) *Object {
	d := &Object{Class: o.Class(), Token: o.Token()}
	d.KeyType, d.IsKey = o.KeyType()
	if id := o.KeyID(); len(id) <= maxToldID {
		d.ID = id
	}
	return d
}

// askedFor describes the object that a template asks for.
func askedFor(t ck.Template) *Object {
	class, _ := classOf(t)
	onToken, _ := t.Find(ck.CKA_TOKEN)
	token, _ := onToken.Bool()
	return &Object{Class: class, Token: token}
}

// describeHandle describes the object with the handle, nil where the session may not know of it.
func (s *session) describeHandle(h ck.ObjectHandle) *Object {
	o, err := s.object(h)
	if err != nil {
		return nil
	}
	return describe(o)
}

// roleOf is whose PIN a user of C_Login gives.
func roleOf(user ck.UserType) pin.Role {
	if user == ck.CKU_SO {
		return pin.SO
	}
	return pin.User
}

// userOf is the user of C_Login who has the role.
func userOf(role pin.Role) ck.UserType {
	if role == pin.SO {
		return ck.CKU_SO
	}
	return ck.CKU_USER
}
