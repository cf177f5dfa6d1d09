package trigger_test

import (
	"testing"

	"github.com/penstock-cd/penstock/internal/pipeline"
)

// TestChangesFollowDefinitions has definitions change between changes, on another
// node: what is remembered of them is what they are.
func TestChangesFollowDefinitions(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		first, second := b.watch("first", pipeline.ModeQueued, s3Of("a.zip")), b.watch("second", pipeline.ModeQueued, s3Of("b.zip"))
		b.wrote("a.zip", "a1", 1)
		b.startChanged()
		for name, change := range map[string]func(*pipeline.Declaration){
			"first": func(d *pipeline.Declaration) {
				d.Stages[0].Actions[0].Configuration = s3Of("c.zip")
			},
			"second": func(d *pipeline.Declaration) {
				d.ExecutionMode = pipeline.ModeParallel
			},
		} {
			b.idle(name)
			p, err := b.dispatch.Pipeline(t.Context(), key(name), 0)
			if err != nil {
				t.Fatal(err)
			}
			decl := s3Pipeline(name, p.Declaration.Stages[0].Actions[0].Configuration)
			decl.ExecutionMode = p.Declaration.ExecutionMode
			change(&decl)
			if _, err := b.dispatch.UpdatePipeline(t.Context(), account, region, decl); err != nil {
				t.Fatal(err)
			}
		}
		b.wrote("a.zip", "a2", 2)
		b.wrote("b.zip", "b1", 1)
		b.wrote("c.zip", "c1", 1)
		b.startChanged()
		b.wantStarts("first", first(), "PollForSourceChanges Fetch0 S3_OBJECT_VERSION_ID=a1", "PollForSourceChanges Fetch0 S3_OBJECT_VERSION_ID=c1")
		b.wantStarts("second", second(), "PollForSourceChanges Fetch0")
		b.watch("third", pipeline.ModeQueued, s3Of("a.zip"))
		b.wrote("a.zip", "a3", 3)
		b.startChanged()
		if err := b.dispatch.DeletePipeline(t.Context(), key("third")); err != nil {
			t.Fatal(err)
		}
		third := b.watch("third", pipeline.ModeQueued, s3Of("c.zip"))
		b.wrote("a.zip", "a4", 4)
		b.wrote("c.zip", "c2", 2)
		b.startChanged()
		b.wantStarts("another third", third(), "PollForSourceChanges Fetch0 S3_OBJECT_VERSION_ID=c2")
	})
}
