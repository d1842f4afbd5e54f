package keystore

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"vtoken/keystore/schema"
	"vtoken/vtoken/pin"
	"vtoken/vtoken/policy"
	"vtoken/vtoken/record"

	"github.com/stretchr/testify/require"
)

// Every field of a token comes back; a field that is added and not stored is
// found here, because filled sets them all.
func TestTokenRoundTrip(t *testing.T) {
	id, tenant := schema.ID{1}, schema.ID{2}
	var want record.Token
	fillFields(t, reflect.ValueOf(&want).Elem())
	want.ID, want.Tenant, want.Version = record.TokenID(text(id)), record.TenantID(text(tenant)), 7
	want.UserPIN.Policy, want.SOPIN.Policy = pin.Default, pin.Default
	want.Policy = policy.Policy{Name: policy.Legacy}
	b, err := json.Marshal(encodeToken(&want))
	require.NoError(t, err)
	var j tokenJSON
	require.NoError(t, json.Unmarshal(b, &j))
	got := j.token(id, tenant, 7)
	require.True(t, reflect.DeepEqual(got, &want), "got\n%+v, want\n%+v", got, &want)
}

// fillFields gives every field a value that is not zero.
func fillFields(t *testing.T, v reflect.Value) {
	t.Helper()
	if v.Type() == reflect.TypeFor[time.Time]() {
		v.Set(reflect.ValueOf(time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fillFields(t, v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fillFields(t, v.Index(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			fillFields(t, v.Index(i))
		}
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(3)
	case reflect.Uint64, reflect.Uint8:
		v.SetUint(3)
	default:
		t.Fatalf("a token has a %v, which this test does not know", v.Type())
	}
}

// Records from before there were activations and several holders.
func TestOldTokenRecords(t *testing.T) {
	for old, want := range map[string]record.Activation{
		`{"slot":1,"holder":"u","complete":true,"enabled":true}`:                     record.Activated,
		`{"slot":1,"holder":"u","enabled":true}`:                                     record.ActivationNew,
		`{"slot":1,"holders":[{"user":"u"}],"complete":true,"activation":""}`:        record.ActivationNew,
		`{"slot":1,"holders":[{"user":"u"}],"activation":"activated"}`:               record.Activated,
		`{"slot":1,"holders":[{"user":"u"}],"complete":true,"activation":"pending"}`: record.ActivationPending,
	} {
		var j tokenJSON
		require.NoError(t, json.Unmarshal([]byte(old), &j))
		got := j.token(schema.ID{}, schema.ID{}, 1)
		if got.Activation != want || got.Owner() != "u" || len(got.Holders) != 1 {
			t.Errorf("%s: activation %q, holders %v", old, got.Activation, got.Holders)
		}
	}
}
