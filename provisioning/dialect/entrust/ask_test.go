package entrust_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vtoken/provisioning/dialect/dialecttest"
)

// ask sends JSON and reads the answer into out; it fails where the status is not
// the one that is wanted.
func ask(t testing.TB, s *dialecttest.Server, session, method, path, body string, want int, out any) http.Header {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "https://localhost/api/web/v1/"+path, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	if session != "" {
		r.Header.Set("Authorization", session)
	}
	answer := s.Do(r)
	b, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != want {
		t.Fatalf("%s %s: %d, want %d: %s (%v)", method, path, answer.StatusCode, want, b, err)
	}
	if out != nil {
		if err := json.Unmarshal(b, out); err != nil {
			t.Fatalf("%s %s: %v: %s", method, path, err, b)
		}
	}
	return answer.Header
}

// session begins a session of an application.
func session(t testing.TB, s *dialecttest.Server, id, key string) string {
	t.Helper()
	var out struct{ AuthToken string }
	ask(t, s, "", http.MethodPost, "adminapi/authenticate", fmt.Sprintf(`{"applicationId": %q, "sharedSecret": %q}`, id, key), 200, &out)
	return out.AuthToken
}

func unlockCode(t testing.TB, s *dialecttest.Server, k map[string]string, challenge string) string {
	t.Helper()
	var out struct{ UnlockCode string }
	ask(t, s, k["session"], http.MethodPut, "tokens/"+k["hard"]+"/unlock", `{"unlockChallenge": "`+challenge+`"}`, 200, &out)
	return out.UnlockCode
}
