package trigger_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/engine"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/trigger"
)

// s3Pipeline is a pipeline with S3 sources, one for each configuration.
func s3Pipeline(name string, configurations ...map[string]string) pipeline.Declaration {
	decl := declaration()
	decl.Name = name
	decl.Stages[0].Actions = nil
	for i, c := range configurations {
		decl.Stages[0].Actions = append(decl.Stages[0].Actions, pipeline.ActionDeclaration{
			Name: fmt.Sprintf("Fetch%d", i), ActionTypeID: s3Source{}.Type().ID, Configuration: c,
			OutputArtifacts: []pipeline.OutputArtifact{{Name: fmt.Sprintf("src%d", i)}},
		})
	}
	decl.Stages[1].Actions[0].InputArtifacts = []pipeline.InputArtifact{{Name: "src0"}}
	return decl
}

// make creates a pipeline as the service does.
func (b *bed) make(decl pipeline.Declaration) dispatch.Pipeline {
	b.t.Helper()
	p, err := b.dispatch.CreatePipeline(b.t.Context(), account, region, dispatch.CreateRequest{
		Declaration: decl, By: "arn:me", Polled: b.Polls(account, decl),
	})
	if err != nil {
		b.t.Fatal(err)
	}
	b.Watch(b.t.Context(), p)
	return p
}

// update changes a pipeline as the service does, when nothing of it runs.
func (b *bed) update(decl pipeline.Declaration) {
	b.t.Helper()
	b.idle(decl.Name)
	p, err := b.dispatch.UpdatePipeline(b.t.Context(), account, region, decl)
	if err != nil {
		b.t.Fatal(err)
	}
	b.Watch(b.t.Context(), p)
}

// idle waits until no execution of a pipeline runs.
func (b *bed) idle(name string) {
	b.t.Helper()
	for running := true; running; {
		running = false
		for _, x := range b.all(name) {
			running = running || !x.Ended()
		}
	}
}

func (b *bed) all(name string) []engine.Execution {
	b.t.Helper()
	p, err := b.dispatch.Pipeline(b.t.Context(), key(name), 0)
	if err != nil {
		b.t.Fatal(err)
	}
	list, err := b.dispatch.Executions(b.t.Context(), p, dispatch.Place{}, 100)
	if err != nil {
		b.t.Fatal(err)
	}
	return list
}

// want compares what started all executions of a pipeline, oldest first.
func (b *bed) want(what, name string, want ...string) {
	b.t.Helper()
	said := []string{}
	list := b.all(name)
	for i := len(list) - 1; i >= 0; i-- {
		text := list[i].Trigger.Type + " " + list[i].Trigger.Detail
		for _, o := range list[i].Overrides {
			text += "=" + o.RevisionValue
		}
		said = append(said, text)
	}
	b.wantStarts(what, said, want...)
}

func (b *bed) failures(name string) map[string]trigger.PollFailure {
	b.t.Helper()
	p, err := b.dispatch.Pipeline(b.t.Context(), key(name), 0)
	if err != nil {
		b.t.Fatal(err)
	}
	plan, err := b.dispatch.Plan(p, p.Version)
	if err != nil {
		b.t.Fatal(err)
	}
	failures, err := b.PollFailures(b.t.Context(), p, plan)
	if err != nil {
		b.t.Fatal(err)
	}
	return failures
}

// eachWatched runs a test with an S3 here and with one elsewhere.
func eachWatched(t *testing.T, test func(t *testing.T, b *bed, newest versions)) {
	t.Parallel()
	for _, where := range []string{"here", "elsewhere"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			dbtest.Each(t, func(t *testing.T, d *db.DB) {
				newest := versions{}
				b := newBed(t, d, func(c *trigger.Config) {
					if c.Account = account; where == "here" {
						c.Here = newest
					} else {
						c.Versions = newest
					}
				})
				test(t, b, newest)
			})
		})
	}
}

// look is a round of Run on a node that was not started just now.
func (b *bed) look() {
	b.t.Helper()
	if err := b.Look(b.t.Context(), false); err != nil {
		b.t.Fatal(err)
	}
}

// TestWatch creates and updates pipelines as observed.md 15 has it.
func TestWatch(t *testing.T) {
	eachWatched(t, func(t *testing.T, b *bed, newest versions) {
		newest["in/a.zip"], newest["in/b.zip"] = "a1", "b1"
		b.make(s3Pipeline("web2", s3Of("a.zip")))
		b.look()
		b.want("creation", "web2", "PollForSourceChanges Fetch0=a1")
		b.update(s3Pipeline("web2", s3Of("a.zip"), s3Of("c.zip", "PollForSourceChanges", "false")))
		b.look()
		b.want("an update that leaves the object", "web2", "PollForSourceChanges Fetch0=a1")
		b.update(s3Pipeline("web2", s3Of("b.zip")))
		b.look()
		b.want("an update to another object", "web2", "PollForSourceChanges Fetch0=a1", "PollForSourceChanges Fetch0=b1")
		b.update(s3Pipeline("web2", s3Of("a.zip")))
		b.look()
		b.restarted()
		b.want("an update back", "web2", "PollForSourceChanges Fetch0=a1", "PollForSourceChanges Fetch0=b1")

		b.make(s3Pipeline("two", s3Of("a.zip"), s3Of("b.zip")))
		b.look()
		b.want("two sources", "two", "PollForSourceChanges Fetch0=a1", "PollForSourceChanges Fetch1=b1")

		b.make(s3Pipeline("off", s3Of("a.zip", "PollForSourceChanges", "false")))
		b.look()
		b.want("a pipeline that is not polled", "off", "CreatePipeline arn:me")
		b.update(s3Pipeline("off", s3Of("a.zip")))
		b.look()
		b.want("polling that is turned on", "off", "CreatePipeline arn:me", "PollForSourceChanges Fetch0=a1")
		b.update(s3Pipeline("off", s3Of("a.zip", "PollForSourceChanges", "false")))
		b.update(s3Pipeline("off", s3Of("a.zip")))
		b.look()
		b.restarted()
		b.want("polling off and on", "off", "CreatePipeline arn:me", "PollForSourceChanges Fetch0=a1")
	})
}

// TestWatchMissing has pipelines whose object is not there when they are made.
func TestWatchMissing(t *testing.T) {
	eachWatched(t, func(t *testing.T, b *bed, newest versions) {
		b.make(s3Pipeline("web2", s3Of("a.zip")))
		b.look()
		b.want("a missing object", "web2")
		f := b.failures("web2")["Fetch0"]
		const said = `Could not access the Amazon S3 object: "in/a.zip". Make sure that the names of the bucket and object are both correct.`
		if f.Code != "ConfigurationError" || f.Message != said || f.At == 0 {
			t.Errorf("shown of a missing object: %+v", f)
		}
		newest["in/a.zip"] = "a1"
		b.wrote("a.zip", "a1", 1)
		b.look()
		if b.Versions != nil {
			b.pollLater(1)
		}
		b.restarted()
		b.want("the object, written later", "web2", "PollForSourceChanges Fetch0=a1")
		if got := b.failures("web2"); len(got) != 0 {
			t.Errorf("failures that are over: %+v", got)
		}
		if b.Versions == nil {
			return // it is not looked at again
		}
		delete(newest, "in/a.zip")
		b.pollLater(2)
		since := b.failures("web2")["Fetch0"].At
		b.pollLater(3)
		if got := b.failures("web2")["Fetch0"]; got.At != since || since == 0 {
			t.Errorf("a failure that lasts: %+v, since %d", got, since)
		}
	})
}

// pollLater polls when objects elsewhere are due again, for the nth time.
func (b *bed) pollLater(n int64) {
	b.t.Helper()
	var now int64
	err := b.db.Read(b.t.Context(), func(tx *db.Tx) (err error) {
		now, err = tx.Now()
		return err
	})
	if err == nil {
		err = b.PollSources(b.t.Context(), now+n*130_000)
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// denied is an S3 that says no, or nothing.
type denied struct{ err error }

func (d *denied) Newest(context.Context, string, string) (string, error) { return "v1", d.err }

// TestWatchRefused shows what people are told, and that a look which failed is
// made up for: by this process, or by the next one.
func TestWatchRefused(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		down := &denied{errors.New("down")}
		b := newBed(t, d, func(c *trigger.Config) { c.Here = down })
		b.make(s3Pipeline("web2", s3Of("a.zip")))
		if err := b.Look(t.Context(), false); err == nil {
			t.Error("an S3 that does not answer is no error")
		}
		down.err = &trigger.PollFailure{Code: "PermissionError", Message: "no"}
		b.look()
		b.want("a refused poll", "web2")
		if f := b.failures("web2")["Fetch0"]; f.Code != "PermissionError" || f.Message != "no" {
			t.Errorf("shown of a refused poll: %+v", f)
		}
		down.err = nil
		b.look() // nobody tells of permissions; a start of the server looks again
		b.want("a refused poll", "web2")
		b.pollLater(1)
		b.want("access again", "web2", "PollForSourceChanges Fetch0=v1")
		if got := b.failures("web2"); len(got) != 0 {
			t.Errorf("failures that are over: %+v", got)
		}
	})
}

// failing is an S3 that can fail, and counts what it is asked.
type failing struct {
	versions
	err   error
	asked int
}

func (f *failing) Newest(ctx context.Context, bucket, key string) (string, error) {
	f.asked++
	version, err := f.versions.Newest(ctx, bucket, key)
	return version, errors.Join(err, f.err)
}

// TestWatchLater makes up for a look that failed, at what its pipeline names by
// then: nothing is started for what another node has had the pipeline forget.
func TestWatchLater(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		here := &failing{versions: versions{"in/a.zip": "a1", "in/b.zip": "b1"}, err: errors.New("down")}
		b := newBed(t, d, func(c *trigger.Config) { c.Here = here })
		b.restarted() // all objects were looked at
		must := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range []string{"updated", "deleted", "replaced"} {
			b.make(s3Pipeline(name, s3Of("a.zip")))
		}
		_, err := b.dispatch.UpdatePipeline(t.Context(), account, region, s3Pipeline("updated", s3Of("b.zip")))
		must(err)
		must(b.dispatch.DeletePipeline(t.Context(), key("deleted")))
		must(b.dispatch.DeletePipeline(t.Context(), key("replaced")))
		_, err = b.dispatch.CreatePipeline(t.Context(), account, region, dispatch.CreateRequest{
			Declaration: s3Pipeline("replaced", s3Of("b.zip")), By: "arn:me", Polled: true,
		})
		must(err)
		here.err, here.asked = nil, 0
		b.look()
		b.want("a pipeline updated since", "updated", "PollForSourceChanges Fetch0=b1")
		b.want("another pipeline of that name", "replaced") // who made it looks at its object
		if here.asked != 1 {
			t.Errorf("asked for %d objects", here.asked)
		}
	})
}

// TestWatchDone looks once: a look that was to be made up for is, by one that comes
// with the next update.
func TestWatchDone(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		here := &failing{versions: versions{"in/a.zip": "a1", "in/b.zip": "b1"}, err: errors.New("down")}
		b := newBed(t, d, func(c *trigger.Config) { c.Here = here })
		b.restarted() // all objects were looked at
		b.make(s3Pipeline("web2", s3Of("a.zip")))
		here.err = nil
		b.update(s3Pipeline("web2", s3Of("b.zip")))
		here.asked = 0
		b.look()
		b.want("an update", "web2", "PollForSourceChanges Fetch0=b1")
		if here.asked != 0 {
			t.Errorf("asked for %d objects once more", here.asked)
		}
	})
}

// TestWatchRemembers keeps what was seen of an object of this server for as long as
// a pipeline names it: a version that was seen must not start anything when its
// history is over, and an older one was chosen since.
func TestWatchRemembers(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := newBed(t, d, func(c *trigger.Config) { c.Here = versions{"in/a.zip": "a1"} })
		b.make(s3Pipeline("web2", s3Of("a.zip")))
		b.idle("web2")
		b.change("update source_polls set checked = 1")
		b.restarted()
		if _, err := b.Prune(t.Context(), 1000); err != nil {
			t.Fatal(err)
		}
		polls := 0
		err := b.db.Read(t.Context(), func(tx *db.Tx) error {
			return tx.QueryRow("select count(*) from source_polls where version_id = 'a1'").Scan(&polls)
		})
		if err != nil || polls != 1 {
			t.Errorf("%d polls are remembered, %v", polls, err)
		}
		b.want("a start of the server", "web2", "PollForSourceChanges Fetch0=a1")
	})
}
