package trigger_test

import (
	"fmt"
	"testing"

	"github.com/penstock-cd/penstock/internal/db/dbtest"
	"github.com/penstock-cd/penstock/internal/dispatch"
)

// BenchmarkChanges starts what a version of an object starts, nothing, while many
// pipelines watch other objects. Of "updated", one of them is changed before each.
func BenchmarkChanges(b *testing.B) {
	for _, n := range []int{10, 400} {
		bed := newBed(b, dbtest.SQLite(b))
		for i := range n {
			decl := s3Pipeline(fmt.Sprint("watching", i), s3Of(fmt.Sprint(i, ".zip")))
			if _, err := bed.dispatch.CreatePipeline(b.Context(), account, region, dispatch.CreateRequest{Declaration: decl, Polled: true}); err != nil {
				b.Fatal(err)
			}
		}
		sequence := int64(0)
		for _, updated := range []bool{false, true} {
			b.Run(fmt.Sprintf("pipelines=%d/updated=%v", n, updated), func(b *testing.B) {
				for b.Loop() {
					b.StopTimer()
					sequence++
					bed.wrote("nobody.zip", fmt.Sprint("v", sequence), sequence)
					if updated {
						if _, err := bed.dispatch.UpdatePipeline(b.Context(), account, region, s3Pipeline("watching0", s3Of("0.zip"))); err != nil {
							b.Fatal(err)
						}
					}
					b.StartTimer()
					bed.startChanged()
				}
			})
		}
	}
}
