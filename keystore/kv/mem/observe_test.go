package mem_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"vtoken/keystore/kv"
	"vtoken/keystore/kv/mem"

	"github.com/stretchr/testify/require"
)

// TestObserve: commits are told, with how many updates shared them; what wrote
// nothing is none.
func TestObserve(t *testing.T) {
	db := kv.Group(mem.New())
	var told []string
	db.Observe(func(updates int, took time.Duration, err error) {
		require.GreaterOrEqual(t, took, time.Duration(0), "it took %v", took)
		told = append(told, fmt.Sprint(updates, " ", err))
	})
	put := func(w kv.Tx) error { return w.Put([]byte("a"), []byte("1")) }
	refused := errors.New("refused")
	for _, step := range []struct {
		fn   func(kv.Tx) error
		want error
	}{
		{put, nil},
		{func(kv.Tx) error { return nil }, nil},
		{func(w kv.Tx) error { return errors.Join(put(w), refused) }, refused},
		{put, nil},
	} {
		if err := db.Update(step.fn); !errors.Is(err, step.want) {
			t.Errorf("%v, want %v", err, step.want)
		}
	}
	want := []string{"1 <nil>", "1 <nil>"}
	require.Equal(t, want, told, "told %q, want %q", told, want)
}
