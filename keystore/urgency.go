package keystore

import (
	"bytes"
	"slices"
	"time"

	"vtoken/vtoken/pin"
	"vtoken/vtoken/record"
)

// A change that takes something away from somebody is counted before it is acknowledged: an
// older copy of the store would undo it. The tables list those changes for each kind of
// record. All other changes are counted within the hour.

// loss is one way in which a change of a record takes something away.
type loss[T any] struct {
	what    string
	urgency urgency
	codes   bool // it is paid by the tenant's one-time passwords
	taken   func(was, is *T) bool
}

// urgencyOf returns the urgency of the most urgent loss of a change, and whether only codes
// cause it.
func urgencyOf[T any](losses []loss[T], was, is *T) (most urgency, codes bool) {
	for _, l := range losses {
		if l.urgency < most || !l.taken(was, is) {
			continue
		}
		codes = l.codes && (codes || l.urgency > most)
		most = l.urgency
	}
	return most, codes
}

// earlier reports whether an expiry moved forward in time; zero is none.
func earlier(was, is time.Time) bool { return !is.IsZero() && (was.IsZero() || is.Before(was)) }

// fewer reports whether a limit decreased; 0 is none.
func fewer[N int | uint64](was, is N) bool { return is != 0 && (was == 0 || is < was) }

// without reports whether something is missing from a list.
func without(was, is []string) bool {
	return slices.ContainsFunc(was, func(one string) bool { return !slices.Contains(is, one) })
}

// ofPIN returns a function that reports whether taken is true for one of the two PINs.
func ofPIN(taken func(was, is *pin.State) bool) func(was, is *record.Token) bool {
	return func(was, is *record.Token) bool {
		return taken(&was.UserPIN, &is.UserPIN) || taken(&was.SOPIN, &is.SOPIN)
	}
}

// ofHolder returns a function that reports whether taken is true for one of the holders.
func ofHolder(taken func(was, is *record.Assignment) bool) func(was, is *record.Token) bool {
	return func(was, is *record.Token) bool {
		return slices.ContainsFunc(was.Holders, func(a record.Assignment) bool {
			now := is.Assignment(a.User)
			return now != nil && taken(&a, now)
		})
	}
}

var tokenLosses = []loss[record.Token]{
	{"a wrong PIN", strictly, false, ofPIN(func(was, is *pin.State) bool { return is.Failed > was.Failed })},
	{"another PIN", promptly, false, ofPIN(func(was, is *pin.State) bool {
		return was.Set() && !bytes.Equal(was.Verifier, is.Verifier)
	})},
	{"a PIN that must be changed", promptly, false, ofPIN(func(was, is *pin.State) bool { return is.ToBeChanged && !was.ToBeChanged })},
	{"another PIN policy", promptly, false, ofPIN(func(was, is *pin.State) bool { return was.Policy != is.Policy })},
	{"an unlocked PIN", promptly, false, ofPIN(func(was, is *pin.State) bool { return was.Unlocks != is.Unlocks })},
	{"unlocked one-time passwords", promptly, false, func(was, is *record.Token) bool { return was.OTP.Unlocks != is.OTP.Unlocks }},
	{"another seed", promptly, false, func(was, is *record.Token) bool { return was.OTP.Key != 0 && was.OTP.Key != is.OTP.Key }},
	{"a narrower window", promptly, false, func(was, is *record.Token) bool { return was.OTP.Window != is.OTP.Window }},
	{"a wrong one-time password", promptly, true, func(was, is *record.Token) bool { return is.OTP.Failed > was.OTP.Failed }},
	{"a used one-time password", promptly, true, func(was, is *record.Token) bool { return is.OTP.Next > was.OTP.Next }},
	{"a seed that a device has", promptly, true, func(was, is *record.Token) bool { return is.OTP.Enrolled && !was.OTP.Enrolled }},
	{"a wrong activation code", promptly, true, func(was, is *record.Token) bool { return is.Code.Failed > was.Code.Failed }},
	{"another activation code", promptly, true, func(was, is *record.Token) bool {
		return len(was.Code.Hash) > 0 && (!bytes.Equal(was.Code.Hash, is.Code.Hash) || earlier(was.Code.ExpiresAt, is.Code.ExpiresAt))
	}},
	{"an activation that is taken back", promptly, false, func(was, is *record.Token) bool {
		return was.Activation == record.Activated && is.Activation != record.Activated
	}},
	{"a token that is switched off", promptly, false, func(was, is *record.Token) bool { return was.Enabled && !is.Enabled }},
	{"a token that ends", promptly, false, func(was, is *record.Token) bool { return is.Deceased && !was.Deceased }},
	{"a token that is completed", promptly, false, func(was, is *record.Token) bool { return is.Complete && !was.Complete }},
	{"a token that is confined", promptly, false, func(was, is *record.Token) bool { return is.Confined && !was.Confined }},
	{"a token that was downloaded", promptly, false, func(was, is *record.Token) bool { return is.Device != was.Device }},
	{"an earlier end", promptly, false, func(was, is *record.Token) bool { return earlier(was.ExpiresAt, is.ExpiresAt) }},
	{"another policy", promptly, false, func(was, is *record.Token) bool {
		return was.Policy.Name != is.Policy.Name || !slices.Equal(was.Policy.Mechanisms, is.Policy.Mechanisms)
	}},
	{"shorter RSA keys", promptly, false, func(was, is *record.Token) bool { return is.MaxRSABits < was.MaxRSABits }},
	{"other groups", promptly, false, func(was, is *record.Token) bool { return !slices.Equal(was.Groups, is.Groups) }},
	{"a holder less", promptly, false, func(was, is *record.Token) bool {
		return slices.ContainsFunc(was.Holders, func(a record.Assignment) bool { return is.Assignment(a.User) == nil })
	}},
	{"a holder who is suspended", promptly, false, ofHolder(func(was, is *record.Assignment) bool { return is.Suspended && !was.Suspended })},
	{"a holder who begins later", promptly, false, ofHolder(func(was, is *record.Assignment) bool { return is.Starts.After(was.Starts) })},
	{"a holder who ends earlier", promptly, false, ofHolder(func(was, is *record.Assignment) bool { return earlier(was.Expires, is.Expires) })},
	{"a holder with fewer uses", promptly, false, ofHolder(func(was, is *record.Assignment) bool { return fewer(was.UsageLimit, is.UsageLimit) })},
	{"a use of a holder", promptly, true, ofHolder(func(was, is *record.Assignment) bool { return is.Uses > was.Uses })},
}

var userLosses = []loss[record.User]{
	{"a user who is switched off", promptly, false, func(was, is *record.User) bool { return was.Enabled && !is.Enabled }},
	{"an operating system user less", promptly, false, losesProcesses},
	{"a login or alias less", promptly, false, func(was, is *record.User) bool { return without(names(was), names(is)) }},
	{"a user who is not mapped by name", promptly, false, func(was, is *record.User) bool { return is.NotByName && !was.NotByName }},
}

var apiKeyLosses = []loss[record.APIKey]{
	{"another secret", promptly, false, func(was, is *record.APIKey) bool { return !bytes.Equal(was.Hash, is.Hash) }},
	{"another public key", promptly, false, func(was, is *record.APIKey) bool { return !bytes.Equal(was.PublicKey, is.PublicKey) }},
	{"another certificate", promptly, false, func(was, is *record.APIKey) bool { return !bytes.Equal(was.CertificateHash, is.CertificateHash) }},
	{"another role", promptly, false, func(was, is *record.APIKey) bool { return was.Role != is.Role }},
	{"another API", promptly, false, func(was, is *record.APIKey) bool { return was.Dialect != is.Dialect || was.ID != is.ID }},
	{"an earlier end", promptly, false, func(was, is *record.APIKey) bool { return earlier(was.ExpiresAt, is.ExpiresAt) }},
}

var tenantLosses = []loss[record.Tenant]{
	{"another policy", promptly, false, func(was, is *record.Tenant) bool {
		return was.Policy.Name != is.Policy.Name || !slices.Equal(was.Policy.Mechanisms, is.Policy.Mechanisms)
	}},
	{"tokens that are PIN-bound", promptly, false, func(was, is *record.Tenant) bool { return is.PINBound && !was.PINBound }},
	{"logins that end with the daemon", promptly, false, func(was, is *record.Tenant) bool { return is.NoResume && !was.NoResume }},
	{"a smaller quota", promptly, false, func(was, is *record.Tenant) bool {
		return fewer(was.Quota.Objects, is.Quota.Objects) || fewer(was.Quota.ObjectsPerUser, is.Quota.ObjectsPerUser)
	}},
	{"other settings", promptly, false, func(was, is *record.Tenant) bool {
		for name, value := range was.Settings {
			if !bytes.Equal(value, is.Settings[name]) {
				return true
			}
		}
		return false
	}},
	{"an operating system user less", promptly, false, func(was, is *record.Tenant) bool { return without(was.OSUsers, is.OSUsers) }},
	{"another exchange key", promptly, false, func(_, is *record.Tenant) bool { return is.ExchangeKey != nil }},
}
