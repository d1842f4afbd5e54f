package native_test

import (
	"bytes"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
	"vtoken/provisioning/dialect/native/nativetest"
)

// TestEveryOperation has every operation of the document succeed, and the
// document served to somebody without a key.
func TestEveryOperation(t *testing.T) {
	s := nativetest.Start(t)
	c, ctx := s.Client(t), t.Context()
	document := must[[]byte](t)(os.ReadFile("openapi.yaml"))
	if status, served := raw(t, s, http.MethodGet, "/docs/native/openapi.yaml", "", nil); status != http.StatusOK || !bytes.Equal(served, document) {
		t.Errorf("the document is served as %d, %d bytes", status, len(served))
	}

	must[*api.Status](t)(c.Status(ctx))
	if status, text := raw(t, s, http.MethodGet, "/v1/metrics", "", nil); status != http.StatusOK || string(text) != nativetest.Metrics {
		t.Errorf("the metrics are served as %d, %q", status, text)
	}
	must[*api.Check](t)(c.Check(ctx))
	kek := must[*api.KEK](t)(c.AddKEK(ctx, api.NewKEK{URI: "passphrase:file=/words"}))
	must[[]api.KEK](t)(client.All(c.KEKs(ctx)))
	done(t, c.RemoveKEK(ctx, kek.ID))
	must[*api.Rotation](t)(c.Rotate(ctx))
	must[*api.Rotation](t)(c.Rotation(ctx))
	if lines := must[*api.AuditLines](t)(c.Audit(ctx, client.AuditQuery{Limit: 2})); len(lines.Items) != 2 || lines.Last != 3 {
		t.Errorf("the last two of three lines: %v", lines)
	}
	must[*api.AuditReport](t)(c.VerifyAudit(ctx))
	must[*api.AuditArchive](t)(c.ArchiveAudit(ctx, 2))
	var file bytes.Buffer
	done(t, c.Backup(ctx, &file))
	if file.String() != nativetest.Backup {
		t.Errorf("the backup is %q", file.String())
	}
	must[*api.Tenant](t)(c.CreateTenant(ctx, "sales"))
	must[[]api.Tenant](t)(client.All(c.Tenants(ctx)))
	get(t, s, "/v1/tenants/sales", http.StatusOK, &api.Tenant{})
	legacy := "legacy"
	if tenant := must[*api.Tenant](t)(c.ChangeTenant(ctx, "sales", api.TenantChange{Policy: &legacy})); tenant.Policy != "legacy" {
		t.Errorf("the policy of the tenant is %q", tenant.Policy)
	}
	yes := true
	if tenant := must[*api.Tenant](t)(c.ChangeTenant(ctx, "sales", api.TenantChange{PINBound: &yes})); !tenant.PINBound || tenant.Policy != "legacy" {
		t.Errorf("the tenant is %+v", tenant)
	}
	must[*api.User](t)(c.CreateUser(ctx, "sales", api.NewUser{Login: "bob"}))
	must[[]api.User](t)(client.All(c.Users(ctx, "sales")))
	get(t, s, "/v1/users/bob?tenant=sales", http.StatusOK, &api.User{})
	on, label := true, "label"
	must[*api.User](t)(c.ChangeUser(ctx, "sales", "bob", api.UserChange{Enabled: &on}))
	key := must[*api.CreatedAPIKey](t)(c.CreateAPIKey(ctx, "sales", api.NewAPIKey{Name: "key"}))
	must[[]api.APIKey](t)(client.All(c.APIKeys(ctx, "sales")))
	done(t, c.RevokeAPIKey(ctx, "sales", "key"))

	lifecycle(t, c)
	certificateRequests(t, c)
	oneTimePasswords(t, c, s.Log.String)
	id := must[*api.Token](t)(c.CreateToken(ctx, "sales", api.NewToken{User: "bob"})).ID
	must[[]api.Token](t)(client.All(c.Tokens(ctx, "sales", client.TokenFilter{})))
	must[*api.Token](t)(c.Token(ctx, id))
	must[*api.Token](t)(c.ChangeToken(ctx, id, api.TokenChange{Label: &label}))
	list := "CKM_ECDSA"
	if token := must[*api.Token](t)(c.ChangeToken(ctx, id, api.TokenChange{Policy: &list})); token.Policy != list {
		t.Errorf("the policy is %q", token.Policy)
	}
	must[*api.Imported](t)(c.ImportPFX(ctx, id, nativetest.PFX(t, "PFX canary"), api.Secret("PFX canary")))
	if found := must[*api.Lint](t)(c.Lint(ctx, id)); found.Findings == nil || len(found.Findings) > 0 || found.Unseen == nil {
		t.Errorf("a token with a PFX on it: %+v", found)
	}
	must[*api.Imported](t)(c.ImportPFX(ctx, id, nativetest.PFX(t, "PFX canary"), api.Secret("PFX canary")))
	found := must[*api.Lint](t)(c.Lint(ctx, id))
	if i := slices.IndexFunc(found.Findings, func(f api.Finding) bool { return f.Rule == "shared-certificate-label" }); i < 0 {
		t.Errorf("two certificates of one label: %+v", found)
	} else if f := found.Findings[i]; f.Affects[0].Consumer != "Java" || len(f.Objects) != 2 || f.Objects[0].Class != "certificate" || f.Objects[0].URI == "" {
		t.Errorf("the finding is %+v", f)
	}
	done(t, c.ResetPIN(ctx, id, "user", api.Secret("PIN canary")))
	done(t, c.ChangePIN(ctx, id, "so", api.Secret("SO PIN canary"), "user", api.Secret("PIN canary")))
	must[*api.Token](t)(c.Unlock(ctx, id, "user"))
	must[*api.Token](t)(c.CompleteToken(ctx, id))
	must[[]api.Certificate](t)(client.All(c.Certificates(ctx, id)))
	must[[]api.Object](t)(client.All(c.Objects(ctx, id)))
	done(t, c.DeleteToken(ctx, id))
	done(t, c.DeleteTenant(ctx, "sales", false))

	for _, secret := range []string{"PFX canary", "PIN canary", string(key.Key)} {
		if strings.Contains(s.Log.String(), secret) {
			t.Errorf("the log tells a secret:\n%s", s.Log)
		}
	}
	if !strings.Contains(s.Log.String(), "tokenId="+id) {
		t.Errorf("the log does not name the token:\n%s", s.Log)
	}

	doc := must[*openapi3.T](t)(openapi3.NewLoader().LoadFromData(document))
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			if !s.Served(operation.OperationID) {
				t.Errorf("%s %s (%s) did not succeed", method, path, operation.OperationID)
			}
		}
	}
}

func done(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// lifecycle has a token go from hand to hand.
func lifecycle(t *testing.T, c *client.Client) {
	t.Helper()
	ctx := t.Context()
	group := must[*api.Group](t)(c.CreateGroup(ctx, "sales", "spare"))
	must[[]api.Group](t)(client.All(c.Groups(ctx, "sales")))
	aliases := []string{"cary"}
	must[*api.User](t)(c.CreateUser(ctx, "sales", api.NewUser{Login: "carol"}))
	if u := must[*api.User](t)(c.ChangeUser(ctx, "sales", "carol", api.UserChange{Aliases: &aliases})); u.Aliases[0] != "cary" {
		t.Errorf("the aliases are %v", u.Aliases)
	}
	id := must[*api.Token](t)(c.CreateToken(ctx, "sales", api.NewToken{
		Unassigned: true, Serial: "000123", Product: &api.Product{Manufacturer: "DN", Model: "MT", Hardware: true}, Groups: []string{group.ID},
	})).ID
	found := must[*api.SearchPage](t)(c.SearchTokens(ctx, "sales", api.Search{
		Where: []api.Criterion{{Field: "serial", Operator: "endsWith", Value: "123"}, {Field: "group", Value: group.ID}}, OrderBy: "createdAt",
	}))
	if len(found.Items) != 1 || found.Items[0].ID != id || found.Items[0].Holders == nil {
		t.Errorf("found %+v", found)
	}
	code := must[*api.Token](t)(c.Assign(ctx, id, api.Assign{User: "cary", Inactive: true})).Activation
	if code != "new" {
		t.Errorf("activation %q", code)
	}
	activation := must[*api.Activation](t)(c.StartActivation(ctx, id, 60))
	if got := must[*api.Token](t)(c.FinishActivation(ctx, id, activation.Code)); got.Activation != "activated" || got.User != "carol" {
		t.Errorf("activated: %+v", got)
	}
	suspended := true
	must[*api.Token](t)(c.ChangeHolder(ctx, id, "carol", api.HolderChange{Suspended: &suspended, NoEnd: true}))
	must[*api.Token](t)(c.ClearPIN(ctx, id, "user"))
	end, confined := "2099-01-01T00:00:00Z", true
	must[*api.Token](t)(c.ChangeToken(ctx, id, api.TokenChange{ExpiresAt: &end}))
	must[*api.Token](t)(c.ChangeToken(ctx, id, api.TokenChange{Confined: &confined}))
	must[*api.Token](t)(c.Unassign(ctx, id, ""))
	none := []string{}
	must[*api.Token](t)(c.ChangeToken(ctx, id, api.TokenChange{Groups: &none}))
	if got := must[*api.Token](t)(c.ChangeToken(ctx, id, api.TokenChange{Deceased: &suspended})); !got.Deceased || len(got.Actions) != 1 {
		t.Errorf("deceased: %+v", got)
	}
	done(t, c.DeleteToken(ctx, id))
	done(t, c.DeleteUser(ctx, "sales", "cary"))
	done(t, c.DeleteGroup(ctx, "sales", group.ID))
}

// oneTimePasswords has a token enrolled, activated and verified, and others
// imported. The seed is that of RFC 4226.
func oneTimePasswords(t *testing.T, c *client.Client, log func() string) {
	t.Helper()
	ctx := t.Context()
	const seed = "3132333435363738393031323334353637383930"
	made := must[*api.Token](t)(c.CreateToken(ctx, "sales", api.NewToken{User: "bob", Inactive: true, OTP: &api.NewOTP{SeedHex: api.Secret(seed)}}))
	if made.Kind != "otp" || made.OTP == nil || made.OTP.Type != "hotp" || made.Activation != "new" {
		t.Fatalf("%+v", made)
	}
	e := must[*api.Enrolment](t)(c.EnrolOTP(ctx, made.ID, api.NewEnrolment{Issuer: "Example"}))
	if !strings.HasPrefix(string(e.URI), "otpauth://hotp/Example:bob?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&") || !bytes.HasPrefix(e.PNG, []byte("\x89PNG")) {
		t.Errorf("enrolled with %q", []byte(e.URI))
	}
	if _, err := c.EnrolOTP(ctx, made.ID, api.NewEnrolment{}); err == nil {
		t.Error("the seed left twice")
	}
	if got := must[*api.Token](t)(c.SyncOTP(ctx, made.ID, api.Codes{First: api.Secret("755224"), Next: api.Secret("287082"), Activate: true})); got.Activation != "activated" {
		t.Errorf("%+v", got)
	}
	if got := must[*api.Token](t)(c.VerifyOTP(ctx, made.ID, api.Code{Code: api.Secret("359152"), User: "bob"})); got.OTP.Counter != 3 || got.LastUsedAt == nil {
		t.Errorf("%+v", got.OTP)
	}
	if _, err := c.VerifyOTP(ctx, made.ID, api.Code{Code: api.Secret("359152")}); err == nil || !strings.Contains(err.Error(), "used already") {
		t.Errorf("a password that was used: %v", err)
	}
	must[*api.Token](t)(c.ResetOTP(ctx, made.ID, nil))
	done(t, c.DeleteToken(ctx, made.ID))

	in := api.Import{File: []byte("serial,seed,loginName\nI1," + seed + ",bob\nI2," + seed + ",\nI3,x,\n"), ImportOptions: api.ImportOptions{Format: "csv"}}
	report := must[*api.ImportReport](t)(c.Import(ctx, "sales", in, nil))
	if len(report.Refused) != 1 || report.Refused[0].Line != 4 || len(report.Done) != 0 {
		t.Errorf("%+v", report)
	}
	in.File = in.File[:bytes.Index(in.File, []byte("I3"))]
	in.DryRun = true
	if report = must[*api.ImportReport](t)(c.Import(ctx, "sales", in, nil)); len(report.Done) != 2 || report.Done[0].ID != "" {
		t.Errorf("a dry run: %+v", report)
	}
	in.DryRun = false
	report = must[*api.ImportReport](t)(c.Import(ctx, "sales", in, nil))
	if len(report.Done) != 2 || report.Done[1].Serial != "I2" {
		t.Errorf("%+v", report)
	}
	assign := api.Import{File: []byte("loginName,serial\nbob,I2\n"), ImportOptions: api.ImportOptions{Format: "assign"}}
	if got := must[*api.ImportReport](t)(c.Import(ctx, "sales", assign, nil)); len(got.Done) != 1 {
		t.Errorf("%+v", got)
	}
	for _, row := range report.Done {
		done(t, c.DeleteToken(ctx, row.ID))
	}
	if _, err := c.Import(ctx, "sales", api.Import{File: []byte("x"), ImportOptions: api.ImportOptions{Format: "pskc"}}, nil); err == nil || !strings.Contains(err.Error(), "no PSKC") {
		t.Errorf("what is no PSKC: %v", err)
	}
	for _, s := range []string{seed, "GEZDGNBV", "359152"} {
		if strings.Contains(log(), s) {
			t.Errorf("the log tells %q", s)
		}
	}
}
