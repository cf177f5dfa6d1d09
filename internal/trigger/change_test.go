package trigger_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/trigger"
)

// watch makes a pipeline with S3 sources, one for each configuration, and returns
// what its executions after the first are started for, oldest first.
func (b *bed) watch(name string, mode pipeline.ExecutionMode, configurations ...map[string]string) func() []string {
	b.t.Helper()
	decl := declaration()
	decl.Name, decl.ExecutionMode = name, mode
	decl.Stages[0].Actions = nil
	for i, c := range configurations {
		decl.Stages[0].Actions = append(decl.Stages[0].Actions, pipeline.ActionDeclaration{
			Name: fmt.Sprintf("Fetch%d", i), ActionTypeID: s3Source{}.Type().ID, Configuration: c,
			OutputArtifacts: []pipeline.OutputArtifact{{Name: fmt.Sprintf("src%d", i)}},
		})
	}
	decl.Stages[1].Actions[0].InputArtifacts = []pipeline.InputArtifact{{Name: "src0"}}
	p, err := b.dispatch.CreatePipeline(b.t.Context(), account, region, dispatch.CreateRequest{Declaration: decl, By: "arn:me"})
	if err != nil {
		b.t.Fatal(err)
	}
	return func() []string {
		b.t.Helper()
		list, err := b.dispatch.Executions(b.t.Context(), p, dispatch.Place{}, 100)
		if err != nil {
			b.t.Fatal(err)
		}
		said := []string{}
		for i := len(list) - 2; i >= 0; i-- {
			text := list[i].Trigger.Type + " " + list[i].Trigger.Detail
			for _, o := range list[i].Overrides {
				text += fmt.Sprintf(" %s=%s", o.RevisionType, o.RevisionValue)
			}
			said = append(said, text)
		}
		return said
	}
}

func s3Of(key string, more ...string) map[string]string {
	c := map[string]string{"S3Bucket": "in", "S3ObjectKey": key}
	for i := 0; i+1 < len(more); i += 2 {
		c[more[i]] = more[i+1]
	}
	return c
}

// wrote records a version as the S3 face does.
func (b *bed) wrote(key, version string, sequence int64) {
	b.t.Helper()
	if err := b.tryPut(key, version, sequence); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) tryPut(key, version string, sequence int64) error {
	return b.db.Write(b.t.Context(), func(tx *db.Tx) error {
		return trigger.RecordChange(tx, trigger.Change{Account: account, Bucket: "in", Key: key, VersionID: version, Sequence: sequence})
	})
}

func (b *bed) startChanged() {
	b.t.Helper()
	if err := b.StartChanged(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) wantStarts(what string, got []string, want ...string) {
	b.t.Helper()
	if diff := cmp.Diff(append([]string{}, want...), got); diff != "" {
		b.t.Errorf("%s starts (-want +got):\n%s", what, diff)
	}
}

func (b *bed) changesLeft() int {
	b.t.Helper()
	n := 0
	err := b.db.Read(b.t.Context(), func(tx *db.Tx) error {
		return tx.QueryRow(`select count(*) from source_changes`).Scan(&n)
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

// TestChanges writes versions, and looks at what they start.
func TestChanges(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		b.wrote("a.zip", "before", 1) // nobody watches yet
		b.startChanged()
		superseded := b.watch("superseded", "", s3Of("a.zip"))
		queued := b.watch("queued", pipeline.ModeQueued, s3Of("a.zip", "PollForSourceChanges", "TRUE"), s3Of("b.zip"))
		parallel := b.watch("parallel", pipeline.ModeParallel, s3Of("a.zip", "PollForSourceChanges", "true"))
		off := b.watch("off", "", s3Of("a.zip", "PollForSourceChanges", "false"), s3Of("b.zip", "PollForSourceChanges", "yes"))
		twice := b.watch("twice", "", s3Of("b.zip"), s3Of("b.zip"))
		b.wrote("a.zip", "v1", 2)
		b.wrote("other.zip", "x1", 1)
		b.wrote("b.zip", "w1", 1)
		b.wrote("a.zip", "v2", 3)
		b.startChanged()
		b.startChanged()
		b.wantStarts("superseded", superseded(),
			"PollForSourceChanges Fetch0 S3_OBJECT_VERSION_ID=v1", "PollForSourceChanges Fetch0 S3_OBJECT_VERSION_ID=v2")
		b.wantStarts("queued", queued(), "PollForSourceChanges Fetch0 S3_OBJECT_VERSION_ID=v1",
			"PollForSourceChanges Fetch1 S3_OBJECT_VERSION_ID=w1", "PollForSourceChanges Fetch0 S3_OBJECT_VERSION_ID=v2")
		b.wantStarts("parallel", parallel(), "PollForSourceChanges Fetch0", "PollForSourceChanges Fetch0")
		b.wantStarts("twice", twice(),
			"PollForSourceChanges Fetch0 S3_OBJECT_VERSION_ID=w1", "PollForSourceChanges Fetch1 S3_OBJECT_VERSION_ID=w1")
		b.wantStarts("off", off())
		if n := b.changesLeft(); n != 0 {
			t.Errorf("%d changes are left", n)
		}
	})
}

// TestChangeOfNewPipeline has a version that was written before its pipeline was
// made, and that nobody looked at until then.
func TestChangeOfNewPipeline(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		b.wrote("a.zip", "v1", 1)
		b.change(`update source_changes set at = at - 1000`)
		starts := b.watch("late", "", s3Of("a.zip"))
		b.startChanged()
		b.wantStarts("late", starts())
	})
}

// TestChangeFaults fails every write between the commit of the version and the end
// in every way; who comes then starts one execution for it.
func TestChangeFaults(t *testing.T) {
	t.Parallel()
	dbtest.Faults(t, func(t *testing.T, d *db.DB, f *db.Faults) {
		b := newBed(t, d)
		b.freeze()
		starts := b.watch("watched", "", s3Of("a.zip"))
		b.hold("watched")
		want := []string{}
		version := func(n int) string { return fmt.Sprint("v", n) }
		for skip := range 3 { // the claim, the start, the deletion
			for _, fault := range []db.Fault{db.FaultBefore, db.FaultLost, db.FaultAfter} {
				n := len(want)
				b.wrote("a.zip", version(n), int64(n+1))
				f.Arm(fault, skip, 1)
				err := b.StartChanged(t.Context())
				f.Arm(db.FaultNone, 0, 0)
				// The node dies and comes back.
				b.restarted()
				want = append(want, "PollForSourceChanges Fetch0 S3_OBJECT_VERSION_ID="+version(n))
				b.wantStarts(fmt.Sprint("fault ", fault, " of write ", skip, " (", err, ")"), starts(), want...)
			}
		}
		if n := b.changesLeft(); n != 0 {
			t.Errorf("%d changes are left", n)
		}
	})
}

// TestChangeNotCommitted undoes the put: nothing is started.
func TestChangeNotCommitted(t *testing.T) {
	t.Parallel()
	dbtest.Faults(t, func(t *testing.T, d *db.DB, f *db.Faults) {
		b := newBed(t, d)
		b.freeze()
		starts := b.watch("watched", "", s3Of("a.zip"))
		b.hold("watched")
		f.Arm(db.FaultBefore, 0, 1)
		if err := b.tryPut("a.zip", "v1", 1); err == nil {
			t.Error("the put was committed")
		}
		b.startChanged()
		b.wantStarts("an undone put", starts())
	})
}

// TestChangesOfTwoNodes has two nodes look at once.
func TestChangesOfTwoNodes(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		starts := b.watch("watched", pipeline.ModeQueued, s3Of("a.zip"))
		cfg := b.Config
		cfg.Node = "other"
		other := trigger.New(cfg)
		var want []string
		for n := range 10 {
			version := fmt.Sprint("v", n)
			b.wrote("a.zip", version, int64(n+1))
			want = append(want, "PollForSourceChanges Fetch0 S3_OBJECT_VERSION_ID="+version)
		}
		failed := make(chan error, 2)
		for _, node := range []*trigger.Store{b.Store, other} {
			go func() { failed <- node.StartChanged(t.Context()) }()
		}
		for range 2 {
			if err := <-failed; err != nil {
				t.Error(err)
			}
		}
		b.startChanged()
		b.wantStarts("watched", starts(), want...)
	})
}

// TestChangesInOrder has a node die with a version in its hands: those after it
// wait until its claim is over.
func TestChangesInOrder(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		starts := b.watch("watched", pipeline.ModeQueued, s3Of("a.zip"))
		b.wrote("a.zip", "v1", 1)
		b.wrote("a.zip", "v2", 2)
		b.change(`update source_changes set node = 'other', claimed = at where version_id = 'v1'`)
		b.startChanged()
		b.wantStarts("watched", starts())
		b.change(`update source_changes set claimed = at - 31000 where version_id = 'v1'`)
		b.startChanged()
		b.wantStarts("watched", starts(),
			"PollForSourceChanges Fetch0 S3_OBJECT_VERSION_ID=v1", "PollForSourceChanges Fetch0 S3_OBJECT_VERSION_ID=v2")
	})
}

// TestOldChange has a row left behind whose start nobody remembers any more, but
// whose execution is there.
func TestOldChange(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		starts := b.watch("watched", pipeline.ModeQueued, s3Of("a.zip"))
		b.change(`update pipelines set created = created - 200000000`)
		b.wrote("a.zip", "v1", 1)
		b.startChanged()
		b.change(`delete from start_tokens`)
		b.wrote("a.zip", "v1", 1)
		b.change(`update source_changes set at = at - 100000000`)
		b.startChanged()
		b.wantStarts("watched", starts(), "PollForSourceChanges Fetch0 S3_OBJECT_VERSION_ID=v1")
	})
}

// change makes of the database what only time could.
func (b *bed) change(statement string) {
	b.t.Helper()
	err := b.db.Write(b.t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(statement)
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// versions are the newest of an S3 elsewhere.
type versions map[string]string

func (v versions) Newest(_ context.Context, bucket, key string) (string, error) {
	return v[bucket+"/"+key], nil
}

// TestPollSources polls an S3 elsewhere, by the time that it is told.
func TestPollSources(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		newest := versions{}
		b := newBed(t, d, func(c *trigger.Config) { c.Account, c.Versions = account, newest })
		b.freeze()
		starts := b.watch("polled", "", s3Of("a.zip"))
		b.watch("off", "", s3Of("a.zip", "PollForSourceChanges", "false"))
		b.ended("polled") // it fetched r1
		now, want := int64(1_000_000), []string{}
		poll := func(after int64, version string, started bool) {
			t.Helper()
			now += after
			newest["in/a.zip"] = version
			if err := b.PollSources(t.Context(), now); err != nil {
				t.Fatal(err)
			}
			if started {
				want = append(want, "PollForSourceChanges Fetch0 S3_OBJECT_VERSION_ID="+version)
			}
			b.wantStarts(fmt.Sprint("version ", version), starts(), want...)
		}
		poll(0, "", false)
		poll(119_999, "v1", false) // not due
		poll(1, "v1", true)
		poll(120_000, "v1", false)
		poll(1_000, "v2", false)
		poll(119_000, "v2", true)
		poll(120_000, "", false) // deleted
		poll(120_000, "v3", true)
	})
}

// TestPollFirst does not start anything for what the first execution fetched.
func TestPollFirst(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		newest := versions{"in/a.zip": "r1"}
		b := newBed(t, d, func(c *trigger.Config) { c.Account, c.Versions = account, newest })
		starts := b.watch("polled", "", s3Of("a.zip", "S3ObjectKey", "a.zip"))
		b.ended("polled")
		if err := b.PollSources(t.Context(), 1_000_000); err != nil {
			t.Fatal(err)
		}
		b.wantStarts("the first version", starts())
	})
}

// s3Source stands for the S3 source: it fetches r1 unless told otherwise.
type s3Source struct{ source }

func (s3Source) Type() pipeline.ActionType {
	return pipeline.ActionType{
		ID: pipeline.ActionTypeID{Category: "Source", Owner: "AWS", Provider: "S3", Version: "1"},
		Properties: []pipeline.ConfigurationProperty{
			{Name: "S3Bucket", Required: true}, {Name: "S3ObjectKey", Required: true}, {Name: "PollForSourceChanges"},
		},
		Outputs: pipeline.ArtifactBounds{Min: 1, Max: 1}, WhenLost: pipeline.LostAgain,
	}
}

func (s s3Source) Start(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	report, err := s.source.Start(ctx, a)
	for _, o := range a.Overrides {
		report.Revision = &pipeline.Revision{ID: o.RevisionValue}
	}
	return report, err
}

func (s s3Source) Await(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	return s.Start(ctx, a)
}

// ended waits for the end of the first execution of a pipeline.
func (b *bed) ended(name string) {
	b.t.Helper()
	p, err := b.dispatch.Pipeline(b.t.Context(), key(name), 0)
	if err != nil {
		b.t.Fatal(err)
	}
	for {
		list, err := b.dispatch.Executions(b.t.Context(), p, dispatch.Place{}, 1)
		if err != nil {
			b.t.Fatal(err)
		}
		if list[0].Ended() {
			return
		}
	}
}

// hold keeps further executions of a pipeline from running.
func (b *bed) hold(name string) {
	b.t.Helper()
	b.ended(name)
	if err := b.dispatch.SetTransition(b.t.Context(), key(name), engine.SetTransition{Stage: "Source", Disabled: true}); err != nil {
		b.t.Fatal(err)
	}
}

// restarted does what a node does when it is started again.
func (b *bed) restarted() {
	b.t.Helper()
	if err := b.Look(b.t.Context(), true); err != nil {
		b.t.Fatal(err)
	}
}
