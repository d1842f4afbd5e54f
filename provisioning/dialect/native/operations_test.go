package native_test

import (
	"bytes"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"vtoken/provisioning/api"
	"vtoken/provisioning/client"
	"vtoken/provisioning/dialect/native/nativetest"
	"vtoken/vtoken/record"
)

// TestEveryOperation has every operation of the document succeed, and the
// document served to somebody without a key.
func TestEveryOperation(t *testing.T) {
	s := nativetest.Start(t)
	c, ctx := s.Client(t), t.Context()
	document, err := os.ReadFile("openapi.yaml")
	require.NoError(t, err)
	if status, served := raw(t, s, http.MethodGet, "/docs/native/openapi.yaml", "", nil); status != http.StatusOK || !bytes.Equal(served, document) {
		t.Errorf("the document is served as %d, %d bytes", status, len(served))
	}

	_, err = c.Status(ctx)
	require.NoError(t, err)
	if status, text := raw(t, s, http.MethodGet, "/v1/metrics", "", nil); status != http.StatusOK || string(text) != nativetest.Metrics {
		t.Errorf("the metrics are served as %d, %q", status, text)
	}
	require.NoError(t, c.Restart(ctx))
	_, err = c.Check(ctx)
	require.NoError(t, err)
	kek, err := c.AddKEK(ctx, api.NewKEK{URI: "passphrase:file=/words"})
	require.NoError(t, err)
	_, err = client.All(c.KEKs(ctx))
	require.NoError(t, err)
	require.NoError(t, c.RemoveKEK(ctx, kek.ID))
	_, err = c.Rotate(ctx, api.NewKeys{})
	require.NoError(t, err)
	all, err := c.Rotate(ctx, api.NewKeys{All: true})
	require.NoError(t, err)
	require.Equal(t, api.Rotation{Left: 3, Tenants: 2}, *all)
	one, err := c.Rotate(ctx, api.NewKeys{Tenant: record.DefaultTenant})
	require.NoError(t, err)
	require.Equal(t, 1, one.Tenants)
	_, err = c.Rotate(ctx, api.NewKeys{All: true})
	require.ErrorContains(t, err, "being renewed", "the root key is replaced all the same")
	for _, wrong := range []api.NewKeys{{All: true, Tenant: record.DefaultTenant}, {Tenant: "nobody's"}} {
		_, err = c.Rotate(ctx, wrong)
		require.Error(t, err)
	}
	_, err = c.Rotation(ctx)
	require.NoError(t, err)
	sessions, err := client.All(c.Sessions(ctx, client.SessionFilter{}))
	require.NoError(t, err)
	require.NoError(t, c.EndSessions(ctx, sessions[0].ID, client.SessionFilter{}))
	lines, err := c.Audit(ctx, client.AuditQuery{Limit: 2})
	require.NoError(t, err)
	if len(lines.Items) != 2 || lines.Last != 3 {
		t.Errorf("the last two of three lines: %v", lines)
	}
	_, err = c.VerifyAudit(ctx)
	require.NoError(t, err)
	_, err = c.ArchiveAudit(ctx, 2)
	require.NoError(t, err)
	var file bytes.Buffer
	require.NoError(t, c.Backup(ctx, &file))
	if file.String() != nativetest.Backup {
		t.Errorf("the backup is %q", file.String())
	}
	_, err = c.CreateTenant(ctx, "sales")
	require.NoError(t, err)
	_, err = client.All(c.Tenants(ctx))
	require.NoError(t, err)
	get(t, s, "/v1/tenants/sales", http.StatusOK, &api.Tenant{})
	legacy := "legacy"
	tenant, err := c.ChangeTenant(ctx, "sales", api.TenantChange{Policy: &legacy})
	require.NoError(t, err)
	if tenant.Policy != "legacy" {
		t.Errorf("the policy of the tenant is %q", tenant.Policy)
	}
	yes := true
	tenant, err = c.ChangeTenant(ctx, "sales", api.TenantChange{PINBound: &yes})
	require.NoError(t, err)
	if !tenant.PINBound || tenant.Policy != "legacy" || !tenant.Resume {
		t.Errorf("the tenant is %+v", tenant)
	}
	no := false
	tenant, err = c.ChangeTenant(ctx, "sales", api.TenantChange{Resume: &no})
	require.NoError(t, err)
	require.False(t, tenant.Resume)
	_, err = c.CreateUser(ctx, "sales", api.NewUser{Login: "bob"})
	require.NoError(t, err)
	_, err = client.All(c.Users(ctx, "sales"))
	require.NoError(t, err)
	get(t, s, "/v1/users/bob?tenant=sales", http.StatusOK, &api.User{})
	on, label := true, "label"
	_, err = c.ChangeUser(ctx, "sales", "bob", api.UserChange{Enabled: &on})
	require.NoError(t, err)
	key, err := c.CreateAPIKey(ctx, "sales", api.NewAPIKey{Name: "key"})
	require.NoError(t, err)
	_, err = client.All(c.APIKeys(ctx, "sales"))
	require.NoError(t, err)
	require.NoError(t, c.RevokeAPIKey(ctx, "sales", "key"))

	lifecycle(t, c)
	certificateRequests(t, c)
	oneTimePasswords(t, c, s.Log.String)
	token, err := c.CreateToken(ctx, "sales", api.NewToken{User: "bob"})
	require.NoError(t, err)
	id := token.ID
	_, err = client.All(c.Tokens(ctx, "sales", client.TokenFilter{}))
	require.NoError(t, err)
	_, err = c.Token(ctx, id)
	require.NoError(t, err)
	_, err = c.ChangeToken(ctx, id, api.TokenChange{Label: &label})
	require.NoError(t, err)
	list := "CKM_ECDSA"
	token, err = c.ChangeToken(ctx, id, api.TokenChange{Policy: &list})
	require.NoError(t, err)
	if token.Policy != list {
		t.Errorf("the policy is %q", token.Policy)
	}
	_, err = c.ImportPFX(ctx, id, nativetest.PFX(t, "PFX canary"), api.Secret("PFX canary"))
	require.NoError(t, err)
	found, err := c.Lint(ctx, id)
	require.NoError(t, err)
	if found.Findings == nil || len(found.Findings) > 0 || found.Unseen == nil {
		t.Errorf("a token with a PFX on it: %+v", found)
	}
	_, err = c.ImportPFX(ctx, id, nativetest.PFX(t, "PFX canary"), api.Secret("PFX canary"))
	require.NoError(t, err)
	found, err = c.Lint(ctx, id)
	require.NoError(t, err)
	if i := slices.IndexFunc(found.Findings, func(f api.Finding) bool { return f.Rule == "shared-certificate-label" }); i < 0 {
		t.Errorf("two certificates of one label: %+v", found)
	} else if f := found.Findings[i]; f.Affects[0].Consumer != "Java" || len(f.Objects) != 2 || f.Objects[0].Class != "certificate" || f.Objects[0].URI == "" {
		t.Errorf("the finding is %+v", f)
	}
	require.NoError(t, c.ResetPIN(ctx, id, "user", api.Secret("PIN canary")))
	require.NoError(t, c.ChangePIN(ctx, id, "so", api.Secret("SO PIN canary"), "user", api.Secret("PIN canary")))
	_, err = c.Unlock(ctx, id, "user")
	require.NoError(t, err)
	_, err = c.CompleteToken(ctx, id)
	require.NoError(t, err)
	_, err = client.All(c.Certificates(ctx, id))
	require.NoError(t, err)
	_, err = client.All(c.Objects(ctx, id))
	require.NoError(t, err)
	require.NoError(t, c.DeleteToken(ctx, id))
	require.NoError(t, c.DeleteTenant(ctx, "sales", false))

	for _, secret := range []string{"PFX canary", "PIN canary", string(key.Key)} {
		if strings.Contains(s.Log.String(), secret) {
			t.Errorf("the log tells a secret:\n%s", s.Log)
		}
	}
	if !strings.Contains(s.Log.String(), "tokenId="+id) {
		t.Errorf("the log does not name the token:\n%s", s.Log)
	}

	doc, err := openapi3.NewLoader().LoadFromData(document)
	require.NoError(t, err)
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			if !s.Served(operation.OperationID) {
				t.Errorf("%s %s (%s) did not succeed", method, path, operation.OperationID)
			}
		}
	}
}

// lifecycle has a token go from hand to hand.
func lifecycle(t *testing.T, c *client.Client) {
	t.Helper()
	ctx := t.Context()
	group, err := c.CreateGroup(ctx, "sales", "spare")
	require.NoError(t, err)
	_, err = client.All(c.Groups(ctx, "sales"))
	require.NoError(t, err)
	aliases := []string{"cary"}
	_, err = c.CreateUser(ctx, "sales", api.NewUser{Login: "carol"})
	require.NoError(t, err)
	u, err := c.ChangeUser(ctx, "sales", "carol", api.UserChange{Aliases: &aliases})
	require.NoError(t, err)
	if u.Aliases[0] != "cary" {
		t.Errorf("the aliases are %v", u.Aliases)
	}
	token, err := c.CreateToken(ctx, "sales", api.NewToken{
		Unassigned: true, Serial: "000123", Product: &api.Product{Manufacturer: "DN", Model: "MT", Hardware: true}, Groups: []string{group.ID},
	})
	require.NoError(t, err)
	id := token.ID
	found, err := c.SearchTokens(ctx, "sales", api.Search{
		Where:   []api.Criterion{{Field: "serial", Operator: "endsWith", Value: "123"}, {Field: "group", Value: group.ID}},
		OrderBy: "createdAt",
	})
	require.NoError(t, err)
	if len(found.Items) != 1 || found.Items[0].ID != id || found.Items[0].Holders == nil {
		t.Errorf("found %+v", found)
	}
	assigned, err := c.Assign(ctx, id, api.Assign{User: "cary", Inactive: true})
	require.NoError(t, err)
	code := assigned.Activation
	if code != "new" {
		t.Errorf("activation %q", code)
	}
	activation, err := c.StartActivation(ctx, id, 60)
	require.NoError(t, err)
	got, err := c.FinishActivation(ctx, id, activation.Code)
	require.NoError(t, err)
	if got.Activation != "activated" || got.User != "carol" {
		t.Errorf("activated: %+v", got)
	}
	suspended := true
	_, err = c.ChangeHolder(ctx, id, "carol", api.HolderChange{Suspended: &suspended, NoEnd: true})
	require.NoError(t, err)
	_, err = c.ClearPIN(ctx, id, "user")
	require.NoError(t, err)
	end, confined := "2099-01-01T00:00:00Z", true
	_, err = c.ChangeToken(ctx, id, api.TokenChange{ExpiresAt: &end})
	require.NoError(t, err)
	_, err = c.ChangeToken(ctx, id, api.TokenChange{Confined: &confined})
	require.NoError(t, err)
	_, err = c.Unassign(ctx, id, "")
	require.NoError(t, err)
	none := []string{}
	_, err = c.ChangeToken(ctx, id, api.TokenChange{Groups: &none})
	require.NoError(t, err)
	got, err = c.ChangeToken(ctx, id, api.TokenChange{Deceased: &suspended})
	require.NoError(t, err)
	if !got.Deceased || len(got.Actions) != 1 {
		t.Errorf("deceased: %+v", got)
	}
	require.NoError(t, c.DeleteToken(ctx, id))
	require.NoError(t, c.DeleteUser(ctx, "sales", "cary"))
	require.NoError(t, c.DeleteGroup(ctx, "sales", group.ID))
}

// oneTimePasswords has a token enrolled, activated and verified, and others
// imported. The seed is that of RFC 4226.
func oneTimePasswords(t *testing.T, c *client.Client, log func() string) {
	t.Helper()
	ctx := t.Context()
	const seed = "3132333435363738393031323334353637383930"
	made, err := c.CreateToken(ctx, "sales", api.NewToken{User: "bob", Inactive: true, OTP: &api.NewOTP{SeedHex: api.Secret(seed)}})
	require.NoError(t, err)
	if made.Kind != "otp" || made.OTP == nil || made.OTP.Type != "hotp" || made.Activation != "new" {
		t.Fatalf("%+v", made)
	}
	e, err := c.EnrolOTP(ctx, made.ID, api.NewEnrolment{Issuer: "Example"})
	require.NoError(t, err)
	if !strings.HasPrefix(string(e.URI), "otpauth://hotp/Example:bob?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&") || !bytes.HasPrefix(e.PNG, []byte("\x89PNG")) {
		t.Errorf("enrolled with %q", []byte(e.URI))
	}
	if _, err := c.EnrolOTP(ctx, made.ID, api.NewEnrolment{}); err == nil {
		t.Error("the seed left twice")
	}
	got, err := c.SyncOTP(ctx, made.ID, api.Codes{First: api.Secret("755224"), Next: api.Secret("287082"), Activate: true})
	require.NoError(t, err)
	if got.Activation != "activated" {
		t.Errorf("%+v", got)
	}
	got, err = c.VerifyOTP(ctx, made.ID, api.Code{Code: api.Secret("359152"), User: "bob"})
	require.NoError(t, err)
	if got.OTP.Counter != 3 || got.LastUsedAt == nil {
		t.Errorf("%+v", got.OTP)
	}
	_, err = c.VerifyOTP(ctx, made.ID, api.Code{Code: api.Secret("359152")})
	require.ErrorContains(t, err, "used already")
	_, err = c.ResetOTP(ctx, made.ID, nil)
	require.NoError(t, err)
	require.NoError(t, c.DeleteToken(ctx, made.ID))

	in := api.Import{File: []byte("serial,seed,loginName\nI1," + seed + ",bob\nI2," + seed + ",\nI3,x,\n"), ImportOptions: api.ImportOptions{Format: "csv"}}
	report, err := c.Import(ctx, "sales", in, nil)
	require.NoError(t, err)
	if len(report.Refused) != 1 || report.Refused[0].Line != 4 || len(report.Done) != 0 {
		t.Errorf("%+v", report)
	}
	in.File = in.File[:bytes.Index(in.File, []byte("I3"))]
	in.DryRun = true
	report, err = c.Import(ctx, "sales", in, nil)
	require.NoError(t, err)
	if len(report.Done) != 2 || report.Done[0].ID != "" {
		t.Errorf("a dry run: %+v", report)
	}
	in.DryRun = false
	report, err = c.Import(ctx, "sales", in, nil)
	require.NoError(t, err)
	if len(report.Done) != 2 || report.Done[1].Serial != "I2" {
		t.Errorf("%+v", report)
	}
	assign := api.Import{File: []byte("loginName,serial\nbob,I2\n"), ImportOptions: api.ImportOptions{Format: "assign"}}
	assignedRows, err := c.Import(ctx, "sales", assign, nil)
	require.NoError(t, err)
	if len(assignedRows.Done) != 1 {
		t.Errorf("%+v", assignedRows)
	}
	for _, row := range report.Done {
		require.NoError(t, c.DeleteToken(ctx, row.ID))
	}
	_, err = c.Import(ctx, "sales", api.Import{File: []byte("x"), ImportOptions: api.ImportOptions{Format: "pskc"}}, nil)
	require.ErrorContains(t, err, "no PSKC")
	for _, s := range []string{seed, "GEZDGNBV", "359152"} {
		if strings.Contains(log(), s) {
			t.Errorf("the log tells %q", s)
		}
	}
}
