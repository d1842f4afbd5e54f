package vtoken_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/vtoken"
	"vtoken/vtoken/ck"
	"vtoken/vtoken/meter"
	"vtoken/vtoken/record"
)

// account has so much for all of a test's applications.
type account struct {
	mu          sync.Mutex
	limit, used int
	calls       int
}

func (a *account) Charge(n int) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls++
	if a.used+n > a.limit {
		return errors.New("the test's account is empty")
	}
	a.used += n
	return nil
}

func (a *account) Refund(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls++
	a.used -= n
}

func (a *account) state() (used, calls int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.used, a.calls
}

// metered is a world whose engine charges one account.
func metered(t *testing.T, limit int) (*world, *account) {
	w, a := newWorld(t), &account{limit: limit}
	e, err := vtoken.New(w.store, vtoken.Options{
		Account:     func(record.Peer) meter.Account { return a },
		MaxSessions: 100,
	})
	require.NoError(w.t, err)
	w.engine = e
	return w, a
}

const mib = 1 << 20

// Another limit of sessions is for the next session: it closes none.
func TestSetMaxSessions(t *testing.T) {
	w, _ := metered(t, 64*mib)
	c, h := w.loggedIn(rw)
	w.engine.SetMaxSessions(1)
	_, err := c.OpenSession(w.alice.Slot, rw)
	require.Equal(t, ck.CKR_SESSION_COUNT, ck.CodeOf(err))
	w.engine.SetMaxSessions(2)
	second, err := c.OpenSession(w.alice.Slot, rw)
	require.NoError(t, err)
	require.NoError(t, c.CloseSession(second))
	require.NoError(t, c.CloseSession(h))
}

// TestLimitsOfSessionObjects: what C_CreateObject is refused, C_SetAttributeValue,
// C_CopyObject and the making of keys are refused as well, and nothing is charged for it.
func TestLimitsOfSessionObjects(t *testing.T) {
	w, a := metered(t, 3*mib/2)
	c, h := w.loggedIn(rw)
	large := strings.Repeat("x", mib-1024)
	o, err := c.CreateObject(h, data("large", large, public))
	require.NoError(w.t, err)
	used, _ := a.state()
	_, err = c.CreateObject(h, data("another", large, public))
	require.Equal(t, ck.CKR_DEVICE_MEMORY, ck.CodeOf(err))
	require.ErrorIs(t, err, meter.ErrOver)
	_, err = c.CopyObject(h, o, nil)
	require.Equal(t, ck.CKR_DEVICE_MEMORY, ck.CodeOf(err))
	small, err := c.CreateObject(h, data("small", "x", public))
	require.NoError(w.t, err)
	require.Equal(t, ck.CKR_DEVICE_MEMORY, ck.CodeOf(c.SetAttributeValue(h, small, ck.Template{ck.String(ck.CKA_VALUE, large)})))
	r, err := c.GetAttributeValue(h, small, []ck.AttributeQuery{{Type: ck.CKA_VALUE, Buffer: big1K}})
	require.NoError(w.t, err)
	require.Equal(t, []byte("x"), r[0].Value)
	require.NoError(w.t, c.SetAttributeValue(h, o, ck.Template{ck.String(ck.CKA_VALUE, "y")}))
	require.NoError(w.t, c.SetAttributeValue(h, small, ck.Template{ck.String(ck.CKA_VALUE, large)}))
	require.NoError(w.t, c.DestroyObject(h, small))
	require.NoError(w.t, c.DestroyObject(h, o))
	now, _ := a.state()
	require.Less(t, now, used-mib/2)
	c.Close()
	now, _ = a.state()
	require.Zero(t, now)
}

// TestLimitOfGatheredData: an operation that gathers its input is charged for it before
// the memory is taken, in all its forms, and gives it back however it ends.
func TestLimitOfGatheredData(t *testing.T) {
	gcm := ck.Mechanism{Type: ck.CKM_AES_GCM, Parameter: ck.GCMParams{IV: make([]byte, 12), IVBits: 96, TagBits: 128}}
	part := make([]byte, mib)
	w, a := metered(t, 8*mib)
	c, h := w.loggedIn(rw)
	key := w.aes(c, h)
	before, _ := a.state()
	fill := func(update func() error) {
		t.Helper()
		for i := range 20 {
			if err := update(); err != nil {
				require.Equal(t, ck.CKR_DEVICE_MEMORY, ck.CodeOf(err))
				require.Greater(t, i, 2)
				now, _ := a.state()
				require.LessOrEqual(t, now, before+4096, "the operation ended, and what it had is still charged")
				return
			}
		}
		t.Fatal("20 MiB were gathered within 8")
	}
	ccm := ck.Mechanism{Type: ck.CKM_AES_CCM, Parameter: ck.CCMParams{DataLen: 16 * mib / 2, Nonce: make([]byte, 7), MACLen: 16}}
	require.NoError(w.t, c.EncryptInit(h, ccm, key))
	fill(func() error { _, err := c.EncryptUpdate(h, part, big1K); return err })
	require.Equal(t, ck.CKR_OPERATION_NOT_INITIALIZED, ck.CodeOf(c.DigestKey(h, key)))
	require.NoError(w.t, c.DecryptInit(h, gcm, key))
	fill(func() error { _, err := c.DecryptUpdate(h, part, big1K); return err })
	_, ed, err := c.GenerateKeyPair(h, ck.Mechanism{Type: ck.CKM_EC_EDWARDS_KEY_PAIR_GEN},
		ck.Template{ck.Bytes(ck.CKA_EC_PARAMS, []byte("\x13\x0cedwards25519"))}, nil)
	require.NoError(w.t, err)
	before, _ = a.state()
	require.NoError(w.t, c.SignInit(h, ck.Mechanism{Type: ck.CKM_EDDSA}, ed))
	fill(func() error { return c.SignUpdate(h, part) })

	// One message of the whole is fine, and a query that leaves a result behind counts.
	whole := make([]byte, 2*mib)
	require.NoError(w.t, c.EncryptInit(h, gcm, key))
	enc := w.exact(c.Encrypt, h, whole)
	require.NoError(w.t, c.DecryptInit(h, gcm, key))
	out, err := c.Decrypt(h, enc, ck.Buffer{Len: 10})
	require.Equal(t, ck.CKR_BUFFER_TOO_SMALL, ck.CodeOf(err))
	require.EqualValues(t, len(whole), out.Len)
	now, _ := a.state()
	require.Greater(t, now, before+5*mib)
	require.NoError(w.t, c.SessionCancel(h, ck.CKF_DECRYPT))
	now, _ = a.state()
	require.LessOrEqual(t, now, before)

	// A parameter that is kept is charged, too.
	many := gcm
	many.Parameter = ck.GCMParams{IV: make([]byte, 12), IVBits: 96, TagBits: 128, AAD: make([]byte, 5*mib)}
	require.Equal(t, ck.CKR_DEVICE_MEMORY, ck.CodeOf(c.EncryptInit(h, many, key)))
	require.NoError(w.t, c.MessageEncryptInit(h, ck.Mechanism{Type: ck.CKM_AES_GCM}, key))
	p := &ck.MessageParams{Mechanism: ck.CKM_AES_GCM, TagBits: 128, Nonce: make([]byte, 12), Tag: make([]byte, 16)}
	require.Equal(t, ck.CKR_DEVICE_MEMORY, ck.CodeOf(c.EncryptMessageBegin(h, p, make([]byte, 5*mib))))
	require.NoError(w.t, c.EncryptMessageBegin(h, p, make([]byte, mib)))
	for err = nil; err == nil; {
		_, err = c.EncryptMessageNext(h, p, part, big1K, 0)
	}
	require.Equal(t, ck.CKR_DEVICE_MEMORY, ck.CodeOf(err))
	c.Close()
	now, _ = a.state()
	require.Zero(t, now)
}

// TestLimitOfSessions: sessions are counted for each application and charged.
func TestLimitOfSessions(t *testing.T) {
	w, a := metered(t, 250<<12)
	var all []*vtoken.Client
	total := 0
	for range 4 {
		c := w.connect(aliceUID)
		all = append(all, c)
		for i := 0; ; i++ {
			_, err := c.OpenSession(w.alice.Slot, ro)
			if err != nil {
				require.Contains(t, []ck.Error{ck.CKR_SESSION_COUNT, ck.CKR_DEVICE_MEMORY}, ck.CodeOf(err))
				require.LessOrEqual(t, i, 100)
				break
			}
			total++
		}
	}
	require.Greater(t, total, 200)
	require.LessOrEqual(t, total, 250)
	require.NoError(w.t, all[0].CloseAllSessions(w.alice.Slot))
	_, err := all[3].OpenSession(w.alice.Slot, ro)
	require.NoError(w.t, err)
	for _, c := range all {
		c.Close()
	}
	now, _ := a.state()
	require.Zero(t, now)
}

// TestSigningChargesNothing: on the path of a signature no account is asked.
func TestSigningChargesNothing(t *testing.T) {
	w, a := metered(t, 64*mib)
	c, h := w.loggedIn(rw)
	_, priv := w.ecPair(c, h, true)
	sign := func() {
		require.NoError(w.t, c.SignInit(h, ck.Mechanism{Type: ck.CKM_ECDSA}, priv))
		_, err := c.Sign(h, make([]byte, 32), big1K)
		require.NoError(w.t, err)
	}
	sign()
	_, before := a.state()
	for range 10 {
		sign()
	}
	_, after := a.state()
	require.Equal(t, before, after)
}

// TestAnswersAreBounded: a large value is not answered a thousand times in one call.
func TestAnswersAreBounded(t *testing.T) {
	w := newWorld(t)
	c, h := w.open(rw)
	o, err := c.CreateObject(h, data("large", strings.Repeat("x", mib), public))
	require.NoError(w.t, err)
	queries := make([]ck.AttributeQuery, 17)
	for i := range queries {
		queries[i] = ck.AttributeQuery{Type: ck.CKA_VALUE, Buffer: ck.Buffer{Len: mib}}
	}
	_, err = c.GetAttributeValue(h, o, queries)
	require.Equal(t, ck.CKR_DEVICE_MEMORY, ck.CodeOf(err))
	_, err = c.GetAttributeValue(h, o, queries[:16])
	require.NoError(w.t, err)
}

// TestRandomUseLeavesNothing: whatever applications do at the same time, and wherever
// they are ended, nothing stays charged.
func TestRandomUseLeavesNothing(t *testing.T) {
	w, a := metered(t, 6*mib)
	gcm := ck.Mechanism{Type: ck.CKM_AES_GCM, Parameter: ck.GCMParams{IV: make([]byte, 12), IVBits: 96, TagBits: 128}}
	var all sync.WaitGroup
	for i := range 4 {
		c := w.engine.Connect(peerOf(aliceUID))
		slot := w.alice.Slot
		all.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(i), 7))
			var others sync.WaitGroup
			for worker := range 3 {
				rng := rand.New(rand.NewPCG(rng.Uint64(), uint64(worker)))
				others.Go(func() {
					var sessions []ck.SessionHandle
					var objects []ck.ObjectHandle
					pick := func() (h ck.SessionHandle, o ck.ObjectHandle) {
						if len(sessions) > 0 {
							h = sessions[rng.IntN(len(sessions))]
						}
						if len(objects) > 0 {
							o = objects[rng.IntN(len(objects))]
						}
						return h, o
					}
					for range 400 {
						h, o := pick()
						value := make([]byte, rng.IntN(200<<10))
						switch rng.IntN(12) {
						case 0, 1:
							if h, err := c.OpenSession(slot, rw); err == nil {
								sessions = append(sessions, h)
							}
						case 2:
							_ = c.CloseSession(h)
						case 3:
							if rng.IntN(20) == 0 {
								_ = c.CloseAllSessions(slot)
							}
						case 4, 5:
							if o, err := c.CreateObject(h, data("x", string(value), public)); err == nil {
								objects = append(objects, o)
							}
						case 6:
							_ = c.SetAttributeValue(h, o, ck.Template{ck.String(ck.CKA_VALUE, string(value))})
						case 7:
							_ = c.DestroyObject(h, o)
						case 8:
							_ = c.FindObjectsInit(h, nil)
						case 9:
							_ = c.FindObjectsFinal(h)
						case 10:
							if o, err := c.CreateObject(h, ck.Template{ck.Ulong(ck.CKA_CLASS, ck.CKO_SECRET_KEY), ck.Ulong(ck.CKA_KEY_TYPE, ck.CKK_AES),
								ck.Bytes(ck.CKA_VALUE, make([]byte, 32)), ck.Bool(ck.CKA_ENCRYPT, true), public}); err == nil {
								_ = c.EncryptInit(h, gcm, o)
								objects = append(objects, o)
							}
						case 11:
							_, _ = c.EncryptUpdate(h, value, big1K)
						}
					}
				})
			}
			if i%2 == 0 {
				others.Wait()
			}
			c.Close() // with calls under way, for every other one
			others.Wait()
		})
	}
	all.Wait()
	now, _ := a.state()
	require.Zero(t, now)
}
