package provisioning

import (
	"context"

	"vtoken/provisioning/lint"
	"vtoken/vtoken/object"
	"vtoken/vtoken/record"
)

// Lint is what applications stumble over on a token.
type Lint struct {
	Findings []Finding
	// Unseen says what could not be checked, one sentence each.
	Unseen []string
}

// Finding is a rule of package lint that a token breaks, and the objects that break it.
type Finding struct {
	lint.Rule
	Objects []ObjectInfo
}

// Lint looks for what makes applications refuse a token, or overlook keys on it. It
// reads what is visible without a PIN, which is all but the secret values of keys.
func (s *Service) Lint(ctx context.Context, c Caller, ref TokenRef) (Lint, error) {
	var token *record.Token
	var all []*object.Object
	err := s.view(ctx, func(tx ReadTx) (err error) {
		if token, err = s.token(tx, c, OpTokenObjects, ref); err != nil {
			return err
		}
		all, err = tx.Objects(token.ID)
		return err
	})
	if err != nil {
		return Lint{}, err
	}
	report := lint.Check(all, len(token.BoundKey) > 0, s.now())
	found := Lint{Unseen: report.Unseen}
	for _, f := range report.Findings {
		told := Finding{Rule: f.Rule}
		for _, o := range f.Objects {
			told.Objects = append(told.Objects, objectInfo(o))
		}
		found.Findings = append(found.Findings, told)
	}
	return found, nil
}
