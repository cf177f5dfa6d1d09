package invoke

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// A function's answer may have 6 MiB, and not a byte more; one that is refused for
// its size leaves the invocation open.
func TestAnswerSize(t *testing.T) {
	t.Parallel()
	i := newInvocation("1", []byte("{}"), time.Now().Add(time.Minute), "arn")
	for _, test := range []struct {
		size, status int
		over         bool
	}{{6<<20 + 1, http.StatusRequestEntityTooLarge, false}, {6 << 20, http.StatusAccepted, true}} {
		w := httptest.NewRecorder()
		i.handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/2018-06-01/runtime/invocation/1/response", strings.NewReader(strings.Repeat(" ", test.size))))
		if w.Code != test.status || i.over != test.over {
			t.Errorf("%d bytes: %d %s, over %v", test.size, w.Code, w.Body, i.over)
		}
	}
	if len(i.result) != 6<<20 {
		t.Errorf("%d bytes", len(i.result))
	}
}
