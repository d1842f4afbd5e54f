package vtoken_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/record"
)

// The model of what the engine should do: two applications, one token, in the
// plainest words. Every step is made in the engine and in the model, and then
// everything that can be seen is compared.
type model struct {
	apps    [2]*modelApp
	objects map[ck.ObjectHandle]modelObject // of the token
	userPIN string
	wrong   int
	enabled bool
}

type modelApp struct {
	client   *vtoken.Client
	sessions map[ck.SessionHandle]bool // read-write?
	login    string                    // "", "user" or "so"
	objects  map[ck.ObjectHandle]modelObject
}

type modelObject struct {
	label   string
	private bool
	session ck.SessionHandle // 0 for token objects
}

// walk is one random walk; each method named step… is one kind of step.
type walk struct {
	*world
	m   *model
	rng *rand.Rand
}

func (a *modelApp) readOnly() bool {
	return slices.Contains(slices.Collect(maps.Values(a.sessions)), false)
}

func (a *modelApp) logout() {
	a.login = ""
	maps.DeleteFunc(a.objects, func(_ ck.ObjectHandle, o modelObject) bool { return o.private })
}

func (a *modelApp) close(h ck.SessionHandle) {
	delete(a.sessions, h)
	maps.DeleteFunc(a.objects, func(_ ck.ObjectHandle, o modelObject) bool { return o.session == h })
	if len(a.sessions) == 0 {
		a.logout()
	}
}

// pick is a session of the application, or a handle that is none.
func (w *walk) pick(a *modelApp) (h ck.SessionHandle, writable, ok bool) {
	handles := slices.Sorted(maps.Keys(a.sessions))
	if len(handles) == 0 || w.rng.IntN(20) == 0 {
		return 1 << 60, false, false
	}
	h = handles[w.rng.IntN(len(handles))]
	return h, a.sessions[h], true
}

func (w *walk) expect(step string, err error, code ck.Error) {
	w.t.Helper()
	require.Equal(w.t, code, ck.CodeOf(err), "%s: got %v, want %v", step, err, code)
}

func (w *walk) stepOpen(a *modelApp) {
	writable := w.rng.IntN(2) == 0
	flags := ro
	if writable {
		flags = rw
	}
	h, err := a.client.OpenSession(w.alice.Slot, flags)
	switch {
	case !w.m.enabled:
		w.expect("open", err, ck.CKR_SLOT_ID_INVALID)
	case a.login == "so" && !writable:
		w.expect("open", err, ck.CKR_SESSION_READ_WRITE_SO_EXISTS)
	default:
		w.expect("open", err, ck.CKR_OK)
		a.sessions[h] = writable
	}
}

func (w *walk) stepClose(a *modelApp) {
	h, _, ok := w.pick(a)
	if w.rng.IntN(10) == 0 && w.m.enabled {
		w.expect("close all", a.client.CloseAllSessions(w.alice.Slot), ck.CKR_OK)
		for h := range a.sessions {
			a.close(h)
		}
		return
	}
	code := ck.CKR_SESSION_HANDLE_INVALID
	if ok {
		code = ck.CKR_OK
	}
	w.expect("close", a.client.CloseSession(h), code)
	a.close(h)
}

func (w *walk) stepLogin(a *modelApp) {
	h, _, ok := w.pick(a)
	who, user, p, right := "user", ck.CKU_USER, w.m.userPIN, true
	if w.rng.IntN(3) == 0 {
		who, user, p = "so", ck.CKU_SO, soPIN
	} else if w.rng.IntN(4) == 0 {
		p, right = fmt.Sprint("wrong-", w.rng.Uint64()), false
	}
	err := a.client.Login(h, user, pinOf(p))
	switch {
	case !ok:
		w.expect("login", err, ck.CKR_SESSION_HANDLE_INVALID)
	case a.login == who:
		w.expect("login", err, ck.CKR_USER_ALREADY_LOGGED_IN)
	case a.login != "":
		w.expect("login", err, ck.CKR_USER_ANOTHER_ALREADY_LOGGED_IN)
	case who == "so" && a.readOnly():
		w.expect("login", err, ck.CKR_SESSION_READ_ONLY_EXISTS)
	case who == "so":
		w.expect("login", err, ck.CKR_OK)
		a.login = who
	case w.m.wrong == 10:
		w.expect("login", err, ck.CKR_PIN_LOCKED)
	case right:
		w.expect("login", err, ck.CKR_OK)
		a.login, w.m.wrong = who, 0
	default:
		w.wrongTry(err)
	}
}

// wrongTry is what a wrong user PIN does; the last one locks and ends logins.
func (w *walk) wrongTry(err error) {
	if w.m.wrong++; w.m.wrong < 10 {
		w.expect("wrong PIN", err, ck.CKR_PIN_INCORRECT)
		return
	}
	w.expect("last wrong PIN", err, ck.CKR_PIN_LOCKED)
	w.endUserLogins()
}

func (w *walk) endUserLogins() {
	for _, a := range w.m.apps {
		if a.login == "user" {
			a.logout()
		}
	}
}

func (w *walk) stepLogout(a *modelApp) {
	h, _, ok := w.pick(a)
	code := ck.CKR_OK
	switch {
	case !ok:
		code = ck.CKR_SESSION_HANDLE_INVALID
	case a.login == "":
		code = ck.CKR_USER_NOT_LOGGED_IN
	}
	w.expect("logout", a.client.Logout(h), code)
	if code == ck.CKR_OK {
		a.logout()
	}
}

func (w *walk) stepPIN(a *modelApp) {
	h, writable, ok := w.pick(a)
	next := fmt.Sprint("pin-", w.rng.IntN(1000))
	if a.login == "so" {
		err := a.client.InitPIN(h, pinOf(next))
		if !ok {
			w.expect("InitPIN", err, ck.CKR_SESSION_HANDLE_INVALID)
			return
		}
		w.expect("InitPIN", err, ck.CKR_OK)
		w.m.userPIN, w.m.wrong = next, 0
		w.endUserLogins()
		return
	}
	err := a.client.SetPIN(h, pinOf(w.m.userPIN), pinOf(next))
	switch {
	case !ok:
		w.expect("SetPIN", err, ck.CKR_SESSION_HANDLE_INVALID)
	case !writable:
		w.expect("SetPIN", err, ck.CKR_SESSION_READ_ONLY)
	case w.m.wrong == 10:
		w.expect("SetPIN", err, ck.CKR_PIN_LOCKED)
	default:
		w.expect("SetPIN", err, ck.CKR_OK)
		w.m.userPIN, w.m.wrong = next, 0
	}
}

func (w *walk) stepCreate(a *modelApp) {
	h, writable, ok := w.pick(a)
	o := modelObject{label: fmt.Sprint(w.rng.IntN(5)), private: w.rng.IntN(2) == 0, session: h}
	token := w.rng.IntN(2) == 0
	handle, err := a.client.CreateObject(h, data(o.label, "v", ck.Bool(ck.CKA_PRIVATE, o.private), ck.Bool(ck.CKA_TOKEN, token)))
	switch {
	case !ok:
		w.expect("create", err, ck.CKR_SESSION_HANDLE_INVALID)
	case token && !writable:
		w.expect("create", err, ck.CKR_SESSION_READ_ONLY)
	case o.private && a.login != "user":
		w.expect("create", err, ck.CKR_USER_NOT_LOGGED_IN)
	case token:
		w.expect("create", err, ck.CKR_OK)
		o.session = 0
		w.m.objects[handle] = o
	default:
		w.expect("create", err, ck.CKR_OK)
		a.objects[handle] = o
	}
}

// stepChange relabels or destroys any object that either application has.
func (w *walk) stepChange(a *modelApp) {
	var all []ck.ObjectHandle
	for _, objects := range []map[ck.ObjectHandle]modelObject{w.m.objects, w.m.apps[0].objects, w.m.apps[1].objects} {
		all = append(all, slices.Sorted(maps.Keys(objects))...)
	}
	if len(all) == 0 {
		return
	}
	handle := all[w.rng.IntN(len(all))]
	h, writable, ok := w.pick(a)
	o, token := w.m.objects[handle]
	mine := token
	if !token {
		o, mine = a.objects[handle]
	}
	code := ck.CKR_OK
	switch {
	case !ok:
		code = ck.CKR_SESSION_HANDLE_INVALID
	case !mine, o.private && a.login != "user":
		code = ck.CKR_OBJECT_HANDLE_INVALID
	case token && !writable:
		code = ck.CKR_SESSION_READ_ONLY
	}
	home := a.objects
	if token {
		home = w.m.objects
	}
	if w.rng.IntN(3) == 0 {
		w.expect("destroy", a.client.DestroyObject(h, handle), code)
		if code == ck.CKR_OK {
			delete(home, handle)
		}
		return
	}
	o.label = fmt.Sprint(w.rng.IntN(5))
	w.expect("relabel", a.client.SetAttributeValue(h, handle, ck.Template{ck.String(ck.CKA_LABEL, o.label)}), code)
	if code == ck.CKR_OK {
		home[handle] = o
	}
}

// stepAdmin switches the token off and on, or an application ends and begins anew.
func (w *walk) stepAdmin(a *modelApp) {
	switch w.rng.IntN(4) {
	case 0:
		w.m.enabled = !w.m.enabled
		require.NoError(w.t, w.store.ChangeToken(w.alice.ID, func(r *record.Token) { r.Enabled = w.m.enabled }))
		for _, a := range w.m.apps {
			if !w.m.enabled {
				for h := range a.sessions {
					a.close(h)
				}
			}
		}
	case 1:
		a.client.Close()
		*a = *w.newApp()
	}
}

func (w *walk) newApp() *modelApp {
	return &modelApp{
		client: w.connect(aliceUID), sessions: map[ck.SessionHandle]bool{},
		objects: map[ck.ObjectHandle]modelObject{},
	}
}

// compare checks each session's state, and what a search in it finds.
func (w *walk) compare() {
	w.t.Helper()
	for _, a := range w.m.apps {
		for h, writable := range a.sessions {
			info, err := a.client.GetSessionInfo(h)
			require.NoError(w.t, err)
			if state := w.state(a, writable); info.State != state {
				w.t.Fatalf("state %d, want %d", info.State, state)
			}
			label := fmt.Sprint(w.rng.IntN(5))
			got := findAll(w.t, a.client, h, ck.Template{ck.String(ck.CKA_LABEL, label)})
			if expected := w.visible(a, label); !slices.Equal(got, expected) {
				w.t.Fatalf("found %v, want %v", got, expected)
			}
		}
	}
}

func (w *walk) state(a *modelApp, writable bool) ck.State {
	switch {
	case a.login == "so":
		return ck.CKS_RW_SO_FUNCTIONS
	case a.login == "user" && writable:
		return ck.CKS_RW_USER_FUNCTIONS
	case a.login == "user":
		return ck.CKS_RO_USER_FUNCTIONS
	case writable:
		return ck.CKS_RW_PUBLIC_SESSION
	}
	return ck.CKS_RO_PUBLIC_SESSION
}

func (w *walk) visible(a *modelApp, label string) []ck.ObjectHandle {
	var list []ck.ObjectHandle
	for _, objects := range []map[ck.ObjectHandle]modelObject{w.m.objects, a.objects} {
		for h, o := range objects {
			if o.label == label && (!o.private || a.login == "user") {
				list = append(list, h)
			}
		}
	}
	slices.Sort(list)
	return list
}

// A PIN-bound token is like any other.
func TestAgainstModel(t *testing.T) {
	for seed := range uint64(20) {
		walkModel(t, seed)
	}
}

// walkModel makes random steps, those of the model and others.
func walkModel(t *testing.T, seed uint64, others ...func(*walk, *modelApp)) {
	t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
		w := &walk{world: worlds[seed%2](t), rng: rand.New(rand.NewPCG(seed, 0))}
		w.m = &model{objects: map[ck.ObjectHandle]modelObject{}, userPIN: userPIN, enabled: true}
		for i := range w.m.apps {
			w.m.apps[i] = w.newApp()
		}
		steps := []func(*modelApp){
			w.stepOpen, w.stepOpen, w.stepClose, w.stepLogin, w.stepLogin, w.stepLogout, w.stepPIN,
			w.stepCreate, w.stepCreate, w.stepCreate, w.stepChange, w.stepChange, w.stepAdmin,
		}
		for _, step := range others {
			steps = append(steps, func(a *modelApp) { step(w, a) })
		}
		for range 1000 {
			steps[w.rng.IntN(len(steps))](w.m.apps[w.rng.IntN(2)])
			w.compare()
		}
	})
}
