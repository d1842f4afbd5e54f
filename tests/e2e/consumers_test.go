package e2e

import "testing"

// TestConsumers runs the pages of docs/consumers: stock programs with our
// module, by the very commands that the pages give to people.
func TestConsumers(t *testing.T) {
	t.Parallel()
	run(t, "testdata/consumers", modules(t)["vtoken-module"])
}
