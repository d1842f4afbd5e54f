package continuity

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/big"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/miekg/pkcs11"

	"vtoken/tests/harness"
)

// clientVariable makes this program a process that walks.
const clientVariable = "VTOKEN_CONTINUITY_CLIENT"

// order is what a process is to do. It comes as the first line of its standard input; the
// end of that is the end of the walk.
type order struct {
	Module, Label, Board string
	Number               int
	Seed                 uint64
}

// outcome is what a process did, and what is on its card in the end.
type outcome struct {
	Card   string
	Labels []string
	Steps  map[string]int
}

// walker is the random walk of a process at its own card, and its model of that.
type walker struct {
	order
	p     *pkcs11.Ctx
	board *board
	rng   *rand.Rand
	slot  uint
	steps map[string]int
	made  int // labels so far

	sessions []pkcs11.SessionHandle
	loggedIn bool
	public   ecdsa.PublicKey
	secret   []byte // of the AES key
	objects  map[string]thing
}

// thing is a data object.
type thing struct {
	handle  pkcs11.ObjectHandle
	private bool
	value   []byte
	session pkcs11.SessionHandle // 0 for objects of the token
	crashes uint64               // when it was made; those of sessions go with the daemon
}

const (
	mostSessions = 4
	mostObjects  = 12
)

// errLost says that the daemon went in the middle of something that cannot be sent again.
var errLost = errors.New("the daemon went meanwhile")

// clientMain is the main function of a process.
func clientMain(in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	line, err := lines.ReadBytes('\n')
	if err != nil {
		return err
	}
	w := &walker{steps: map[string]int{}, objects: map[string]thing{}}
	if err := json.Unmarshal(line, &w.order); err != nil {
		return err
	}
	if w.board, err = newBoard(w.Board); err != nil {
		return err
	}
	w.rng = rand.New(rand.NewPCG(w.Seed, uint64(w.Number)+1))
	if w.p = pkcs11.New(w.Module); w.p == nil {
		return fmt.Errorf("%s cannot be loaded", w.Module)
	}
	if err := w.p.Initialize(); err != nil {
		return err
	}
	var over atomic.Bool
	go func() {
		_, _ = lines.ReadByte() // comes with the end only
		over.Store(true)
	}()
	var beside sync.WaitGroup
	var besideErr error
	beside.Go(func() { besideErr = w.signBeside(&over) })
	err = w.walk(&over)
	over.Store(true)
	beside.Wait()
	if err := errors.Join(err, besideErr); err != nil {
		return err
	}
	labels := []string{}
	for label, o := range w.objects {
		if o.session == 0 {
			labels = append(labels, label)
		}
	}
	if err := w.p.Finalize(); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(outcome{Card: w.Label, Labels: labels, Steps: w.steps})
}

// walk takes steps until it is over.
func (w *walker) walk(over *atomic.Bool) error {
	if err := w.setUp(); err != nil {
		return fmt.Errorf("setting up %s: %w", w.Label, err)
	}
	list := []struct {
		name   string
		likely int
		take   func() error
	}{
		{"sign", 8, w.sign}, {"encrypt", 8, w.encrypt}, {"find", 6, w.find}, {"create", 6, w.create},
		{"destroy", 4, w.destroy}, {"read", 6, w.read}, {"digest in parts", 8, w.digestParts}, {"log in", 3, w.logIn},
		{"log out", 1, w.logOut}, {"open", 3, w.open}, {"close", 2, w.close}, {"close all", 1, w.closeAll},
		{"session info", 4, w.info}, {"session of nobody", 1, w.nobody}, {"random", 2, w.random},
	}
	var lots []int
	for n, s := range list {
		lots = append(lots, slices.Repeat([]int{n}, s.likely)...)
	}
	for n := 0; !over.Load(); n++ {
		s := list[lots[w.rng.IntN(len(lots))]]
		if err := s.take(); err != nil {
			return fmt.Errorf("step %d of %s, %s: %w", n, w.Label, s.name, err)
		}
		w.steps[s.name]++
		w.board.steps(w.Number).Add(1)
	}
	return w.find()
}

// setUp logs in and makes keys on the card. The daemon is not interrupted before that.
func (w *walker) setUp() (err error) {
	if w.slot, err = slotOf(w.p, w.Label); err != nil {
		return err
	}
	if err := w.open(); err != nil {
		return err
	}
	if err := w.logIn(); err != nil {
		return err
	}
	w.secret = make([]byte, 32)
	for i := range w.secret {
		w.secret[i] = byte(w.rng.Uint32())
	}
	if _, err := w.p.CreateObject(w.session(), []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY), pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_AES),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_LABEL, "aes"),
		pkcs11.NewAttribute(pkcs11.CKA_ENCRYPT, true), pkcs11.NewAttribute(pkcs11.CKA_VALUE, w.secret),
	}); err != nil {
		return err
	}
	p256 := []byte{0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07}
	_, _, err = w.p.GenerateKeyPair(w.session(), []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_EC_KEY_PAIR_GEN, nil)},
		[]*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_LABEL, "ec"),
			pkcs11.NewAttribute(pkcs11.CKA_EC_PARAMS, p256), pkcs11.NewAttribute(pkcs11.CKA_VERIFY, true),
		}, []*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_LABEL, "ec"), pkcs11.NewAttribute(pkcs11.CKA_SIGN, true),
		})
	if err != nil {
		return err
	}
	w.public, err = publicKey(w.p, w.session())
	return err
}

func slotOf(p *pkcs11.Ctx, label string) (uint, error) {
	slots, err := p.GetSlotList(true)
	if err != nil {
		return 0, err
	}
	for _, s := range slots {
		info, err := p.GetTokenInfo(s)
		if err != nil {
			return 0, err
		}
		if info.Label == label {
			return s, nil
		}
	}
	return 0, fmt.Errorf("no slot has token %s", label)
}

// findAll finds the objects of a template.
func findAll(p *pkcs11.Ctx, h pkcs11.SessionHandle, template ...*pkcs11.Attribute) (all []pkcs11.ObjectHandle, err error) {
	if err := p.FindObjectsInit(h, template); err != nil {
		return nil, err
	}
	for {
		some, _, err := p.FindObjects(h, 3)
		if err != nil {
			return nil, err
		}
		if len(some) == 0 {
			return all, p.FindObjectsFinal(h)
		}
		all = append(all, some...)
	}
}

// key finds the one key of a class with a label.
func key(p *pkcs11.Ctx, h pkcs11.SessionHandle, class uint, label string) (pkcs11.ObjectHandle, error) {
	found, err := findAll(p, h, pkcs11.NewAttribute(pkcs11.CKA_CLASS, class), pkcs11.NewAttribute(pkcs11.CKA_LABEL, label))
	if err == nil && len(found) != 1 {
		err = fmt.Errorf("%d keys are labelled %s", len(found), label)
	}
	if err != nil {
		return 0, err
	}
	return found[0], nil
}

func publicKey(p *pkcs11.Ctx, h pkcs11.SessionHandle) (public ecdsa.PublicKey, err error) {
	object, err := key(p, h, pkcs11.CKO_PUBLIC_KEY, "ec")
	if err != nil {
		return public, err
	}
	values, err := p.GetAttributeValue(h, object, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_EC_POINT, nil)})
	if err != nil {
		return public, err
	}
	point := values[0].Value[2:] // an OCTET STRING of an uncompressed point
	parsed, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return public, err
	}
	return *parsed, nil
}

// signOnce signs with a key, and verifies.
func signOnce(p *pkcs11.Ctx, h pkcs11.SessionHandle, private pkcs11.ObjectHandle, public *ecdsa.PublicKey, message []byte) error {
	if err := p.SignInit(h, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_ECDSA, nil)}, private); err != nil {
		return err
	}
	digest := sha256.Sum256(message)
	signature, err := p.Sign(h, digest[:])
	if err != nil {
		return err
	}
	if len(signature) != 64 || !ecdsa.Verify(public, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		return errors.New("a wrong signature")
	}
	return nil
}

// signBeside signs with the key that all processes have, on a thread and in a session of its
// own. None of that may ever fail.
func (w *walker) signBeside(over *atomic.Bool) error {
	slot, err := slotOf(w.p, sharedCard)
	if err != nil {
		return err
	}
	h, err := w.p.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION)
	if err != nil {
		return err
	}
	if err := w.p.Login(h, pkcs11.CKU_USER, harness.PIN); err != nil {
		return err
	}
	private, err := key(w.p, h, pkcs11.CKO_PRIVATE_KEY, "ec")
	if err != nil {
		return err
	}
	public, err := publicKey(w.p, h)
	for n := 0; err == nil && !over.Load(); n++ {
		err = signOnce(w.p, h, private, &public, fmt.Appendf(nil, "%s %d", w.Label, n))
	}
	if err != nil {
		return fmt.Errorf("signing with the shared card: %w", err)
	}
	return nil
}

// session is one of the open ones.
func (w *walker) session() pkcs11.SessionHandle { return w.sessions[w.rng.IntN(len(w.sessions))] }

// lost reports whether the daemon may have ended, without handing over, since the board
// showed the number.
func (w *walker) lost(since uint64) bool { return since%2 == 1 || w.board.crashes().Load() != since }

// once makes a call that is not sent again. If the daemon ended meanwhile and nobody knows
// whether it was done, the error is errLost, and the caller looks.
func (w *walker) once(do func() error) error {
	since := w.board.crashes().Load()
	err := do()
	if errors.Is(err, pkcs11.Error(pkcs11.CKR_DEVICE_REMOVED)) && w.lost(since) {
		return errLost
	}
	return err
}

// is compares a code with the one that is right.
func is(err error, code uint) error {
	if errors.Is(err, pkcs11.Error(code)) {
		return nil
	}
	return fmt.Errorf("the code is %w; right is %w", err, pkcs11.Error(code))
}

func (w *walker) sign() error {
	h := w.session()
	private, err := findAll(w.p, h, pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PRIVATE_KEY))
	if err != nil {
		return err
	}
	if !w.loggedIn {
		if len(private) != 0 {
			return errors.New("private keys are seen without a login")
		}
		return nil
	}
	if len(private) != 1 {
		return fmt.Errorf("%d private keys are seen", len(private))
	}
	return signOnce(w.p, h, private[0], &w.public, w.bytes(40))
}

// bytes are random bytes.
func (w *walker) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(w.rng.Uint32())
	}
	return b
}

// encrypt encrypts in one call, and compares.
func (w *walker) encrypt() error {
	if !w.loggedIn {
		return nil
	}
	h := w.session()
	secret, err := key(w.p, h, pkcs11.CKO_SECRET_KEY, "aes")
	if err != nil {
		return err
	}
	iv, plain := w.bytes(16), w.bytes(16*(1+w.rng.IntN(20)))
	if err := w.p.EncryptInit(h, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_AES_CBC, iv)}, secret); err != nil {
		return err
	}
	got, err := w.p.Encrypt(h, plain)
	if err != nil {
		return err
	}
	block, err := aes.NewCipher(w.secret)
	if err != nil {
		return err
	}
	want := make([]byte, len(plain))
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(want, plain)
	if !bytes.Equal(got, want) {
		return errors.New("a wrong ciphertext")
	}
	return nil
}

// digestParts hashes in parts. The daemon may go meanwhile, and the operation with it.
func (w *walker) digestParts() error {
	h, since, sum := w.session(), w.board.crashes().Load(), sha256.New()
	if err := w.p.DigestInit(h, []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_SHA256, nil)}); err != nil {
		return err
	}
	gone := func(err error) bool {
		return w.lost(since) && (is(err, pkcs11.CKR_DEVICE_REMOVED) == nil || is(err, pkcs11.CKR_OPERATION_NOT_INITIALIZED) == nil)
	}
	for range 1 + w.rng.IntN(6) {
		part := w.bytes(1 + w.rng.IntN(2000))
		sum.Write(part)
		if err := w.p.DigestUpdate(h, part); err != nil {
			if gone(err) {
				return nil
			}
			return err
		}
	}
	got, err := w.p.DigestFinal(h)
	switch {
	case err != nil && gone(err):
		return nil
	case err != nil:
		return err
	case !bytes.Equal(got, sum.Sum(nil)):
		return errors.New("a wrong digest")
	}
	return nil
}

// create makes a data object, of the token or of a session.
func (w *walker) create() error {
	if len(w.objects) >= mostObjects {
		return w.destroy()
	}
	w.made++
	label := fmt.Sprintf("%s-%d", w.Label, w.made)
	h, token := w.session(), w.rng.IntN(2) == 0
	o := thing{private: w.loggedIn && w.rng.IntN(2) == 0, value: w.bytes(50)}
	if !token {
		o.session = h
	}
	err := w.once(func() (err error) {
		o.crashes = w.board.crashes().Load()
		o.handle, err = w.p.CreateObject(h, []*pkcs11.Attribute{
			pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_DATA), pkcs11.NewAttribute(pkcs11.CKA_TOKEN, token),
			pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, o.private), pkcs11.NewAttribute(pkcs11.CKA_LABEL, label),
			pkcs11.NewAttribute(pkcs11.CKA_VALUE, o.value),
		})
		return err
	})
	if errors.Is(err, errLost) {
		found, err := w.labelled(label)
		if err != nil || len(found) == 0 {
			return err
		}
		o.handle = found[0]
		w.objects[label] = o
		return w.readOne(label)
	} else if err != nil {
		return err
	}
	w.objects[label] = o
	return nil
}

// labelled finds an object by its label. There is never more than one.
func (w *walker) labelled(label string) ([]pkcs11.ObjectHandle, error) {
	found, err := findAll(w.p, w.session(), pkcs11.NewAttribute(pkcs11.CKA_LABEL, label))
	if err == nil && len(found) > 1 {
		err = fmt.Errorf("%d objects are labelled %s", len(found), label)
	}
	return found, err
}

// one is one of the objects that are to be seen.
func (w *walker) one() (label string, ok bool) {
	var list []string
	for label, o := range w.objects {
		if w.loggedIn || !o.private {
			list = append(list, label)
		}
	}
	if len(list) == 0 {
		return "", false
	}
	slices.Sort(list)
	return list[w.rng.IntN(len(list))], true
}

// mayBeGone reports whether an object may have gone with the daemon.
func (w *walker) mayBeGone(o thing) bool { return o.session != 0 && w.lost(o.crashes) }

func (w *walker) destroy() error {
	label, ok := w.one()
	if !ok {
		return nil
	}
	o := w.objects[label]
	err := w.once(func() error { return w.p.DestroyObject(w.session(), o.handle) })
	switch {
	case errors.Is(err, errLost):
		found, err := w.labelled(label)
		if err != nil || len(found) == 1 {
			return err
		}
	case w.mayBeGone(o) && is(err, pkcs11.CKR_OBJECT_HANDLE_INVALID) == nil:
	case err != nil:
		return err
	}
	delete(w.objects, label)
	return nil
}

// read reads an object by its handle.
func (w *walker) read() error {
	label, ok := w.one()
	if !ok {
		return nil
	}
	return w.readOne(label)
}

// readOne compares an object with what was made.
func (w *walker) readOne(label string) error {
	o := w.objects[label]
	values, err := w.p.GetAttributeValue(w.session(), o.handle, []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, nil), pkcs11.NewAttribute(pkcs11.CKA_VALUE, nil), pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, nil),
	})
	switch {
	case w.mayBeGone(o) && is(err, pkcs11.CKR_OBJECT_HANDLE_INVALID) == nil:
		delete(w.objects, label)
		return nil
	case err != nil:
		return err
	case string(values[0].Value) != label:
		return fmt.Errorf("object %d of %s is %s", o.handle, label, values[0].Value)
	case !bytes.Equal(values[1].Value, o.value), (values[2].Value[0] != 0) != o.private:
		return fmt.Errorf("%s has another value, or CKA_PRIVATE is not %t", label, o.private)
	}
	return nil
}

// find finds all data objects, and compares their handles.
func (w *walker) find() error {
	found, err := findAll(w.p, w.session(), pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_DATA))
	if err != nil {
		return err
	}
	for label, o := range maps.All(w.objects) {
		if o.private && !w.loggedIn {
			continue
		}
		n := slices.Index(found, o.handle)
		switch {
		case n >= 0:
			found = slices.Delete(found, n, n+1)
		case w.mayBeGone(o):
			delete(w.objects, label)
		default:
			return fmt.Errorf("%s is gone", label)
		}
	}
	if len(found) > 0 {
		return fmt.Errorf("there are objects of nobody: %v", found)
	}
	return nil
}

func (w *walker) logIn() error {
	h := w.session()
	err := w.once(func() error { return w.p.Login(h, pkcs11.CKU_USER, harness.PIN) })
	switch {
	case errors.Is(err, errLost):
		info, err := w.p.GetSessionInfo(h)
		if err != nil {
			return err
		}
		in := info.State == pkcs11.CKS_RW_USER_FUNCTIONS
		if w.loggedIn && !in {
			return errors.New("a second login ended the first")
		}
		w.loggedIn = in
		return nil
	case w.loggedIn:
		return is(err, pkcs11.CKR_USER_ALREADY_LOGGED_IN)
	case err != nil:
		return err
	}
	w.loggedIn = true
	return nil
}

func (w *walker) logOut() error {
	since := w.board.crashes().Load()
	err := w.p.Logout(w.session())
	switch {
	case !w.loggedIn && err == nil && w.lost(since): // it was sent twice, and the library takes the first for done
		return nil
	case !w.loggedIn:
		return is(err, pkcs11.CKR_USER_NOT_LOGGED_IN)
	case is(err, pkcs11.CKR_USER_NOT_LOGGED_IN) == nil && w.lost(since):
	case err != nil:
		return err
	}
	w.loggedOut()
	return nil
}

// loggedOut: private objects of sessions go with the login.
func (w *walker) loggedOut() {
	w.loggedIn = false
	maps.DeleteFunc(w.objects, func(_ string, o thing) bool { return o.private && o.session != 0 })
}

func (w *walker) open() error {
	if len(w.sessions) >= mostSessions {
		return w.close()
	}
	h, err := w.p.OpenSession(w.slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	if err == nil {
		w.sessions = append(w.sessions, h)
	}
	return err
}

func (w *walker) close() error {
	if len(w.sessions) == 1 {
		return nil // the login would go with it; see closeAll
	}
	n := w.rng.IntN(len(w.sessions))
	h := w.sessions[n]
	w.sessions = slices.Delete(w.sessions, n, n+1)
	maps.DeleteFunc(w.objects, func(_ string, o thing) bool { return o.session == h })
	return w.p.CloseSession(h)
}

func (w *walker) closeAll() error {
	if err := w.p.CloseAllSessions(w.slot); err != nil {
		return err
	}
	w.loggedOut()
	w.sessions = nil
	maps.DeleteFunc(w.objects, func(_ string, o thing) bool { return o.session != 0 })
	return w.open()
}

// info compares the state of a session.
func (w *walker) info() error {
	info, err := w.p.GetSessionInfo(w.session())
	if err != nil {
		return err
	}
	want := uint(pkcs11.CKS_RW_PUBLIC_SESSION)
	if w.loggedIn {
		want = pkcs11.CKS_RW_USER_FUNCTIONS
	}
	if info.SlotID != w.slot || info.State != want {
		return fmt.Errorf("the session is of slot %d in state %d; right is slot %d, state %d", info.SlotID, info.State, w.slot, want)
	}
	return nil
}

// nobody uses a session that is not this process's.
func (w *walker) nobody() error {
	h := w.session() + pkcs11.SessionHandle(1+w.rng.IntN(1<<20))
	if slices.Contains(w.sessions, h) {
		return nil
	}
	_, err := w.p.GetSessionInfo(h)
	if err == nil {
		info, again := w.p.GetSessionInfo(h)
		if again == nil && info.SlotID != w.slot {
			return nil // the session of the thread beside
		}
	}
	return is(err, pkcs11.CKR_SESSION_HANDLE_INVALID)
}

func (w *walker) random() error {
	_, err := w.p.GenerateRandom(w.session(), 16)
	return err
}
