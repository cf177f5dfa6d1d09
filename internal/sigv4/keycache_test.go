package sigv4

import (
	"strconv"
	"testing"
)

// TestKeyCacheBound: however many scopes are verified, memory is bounded.
func TestKeyCacheBound(t *testing.T) {
	t.Parallel()
	var keys KeyCache
	for n := range 3 * maxCachedKeys {
		keys.put(keyID{"secret", "20261122", strconv.Itoa(n), "s3"}, []byte{1})
		if len(keys.keys) > maxCachedKeys {
			t.Fatalf("%d keys are cached", len(keys.keys))
		}
	}
}
