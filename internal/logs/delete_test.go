package logs

import (
	"errors"
	"testing"

	"github.com/penstock-cd/penstock/internal/blob"
)

func TestDeleteForgetsAStream(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, b bed) {
		s := b.node(t, "one", t.TempDir())
		w := writer(t, s, "stream-1")
		write(t, w, "a line\n")
		if err := w.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := s.Delete(t.Context(), "stream-1"); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Read(t.Context(), "stream-1", 0, 10); !errors.Is(err, ErrNoStream) {
			t.Errorf("read after delete: %v, want ErrNoStream", err)
		}
		left := 0
		if err := b.blobs.Walk(t.Context(), func(blob.Info) error { left++; return nil }); err != nil {
			t.Fatal(err)
		}
		if left != 0 {
			t.Errorf("%d blobs are left", left)
		}
	})
}
