package keystore

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"vtoken/keystore/kv"
	"vtoken/keystore/schema"
	"vtoken/vtoken/object"
	"vtoken/vtoken/record"
)

// Report is what [Store.Check] found.
type Report struct {
	// Records counts the keys and values, everything else what they are.
	Records, Recipients, Tenants, Users, Groups, APIKeys, Pending, Tokens, Objects uint64
	// Problems are what is wrong, one sentence each, at most maxProblems of them.
	// Empty is a sound store.
	Problems []string
}

// maxProblems bounds a report: a store with more is lost as a whole.
const maxProblems = 100

// errEnough ends a check that has enough problems.
var errEnough = errors.New("too many problems")

// Check authenticates every record of the newest commit: it opens what is
// sealed, parses it, compares the indexes with what they lead to, and the sums
// with what they are over. Nothing that was checked before is taken for granted.
// Clients go on meanwhile. The error is that of ctx or of a storage that cannot
// be read; what is wrong with the records is in the report.
func (s *Store) Check(ctx context.Context) (Report, error) {
	var c *checker
	err := s.View(func(tx *Tx) error {
		c = newChecker(ctx, tx)
		return c.run()
	})
	if errors.Is(err, kv.ErrCorrupt) { // a page that cannot be read is what we look for
		c.report.Problems = append(c.report.Problems, err.Error())
		err = nil
	}
	if c == nil {
		return Report{}, err
	}
	return c.report, err
}

// checker is one check.
type checker struct {
	ctx    context.Context
	tx     *Tx
	report Report
	// index has the entries that must exist, true once they were found.
	index map[string]bool
	// usages has what the tokens of users hold according to the users' records, and
	// holdings what the check counted.
	usages, holdings map[schema.ID]record.Amount
	// parts counts the values of objects that the tokens account for.
	parts, found uint64
}

func newChecker(ctx context.Context, tx *Tx) *checker {
	tx.whole = true
	return &checker{
		ctx: ctx, tx: tx, index: make(map[string]bool),
		usages: make(map[schema.ID]record.Amount), holdings: make(map[schema.ID]record.Amount),
	}
}

// problem notes what is wrong with a record. An error of another kind ends the check, and so
// does errEnough.
func (c *checker) problem(err error) error {
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, ErrTampered) && !isMissing(err):
		return err
	}
	if c.report.Problems = append(c.report.Problems, err.Error()); len(c.report.Problems) < maxProblems {
		return nil
	}
	return errEnough
}

// run checks record by record, then what holds between them.
func (c *checker) run() error {
	err := c.tx.scanRaw(nil, nil, func(key, value []byte) error {
		if err := c.ctx.Err(); err != nil {
			return err
		}
		c.report.Records++
		return c.problem(c.record(key, value))
	})
	for _, step := range []func() error{c.format, c.indexes, c.orphans, c.usageRight, c.tx.verify} {
		if err == nil {
			err = c.problem(step())
		}
	}
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// kinds says how a record is checked, by the first byte of its key. Index
// entries and objects are compared with what they belong to.
func (c *checker) kinds() map[byte]func(id schema.ID, value []byte) error {
	return map[byte]func(schema.ID, []byte) error{
		schema.PrefixRecipient:    c.recipient,
		schema.PrefixTenantKey:    c.tenantKey,
		schema.PrefixOldTenantKey: c.oldTenantKey,
		schema.PrefixTenant:       c.tenant,
		schema.PrefixExchange:     c.exchange,
		schema.PrefixUser:         c.user,
		schema.PrefixUsage:        c.usage,
		schema.PrefixGroup:        c.group,
		schema.PrefixAPIKey:       c.apiKey,
		schema.PrefixPending:      c.pending,
		schema.PrefixTokenKey:     c.tokenKey,
		schema.PrefixToken:        c.token,
		schema.PrefixRoleKeys:     c.roleKeys,
		schema.PrefixSummary:      c.summary,
	}
}

func (c *checker) record(key, value []byte) error {
	switch {
	case string(key) == string(schema.KeyFormat()):
		return nil // Open reads it
	case string(key) == string(schema.KeyStore()):
		return c.tx.readStore()
	case string(key) == string(schema.KeyNode(thisNode)):
		_, err := c.tx.loadNode()
		return err
	case string(key) == string(schema.KeyRanges()):
		_, err := c.tx.firstFreeSlot()
		return err
	case key[0] == schema.PrefixAccumulator:
		return c.accumulator(key)
	case string(key) == string(schema.KeySystem()):
		return c.system(value)
	case string(key) == string(schema.KeyOldRoot()):
		return c.oldRoot(value)
	case string(key) == string(schema.KeyAudit()):
		_, err := c.tx.AuditHead()
		return err
	case string(key) == string(schema.KeyServer()):
		c, err := c.tx.ServerCertificate()
		c.Key.Wipe()
		return err
	case string(key) == string(schema.KeyGeneration()):
		_, err := c.tx.generation()
		return err
	case key[0] == schema.PrefixIndex:
		c.index[string(key)] = c.index[string(key)] // those that nothing leads to stay false
		if len(value) > 0 {
			return tampered("an index entry has a value")
		}
		return c.tx.compare(key, []byte{})
	case key[0] == schema.PrefixObject:
		c.found++
		return nil
	}
	check, known := c.kinds()[key[0]]
	id, ok := schema.RecordID(key)
	if !known || !ok || len(key) != 1+len(id) {
		return tampered("there is a record of no known kind, under a key of %d bytes that begins with %q", len(key), key[0])
	}
	return check(id, value)
}

// accumulator opens an accumulator, whose sum is compared with that of its bucket.
func (c *checker) accumulator(key []byte) error {
	n, b, ok := schema.ParseAccumulator(key)
	if !ok || n != thisNode {
		return tampered("there is a sum of no bucket of this store, under a key of %d bytes", len(key))
	}
	_, err := c.tx.accumulator(b)
	return err
}

func (c *checker) format() error {
	_, err := schema.ReadVersion(c.tx.r)
	if errors.Is(err, kv.ErrCorrupt) || errors.Is(err, schema.ErrNewer) {
		return tampered("%w", err)
	}
	return err
}

// expect notes the index entries that a record must have.
func (c *checker) expect(keys [][]byte) error {
	for _, key := range keys {
		blob, err := c.tx.get(key)
		if err != nil {
			return err
		}
		if blob == nil {
			return tampered("the index has no entry for a record that is there")
		}
		c.index[string(key)] = true
	}
	return nil
}

func (c *checker) indexes() error {
	stray := 0
	for _, wanted := range c.index {
		if !wanted {
			stray++
		}
	}
	if stray > 0 {
		return tampered("the index has %d entries that lead to nothing", stray)
	}
	return nil
}

func (c *checker) orphans() error {
	if c.parts != c.found {
		return tampered("%d values of objects are there, and the tokens account for %d", c.found, c.parts)
	}
	return nil
}

// usageRight compares what users' records say of their tokens with the tokens.
func (c *checker) usageRight() error {
	for user, said := range c.usages {
		if said != c.holdings[user] {
			return tampered("the tokens of user %s hold %+v, and its record says %+v", text(user), c.holdings[user], said)
		}
	}
	return nil
}

func (c *checker) usage(id schema.ID, _ []byte) error {
	u, err := c.tx.recordedUsage(id)
	if err != nil {
		return err
	}
	if u == nil {
		return tampered("the usage of user %s is of a tenant that is not there", text(id))
	}
	c.usages[id] = *u
	_, err = c.tx.user(id)
	return err
}

func (c *checker) recipient(id schema.ID, value []byte) error {
	c.report.Recipients++
	_, err := parseRecipient(schema.Record(schema.PrefixRecipient, id), value)
	return err
}

func (c *checker) tenant(id schema.ID, _ []byte) error {
	c.report.Tenants++
	t, err := c.tx.tenant(id)
	if err != nil {
		return err
	}
	return c.expect([][]byte{entry(c.tx.indexPrefix(schema.IndexTenantName, []byte(t.Name)), nil, id)})
}

func (c *checker) exchange(id schema.ID, _ []byte) error {
	t, err := c.tx.wholeTenant(id)
	if err != nil {
		return err
	}
	t.ExchangeKey.Wipe()
	return nil
}

// indexed reads a record and checks that its index entries exist.
func indexed[R, J any](c *checker, e *entity[R, J], id schema.ID, value []byte) (*R, error) {
	r, err := e.read(c.tx, id)
	if err != nil {
		return nil, err
	}
	tenant, _, err := cutTenant(value)
	if err != nil {
		return nil, err
	}
	return r, c.expect(e.entries(c.tx, tenant, id, r))
}

func (c *checker) user(id schema.ID, value []byte) error {
	c.report.Users++
	_, err := indexed(c, &users, id, value)
	return err
}

func (c *checker) group(id schema.ID, value []byte) error {
	c.report.Groups++
	_, err := indexed(c, &groups, id, value)
	return err
}

func (c *checker) pending(id schema.ID, value []byte) error {
	c.report.Pending++
	k, err := indexed(c, &pendingKeys, id, value)
	if k == nil {
		return err
	}
	k.PKCS8.Wipe()
	_, missing := c.tx.User(k.User)
	return cmp.Or(missing, err)
}

func (c *checker) apiKey(id schema.ID, value []byte) error {
	c.report.APIKeys++
	_, err := indexed(c, &apiKeys, id, value)
	return err
}

func (c *checker) token(id schema.ID, value []byte) error {
	c.report.Tokens++
	t, err := c.tx.token(id)
	if err != nil {
		return err
	}
	tenant, _, err := cutTenant(value)
	if err != nil {
		return err
	}
	entries, err := c.tx.storedEntries(tenant, id, t)
	if err != nil {
		return err
	}
	given, err := c.tx.slotGiven(uint64(t.Slot))
	if err == nil && !given {
		err = tampered("token %s has slot %d, which was not given out yet", t.ID, t.Slot)
	}
	return errors.Join(err, boundProblem(t), c.expect(entries), c.objects(t, id))
}

// boundProblem returns what is wrong with the PINs of a PIN-bound token.
func boundProblem(t *record.Token) error {
	if err := checkBound(t); err != nil {
		return tampered("%w", err)
	}
	return nil
}

// objects opens the outer seal of every value of a token's objects, and compares their sum.
func (c *checker) objects(t *record.Token, token schema.ID) error {
	keys, err := c.tx.keysOf(token)
	if err != nil {
		return err
	}
	sm, err := c.tx.loadSummary(token, keys)
	if err != nil {
		return err
	}
	var last *object.Object // whose public part was seen
	secrets := 0            // that it has
	err = c.tx.walkObjects(token, keys, sm, func(number uint64, part schema.Part, blob []byte) error {
		c.parts++
		if part == schema.PartPublic {
			c.report.Objects++
			secrets = 0
			o, err := openPublic(token, keys, number, blob)
			last = o
			return err
		}
		if secrets++; last == nil || number != uint64(last.ID) || secrets > 1 {
			return tampered("object %d of token %s has a secret and no attributes, or two", number, text(token))
		}
		bound := len(t.BoundKey) > 0 && last.Private()
		if bound != (part == schema.PartBound) {
			return tampered("the secret of object %d of token %s is sealed as in another kind of token", number, text(token))
		}
		if bound {
			_, err := openBox(token, keys, number, blob)
			return err
		}
		return c.secret(token, keys, number, blob)
	})
	if owner, owned, _ := c.tx.ownerOf(token); owned {
		c.holdings[owner] = c.holdings[owner].Plus(sm.Amount)
	}
	return err
}

func (c *checker) secret(token schema.ID, keys *tokenKeys, number uint64, blob []byte) error {
	plain, _, err := keys.secret.Open(place(keys.tenant, token, number, fieldSecret), blob)
	if err != nil {
		return tampered("open the secret of object %d of token %s: %w", number, text(token), err)
	}
	defer clear(plain)
	set, err := object.ParseSet(plain)
	if err != nil {
		return tampered("decode the secret of object %d of token %s: %w", number, text(token), err)
	}
	set.Wipe()
	return nil
}

// roleKeys opens the keys of the PINs of a token, and looks for that of each PIN.
func (c *checker) roleKeys(id schema.ID, _ []byte) error {
	t, err := c.tx.token(id)
	if err != nil {
		return err
	}
	keys, err := c.tx.keysOf(id)
	if err != nil {
		return err
	}
	roles, err := c.tx.roleKeysOf(id, keys)
	if err != nil {
		return err
	}
	for _, role := range pinRoles {
		is, at := t.PIN(role), *roles.of(role)
		if is.Set() && is.Verifier[0] == verifierRole && at == nil || !is.Set() && at != nil {
			return tampered("token %s has no key for its %v PIN, or one for a PIN that it does not have", text(id), role)
		}
	}
	return nil
}

func (c *checker) summary(id schema.ID, _ []byte) error {
	keys, err := c.tx.keysOf(id)
	if err != nil {
		return err
	}
	_, err = c.tx.loadSummary(id, keys)
	return err
}

// The check opens every key again, because the keys in use come from memory.

func (c *checker) system(value []byte) error {
	raw, _, err := c.tx.s.root.Open(place(schema.ID{}, schema.ID{}, 0, fieldSystemKey), value)
	if err != nil {
		return tampered("open the system key: %w", err)
	}
	clear(raw)
	return nil
}

func (c *checker) oldRoot(value []byte) error {
	raw, _, err := c.tx.s.root.Open(placeOldRoot(), value)
	if err != nil {
		return tampered("open the old root key: %w", err)
	}
	clear(raw)
	return nil
}

func (c *checker) tenantKey(id schema.ID, value []byte) error {
	return c.keyOfTenant(schema.PrefixTenantKey, id, value)
}

func (c *checker) oldTenantKey(id schema.ID, value []byte) error {
	return c.keyOfTenant(schema.PrefixOldTenantKey, id, value)
}

func (c *checker) keyOfTenant(prefix byte, id schema.ID, value []byte) error {
	raw, _, err := c.tx.s.root.Open(place(id, schema.ID{}, 0, tenantKeyFields[prefix]), value)
	if err != nil {
		return tampered("open the key of tenant %s: %w", text(id), err)
	}
	clear(raw)
	_, err = c.tx.tenant(id)
	return err
}

func (c *checker) tokenKey(id schema.ID, value []byte) error {
	tenant, blob, err := cutTenant(value)
	if err != nil {
		return err
	}
	key, err := c.tx.tenantKeyOf(tenant, blob)
	if err != nil {
		return err
	}
	raw, _, err := key.Open(place(tenant, id, 0, fieldTokenKey), blob)
	if err != nil {
		return tampered("open the key of token %s: %w", text(id), err)
	}
	clear(raw)
	_, err = c.tx.token(id)
	return err
}

// String is the report in one line.
func (r Report) String() string {
	return fmt.Sprintf("%d records: %d recipients, %d tenants, %d users, %d groups, %d API keys, %d pending keys, %d tokens, %d objects; %d problems",
		r.Records, r.Recipients, r.Tenants, r.Users, r.Groups, r.APIKeys, r.Pending, r.Tokens, r.Objects, len(r.Problems))
}
