package observe

import (
	"context"
	"strings"

	"vtoken/daemon/metrics"
	"vtoken/keystore"
	"vtoken/provisioning"
	"vtoken/provisioning/httpkit"
	"vtoken/vtoken"
	"vtoken/vtoken/record"
)

// Guesses counts what became of the tries of a secret in the API, and notes it for the
// audit log. It is for provisioning.Options.Guessed.
func Guesses(counts *metrics.Set) func(context.Context, *record.Token, provisioning.Secret, provisioning.Guess) {
	return func(ctx context.Context, _ *record.Token, s provisioning.Secret, what provisioning.Guess) {
		httpkit.NoteSecret(ctx, s, what)
		counts.Tries.Counted(s.String(), string(what))
		if role, isPIN := pinRoles[s]; isPIN && what == provisioning.GuessLocked {
			counts.Logins.Locked(role)
		}
	}
}

// State is what the metrics ask the engine, the store and the limits for.
func State(e *vtoken.Engine, s *keystore.Store, limits func() []metrics.Limit) metrics.State {
	return metrics.State{
		Usage: func() (applications, sessions int) {
			u := e.Usage()
			return u.Applications, u.Sessions
		},
		Limits: limits,
		Counted: func() metrics.Counted {
			return metrics.Counted{Loads: e.Usage().Loads, OverQuota: s.OverQuota()}
		},
		KEKs: func() ([]metrics.KEK, error) { return kekStates(s) },
		Rollback: func() (metrics.Rollback, error) {
			p, err := s.Protection()
			return metrics.Rollback{Protected: p.KEK != "", Counts: p.Counts, Accepted: p.Accepted}, err
		},
	}
}

func kekStates(s *keystore.Store) (list []metrics.KEK, err error) {
	recipients, err := s.Recipients()
	for _, r := range recipients {
		kind, _, _ := strings.Cut(r.URI, ":")
		list = append(list, metrics.KEK{ID: r.ID, Kind: kind, Recovery: r.Recovery, Opens: r.Opens, Tried: r.Tried})
	}
	return list, err
}
