package api_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning/api"
)

func TestCredentialKeepsItsOrder(t *testing.T) {
	for text, want := range map[string]api.Credential{
		`{}`: nil,
		`{"zebra":"1","ant":"two \"words\" \u0026 more","":"\n"}`: {
			{Name: "zebra", Value: api.Secret("1")},
			{Name: "ant", Value: api.Secret(`two "words" & more`)},
			{Name: "", Value: api.Secret("\n")},
		},
	} {
		var got api.Credential
		require.NoError(t, json.Unmarshal([]byte(text), &got), text)
		require.Equal(t, want, got)
		written, err := json.Marshal(got)
		require.NoError(t, err)
		require.Equal(t, text, string(written))
	}
}

func TestCredentialIsAnObjectOfStrings(t *testing.T) {
	for _, text := range []string{`[]`, `"text"`, `1`, `{"a":1}`, `{"a":{}}`} {
		require.Error(t, json.Unmarshal([]byte(text), new(api.Credential)), text)
	}
}

func TestWipe(t *testing.T) {
	secret := api.Secret("vtk_abc")
	k := api.CreatedAPIKey{Key: api.Secret("vtk_def"), Credential: api.Credential{{Name: "id"}, {Name: "secret", Value: secret}}}
	k.Wipe()
	require.Equal(t, make([]byte, 7), []byte(secret))
	require.Equal(t, make([]byte, 7), []byte(k.Key))
}
