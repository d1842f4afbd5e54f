package record

import "fmt"

// Amount is how much there is of objects.
type Amount struct {
	Objects uint64
	Bytes   uint64 // that they take in the store
}

// Quota bounds what the tokens of a tenant hold. A zero value is the default.
type Quota struct {
	Objects        uint64 // of one token
	ObjectsPerUser uint64 // of all tokens that one user owns
}

// The defaults and the bound of a [Quota].
const (
	DefaultObjects        = 10_000
	DefaultObjectsPerUser = 20_000
	MaxObjects            = 10_000_000
)

// Of the bytes there are so many for each object of the quota, but never less than the
// least: objects may be of very different sizes.
const (
	bytesPerObject = 8 << 10
	leastBytes     = 16 << 20
)

// PerToken is the most that one token holds.
func (q Quota) PerToken() Amount { return most(q.Objects, DefaultObjects) }

// PerUser is the most that the tokens of one user hold.
func (q Quota) PerUser() Amount { return most(q.ObjectsPerUser, DefaultObjectsPerUser) }

func most(objects, byDefault uint64) Amount {
	if objects == 0 {
		objects = byDefault
	}
	return Amount{objects, max(leastBytes, objects*bytesPerObject)}
}

// Plus is both amounts.
func (a Amount) Plus(b Amount) Amount { return Amount{a.Objects + b.Objects, a.Bytes + b.Bytes} }

// Minus is what is left of a without b, and nothing where b is more.
func (a Amount) Minus(b Amount) Amount {
	return Amount{a.Objects - min(a.Objects, b.Objects), a.Bytes - min(a.Bytes, b.Bytes)}
}

// OverQuota is the error of storing an object for which there is no room. Nothing was
// stored.
type OverQuota struct {
	Whose string // "token" or "user"
	What  string // "objects" or "bytes"
	Limit uint64
}

// Error says what is full and what to do.
func (e *OverQuota) Error() string {
	where, flag := "a token may have", "--max-objects"
	if e.Whose == "user" {
		where, flag = "the tokens of a user may have", "--max-objects-per-user"
	}
	of := "objects"
	if e.What != of {
		of = "bytes of objects"
	}
	return fmt.Sprintf("%s %d %s and no more; destroy some, or raise the quota with `vtoken tenant policy TENANT %s`", where, e.Limit, of, flag)
}

// Exceeds is an error where more of a quota is used than there is, and more than was
// used before: what was there already stays, and may become less.
func Exceeds(whose string, before, now, most Amount) error {
	switch {
	case now.Objects > most.Objects && now.Objects > before.Objects:
		return &OverQuota{whose, "objects", most.Objects}
	case now.Bytes > most.Bytes && now.Bytes > before.Bytes:
		return &OverQuota{whose, "bytes", most.Bytes}
	}
	return nil
}
