package e2e

import "testing"

// TestAPIs runs the pages of docs/api: the life of a token by each vendor's API with
// curl, by the very commands that the pages give to people. What the APIs make of each
// other's tokens, TestMixedAPIs asks.
func TestAPIs(t *testing.T) {
	t.Parallel()
	run(t, "testdata/api", modules(t)["vtoken-module"])
}
