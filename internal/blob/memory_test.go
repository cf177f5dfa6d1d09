package blob

import (
	"io"
	"testing"
)

// zeros is endless content that takes no memory.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestPutStreams shows that a put's memory does not grow with its content.
func TestPutStreams(t *testing.T) {
	d := open(t, t.TempDir()) // not parallel: it counts allocations
	allocated := func(size int64) int64 {
		result := testing.Benchmark(func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.Put(b.Context(), "large", io.LimitReader(zeros{}, size)); err != nil {
					b.Fatal(err)
				}
			}
		})
		return result.AllocedBytesPerOp()
	}
	if n := allocated(24 << 20); n > 2*copyBuffer {
		t.Errorf("a put of 24 MiB allocates %d bytes", n)
	}
}
