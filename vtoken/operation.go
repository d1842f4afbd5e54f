package vtoken

import (
	"cmp"
	"hash"
	"slices"

	"vtoken/vtoken/ck"
	"vtoken/vtoken/mech"
	"vtoken/vtoken/object"
	"vtoken/vtoken/secret"
)

// kind is a kind of operation. A session has at most one of each at a time.
type kind int

const (
	encrypting kind = iota
	decrypting
	digesting
	signing
	verifying
	signRecovering
	verifyRecovering
	messageSigning
	messageVerifying
	messageEncrypting
	messageDecrypting
	kinds
)

// rule is what an operation requires of a key and a mechanism.
type rule struct {
	usage ck.AttributeType // the key's flag that permits it
	// flag is the use in CK_MECHANISM_INFO that a policy allows, and what ends it in
	// C_SessionCancel where cancel is 0. Where it is not, the mechanism has to have
	// that use as well.
	flag ck.Flags
	// begin makes the mechanism's part of the operation.
	begin  func(op *operation, d *mech.Descriptor, k *mech.Key, p ck.Parameter) error
	cancel ck.Flags
}

// rules are the requirements of all operations. A check that each function makes by itself is
// forgotten in one of them (softhsm/SoftHSMv2#671).
var rules = [kinds]rule{
	encrypting: {ck.CKA_ENCRYPT, ck.CKF_ENCRYPT, beginEncrypt, 0},
	decrypting: {ck.CKA_DECRYPT, ck.CKF_DECRYPT, beginDecrypt, 0},
	digesting:  {flag: ck.CKF_DIGEST, begin: beginDigest},
	signing:    {ck.CKA_SIGN, ck.CKF_SIGN, beginSign, 0},
	verifying:  {ck.CKA_VERIFY, ck.CKF_VERIFY, beginVerify, 0},

	signRecovering:   {ck.CKA_SIGN_RECOVER, ck.CKF_SIGN_RECOVER, beginSignRecover, 0},
	verifyRecovering: {ck.CKA_VERIFY_RECOVER, ck.CKF_VERIFY_RECOVER, beginVerifyRecover, 0},

	// Who may do a thing may do so with many messages.
	messageSigning:   {ck.CKA_SIGN, ck.CKF_SIGN, beginMessageSign, ck.CKF_MESSAGE_SIGN},
	messageVerifying: {ck.CKA_VERIFY, ck.CKF_VERIFY, beginMessageVerify, ck.CKF_MESSAGE_VERIFY},

	messageEncrypting: {ck.CKA_ENCRYPT, ck.CKF_ENCRYPT, beginMessageEncrypt, ck.CKF_MESSAGE_ENCRYPT},
	messageDecrypting: {ck.CKA_DECRYPT, ck.CKF_DECRYPT, beginMessageDecrypt, ck.CKF_MESSAGE_DECRYPT},
}

// operation is a running operation of a session, whose lock guards it.
type operation struct {
	mechanism ck.Mechanism
	handle    ck.ObjectHandle // of the key
	key       *liveKey        // nil for a digest
	login     *login          // nil where the key is not private
	// waits is true until the PIN was given for this operation (C_Login with
	// CKU_CONTEXT_SPECIFIC), or it was used without (mayProceed).
	waits bool
	multi bool // an Update was made
	slow  bool // calls with it may take long (Client.OnSlow)
	long  bool // its last step takes a processor for long

	signer   mech.Signer
	verifier mech.Verifier
	cipher   *cipher
	digest   hash.Hash
	message  *message // of an operation on messages

	session    *session
	parameter  int // what the mechanism's parameter weighs
	associated int // and what belongs to the message under way
}

// isCancelled reports whether the operation ended with a logout, or because its key is gone.
func (op *operation) isCancelled() bool {
	if op.login != nil && op.login.ended.Load() {
		return true
	}
	if op.key == nil {
		return false
	}
	alive := op.key.acquire()
	if alive {
		op.key.release()
	}
	return !alive
}

// begin starts an operation. All checks of which key may be used, for what and with which
// mechanism, are here.
func (s *session) begin(k kind, m ck.Mechanism, key ck.ObjectHandle) error {
	if err := s.ensureIdle(k); err != nil {
		return err
	}
	d, err := s.mechanism(m, rules[k].flag)
	if err != nil {
		return err
	}
	if own := rules[k].cancel; !d.Info().Flags.Has(own) {
		return errNoMessages(d)
	}
	op := &operation{mechanism: m, handle: key, session: s, parameter: parameterWeight(m.Parameter)}
	if err := s.Reserve(operationWeight + op.parameter); err != nil {
		return err
	}
	var material *mech.Key
	if k != digesting {
		o, err := s.usableKey(key, rules[k].usage, d)
		if err != nil {
			return err
		}
		if op.key, err = s.liveKey(key, o); err != nil {
			return err
		}
		if !op.key.acquire() {
			return ck.Errorf(ck.CKR_KEY_HANDLE_INVALID, "the key has been destroyed or logged out in the meantime")
		}
		defer op.key.release()
		material, op.long = op.key.key, op.key.key.Heavy()
		op.slow = op.long || d.Stateful // a commit takes long, too
		s.attachLogin(op, o)
	}
	if err := rules[k].begin(op, d, material, m.Parameter); err != nil {
		return err
	}
	op.metered(op.signer)
	op.metered(op.verifier)
	s.ops[k] = op
	return nil
}

// mechanism returns a mechanism that exists, supports the use, and is offered for it by the
// token's policy.
func (s *session) mechanism(m ck.Mechanism, use ck.Flags) (*mech.Descriptor, error) {
	d, ok := mech.Lookup(m.Type)
	if !ok {
		return nil, ck.Errorf(ck.CKR_MECHANISM_INVALID, "%v is not supported", m.Type)
	}
	if !d.Info().Flags.Has(use) {
		return nil, ck.Errorf(ck.CKR_MECHANISM_INVALID, "%v does not support this operation", m.Type)
	}
	return d, s.token().record().Policy.Check(m, use)
}

// ensureIdle checks that no such operation is active. An operation that was cancelled, or that
// waits for its PIN, is dropped: OpenSSH's agent leaves such operations behind
// (Yubico/yubico-piv-tool#582).
func (s *session) ensureIdle(k kind) error {
	if op := s.ops[k]; op != nil && !op.waits && !op.isCancelled() {
		return ck.Errorf(ck.CKR_OPERATION_ACTIVE, "the session already has such an operation; end it first")
	}
	s.ops[k] = nil
	return nil
}

// usableKey returns the key with the handle, if the session may use it with the mechanism.
func (s *session) usableKey(h ck.ObjectHandle, usage ck.AttributeType, d *mech.Descriptor) (*object.Object, error) {
	o, err := s.visibleKey(h)
	if err != nil {
		return nil, err
	}
	typ, _ := o.KeyType()
	switch {
	case !slices.Contains(d.KeyTypes, typ):
		return nil, ck.Errorf(ck.CKR_KEY_TYPE_INCONSISTENT, "%v does not work with a key of type %v", d.Type, typ)
	case !o.Bool(usage):
		return nil, ck.Errorf(ck.CKR_KEY_FUNCTION_NOT_PERMITTED, "the key's %v is false", usage)
	case s.tooSmall(o, usage):
		return nil, ck.Errorf(ck.CKR_KEY_SIZE_RANGE, "the token's algorithm policy requires a larger RSA key for %v", usage)
	case usage != ck.CKA_DERIVE && o.Class() == ck.CKO_SECRET_KEY && o.KeepsResults():
		return nil, ck.Errorf(ck.CKR_KEY_FUNCTION_NOT_PERMITTED,
			"a secret key whose CKA_DERIVE_TEMPLATE keeps derived keys sensitive does nothing but derive: a MAC made with it is a derived key in clear")
	case !o.Allows(d.Type):
		return nil, ck.Errorf(ck.CKR_MECHANISM_INVALID, "the key's CKA_ALLOWED_MECHANISMS do not list %v", d.Type)
	}
	return o, nil
}

// tooSmall reports whether the token's policy requires a larger RSA key for the use.
func (s *session) tooSmall(o *object.Object, usage ck.AttributeType) bool {
	verify := usage == ck.CKA_VERIFY || usage == ck.CKA_VERIFY_RECOVER
	bits, ok := o.RSABits()
	return ok && bits < s.token().record().Policy.MinRSABits(verify)
}

// visibleKey returns the key with the handle, whatever its usage flags are.
func (s *session) visibleKey(h ck.ObjectHandle) (*object.Object, error) {
	o := s.spaceOf(h).get(h)
	switch {
	case o == nil:
		return nil, ck.CKR_KEY_HANDLE_INVALID
	case !s.sees(o):
		return nil, ck.Errorf(ck.CKR_USER_NOT_LOGGED_IN, "the key is private; log in first")
	case !o.IsKey():
		return nil, ck.Errorf(ck.CKR_KEY_HANDLE_INVALID, "the object is not a key")
	}
	return o, nil
}

// attachLogin ties an operation with a private key to the login that permits it.
func (s *session) attachLogin(op *operation, o *object.Object) {
	if !o.Private() {
		return
	}
	if op.login = s.attachment.login.Load(); op.login == nil {
		op.login = &login{}
		op.login.ended.Store(true)
		return
	}
	op.waits = o.AlwaysAuthenticate()
}

// mayProceed reports whether the operation may continue. One that waits for its PIN may, if it
// is the first use of such a key since the login, as OpenSSH expects. This is decided at the
// first use and not before, so an application that does give the PIN finds an operation that
// takes it, and one that gives up leaves no trace.
func (op *operation) mayProceed() bool {
	if op.waits && op.login.fresh.Swap(false) {
		op.waits = false
	}
	return !op.waits
}

// liveKey returns the parsed key of an object, from the cache of its objectSpace.
func (s *session) liveKey(handle ck.ObjectHandle, o *object.Object) (*liveKey, error) {
	h := s.spaceOf(handle)
	h.mu.RLock()
	k := h.keys[handle]
	h.mu.RUnlock()
	if k != nil {
		return k, nil
	}
	var parsed *mech.Key
	var err error
	secret.OnOwnStack(func() { parsed, err = s.parseKey(handle, o) })
	if err != nil {
		return nil, err
	}
	return s.cacheKey(h, handle, &liveKey{key: parsed})
}

// parseKey decrypts the secret attributes of a key, and parses it.
func (s *session) parseKey(handle ck.ObjectHandle, o *object.Object) (*mech.Key, error) {
	full, err := s.openSecrets(handle, o)
	if err != nil {
		return nil, err
	}
	if full != o {
		defer full.Secret.Wipe()
	}
	return mech.ParseKey(full, s.engine().opts.Provider)
}

// cacheKey puts a parsed key into the cache, unless another thread has done so, or the object
// or the login is gone.
func (s *session) cacheKey(h *objectSpace, handle ck.ObjectHandle, k *liveKey) (*liveKey, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	o, other := h.objects.get(handle), h.keys[handle]
	switch {
	case other != nil:
		k.wipe()
		return other, nil
	case o == nil:
		k.wipe()
		return nil, ck.CKR_KEY_HANDLE_INVALID
	case !s.sees(o) || s.closed.Load():
		k.wipe()
		return nil, ck.CKR_USER_NOT_LOGGED_IN
	}
	h.keys[handle] = k
	return k, nil
}

// active returns the session's operation of that kind.
func (s *session) active(k kind) (*operation, error) {
	op := s.ops[k]
	if op == nil {
		return nil, ck.CKR_OPERATION_NOT_INITIALIZED
	}
	if op.isCancelled() {
		s.ops[k] = nil
		return nil, ck.Errorf(ck.CKR_OPERATION_NOT_INITIALIZED, "the operation ended with the login or with its key")
	}
	return op, nil
}

// onePart is active for functions that do an operation in one call. One that was begun in
// parts is ended: an error ends it (section 5.2), and what the caller gets at the end would be
// of other data than it thinks.
func (s *session) onePart(k kind) (*operation, error) {
	op, err := s.active(k)
	if err == nil && op.multi {
		s.ops[k] = nil
		return nil, ck.Errorf(ck.CKR_OPERATION_ACTIVE,
			"the operation was begun in parts, which end with the Final function; it has ended, begin it again")
	}
	return op, err
}

// requirePIN refuses an operation that waits for its PIN. The caller ends it.
func (op *operation) requirePIN() error {
	if !op.mayProceed() {
		return ck.Errorf(ck.CKR_USER_NOT_LOGGED_IN, "the key asks for the PIN at each use: C_Login with CKU_CONTEXT_SPECIFIC first")
	}
	return nil
}

// runStep runs one step of an operation while it holds the key. An error ends the operation,
// a missing PIN too. So does a panic, which releases the key: a request that panics must not
// stop the others (thin-edge/thin-edge.io#3548).
func (s *session) runStep(k kind, op *operation, step func() error) (err error) {
	if err := op.requirePIN(); err != nil {
		s.ops[k] = nil
		return err
	}
	if op.key != nil && !op.key.acquire() {
		s.ops[k] = nil
		return ck.CKR_OPERATION_NOT_INITIALIZED
	}
	done := false
	defer func() {
		if op.key != nil {
			op.key.release()
		}
		if !done || err != nil {
			s.ops[k] = nil
		}
	}()
	err = step()
	done = true
	return err
}

// runLastStep is runStep for the last step of an operation, the one that computes with the
// key. A slow step waits for its turn, without holding the key meanwhile.
func (s *session) runLastStep(k kind, op *operation, step func() error) error {
	if !op.long {
		return s.runStep(k, op, step)
	}
	began := false
	err := s.attachment.client.inTurn(func(func() error) error {
		began = true
		return s.runStep(k, op, step)
	})
	if !began {
		s.ops[k] = nil
	}
	return err
}

// fitsBuffer reports whether an output of n bytes fits the buffer. If not, or if the caller
// asks for the length, done is true and answer is what to return.
func fitsBuffer(n int, buf ck.Buffer) (answer ck.Output, done bool, err error) {
	switch {
	case buf.Null:
		return ck.Output{Len: uint64(n)}, true, nil
	case buf.Len < uint64(n):
		return ck.Output{Len: uint64(n)}, true, ck.CKR_BUFFER_TOO_SMALL
	}
	return ck.Output{}, false, nil
}

// output returns a complete output.
func output(data []byte) ck.Output {
	if data == nil {
		data = []byte{}
	}
	return ck.Output{Data: data, Len: uint64(len(data))}
}

// EndAfterError ends what an error of a call ends, where the call did not come as far as its
// function here: the operations whose CKF_ flags are given, and of operations on messages the
// message under way.
func (c *Client) EndAfterError(h ck.SessionHandle, flags ck.Flags) error {
	s, err := c.enter(h)
	if err != nil {
		return err
	}
	defer s.leave()
	for k, r := range rules {
		switch op := s.ops[k]; {
		case op == nil || !flags.Has(cmp.Or(r.cancel, r.flag)):
		case op.message != nil:
			s.dropMessage(kind(k), op)
		default:
			s.ops[k] = nil
		}
	}
	if flags.Has(ck.CKF_FIND_OBJECTS) {
		s.finder = nil
	}
	return nil
}

// SessionCancel is C_SessionCancel (section 5.6). It ends the operations whose CKF_ flags are
// given. It is no error if they are not active.
func (c *Client) SessionCancel(h ck.SessionHandle, flags ck.Flags) error {
	s, err := c.enter(h)
	if err != nil {
		return err
	}
	defer s.leave()
	for k, r := range rules {
		if flags.Has(cmp.Or(r.cancel, r.flag)) {
			s.ops[k] = nil
		}
	}
	if flags.Has(ck.CKF_FIND_OBJECTS) {
		s.finder = nil
	}
	return nil
}
