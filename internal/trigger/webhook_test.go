package trigger_test

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/trigger"
)

// hook is a good definition.
func hook(name string) trigger.Definition {
	return trigger.Definition{
		Name: name, Pipeline: "web", Action: "Fetch", Authentication: trigger.AuthenticationGitHub, SecretToken: "s3cret",
		Filters: []trigger.Filter{{JSONPath: "$.ref", MatchEquals: "refs/heads/{Branch}"}},
	}
}

func (b *bed) put(d trigger.Definition, tags map[string]string) trigger.Webhook {
	b.t.Helper()
	w, err := b.PutWebhook(b.t.Context(), account, region, d, tags)
	if err != nil {
		b.t.Fatal(err)
	}
	return w
}

func (b *bed) webhook(name string) trigger.Webhook {
	b.t.Helper()
	w, err := b.Webhook(b.t.Context(), key(name))
	if err != nil {
		b.t.Fatal(err)
	}
	return w
}

func TestWebhook(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		made := b.put(hook("push"), map[string]string{"team": "a"})
		want := hook("push")
		want.SecretToken = trigger.Masked
		read := b.webhook("push")
		for _, w := range []trigger.Webhook{made, read} {
			if diff := cmp.Diff(want, w.Definition); diff != "" {
				t.Errorf("definition (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(map[string]string{"team": "a"}, w.Tags); diff != "" {
				t.Errorf("tags (-want +got):\n%s", diff)
			}
		}
		if made.URL != read.URL || made.Created != read.Created || made.Created == 0 || made.ID != read.ID {
			t.Errorf("made %+v, read %+v", made, read)
		}
		u, err := url.Parse(made.URL)
		if err != nil || u.Host != "127.0.0.1:8700" || u.Path != "/trigger" || u.Query().Get("v") != "1" || len(u.Query().Get("t")) < 40 {
			t.Errorf("URL %s, %v", made.URL, err)
		}
		if read.Secret() != "s3cret" {
			t.Errorf("secret %q", read.Secret())
		}
	})
}

// TestWebhookReplaced checks what an update changes: not the URL, and the secret
// and the tags only if it says so.
func TestWebhookReplaced(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		made := b.put(hook("push"), map[string]string{"team": "a"})
		d := hook("push")
		d.SecretToken, d.Filters = trigger.Masked, nil
		b.put(d, nil)
		w := b.webhook("push")
		if w.URL != made.URL || w.Secret() != "s3cret" || len(w.Filters) != 0 || w.Tags["team"] != "a" || w.Created != made.Created {
			t.Errorf("made %+v, then %+v", made, w)
		}
		d.SecretToken = "another"
		b.put(d, map[string]string{"cost": "7"})
		w = b.webhook("push")
		if diff := cmp.Diff(map[string]string{"cost": "7"}, w.Tags); diff != "" || w.Secret() != "another" || w.URL != made.URL {
			t.Errorf("then %+v; tags (-want +got):\n%s", w, diff)
		}
		b.put(trigger.Definition{
			Name: "push", Pipeline: "web", Action: "Fetch", Authentication: trigger.AuthenticationIP, AllowedIPRange: "192.0.2.0/24",
		}, nil)
		if w = b.webhook("push"); w.Secret() != "" || w.SecretToken != "" || w.AllowedIPRange != "192.0.2.0/24" {
			t.Errorf("the secret outlives its use: %+v, %q", w, w.Secret())
		}
	})
}

// TestWebhookDeleted checks that a later webhook of the same name is another.
func TestWebhookDeleted(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		made := b.put(hook("push"), map[string]string{"team": "a"})
		other := b.put(hook("other"), nil)
		for range 2 {
			if err := b.DeleteWebhook(t.Context(), key("push")); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := b.Webhook(t.Context(), key("push")); !errors.Is(err, trigger.ErrWebhookNotFound) {
			t.Errorf("the deleted webhook: %v", err)
		}
		again := b.put(hook("push"), nil)
		if again.URL == made.URL || again.ID == made.ID || len(b.webhook("push").Tags) != 0 {
			t.Errorf("made %+v, deleted, made again %+v", made, again)
		}
		if b.webhook("other").URL != other.URL {
			t.Error("deleting a webhook changed another one")
		}
	})
}

func TestWebhookList(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		for _, name := range []string{"b", "a-1", "B", "a"} {
			b.put(hook(name), nil)
		}
		names := func(region, after string, limit int) (list []string) {
			page, err := b.Webhooks(t.Context(), account, region, after, limit)
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range page {
				list = append(list, w.Name)
				if w.SecretToken != trigger.Masked || w.URL == "" {
					t.Errorf("listed %+v", w)
				}
			}
			return list
		}
		for _, tc := range []struct {
			region, after string
			limit         int
			want          []string
		}{
			{region, "", 10, []string{"B", "a", "a-1", "b"}},
			{region, "", 2, []string{"B", "a"}},
			{region, "a", 2, []string{"a-1", "b"}},
			{"us-east-1", "", 10, nil},
		} {
			if diff := cmp.Diff(tc.want, names(tc.region, tc.after, tc.limit)); diff != "" {
				t.Errorf("%s after %q (-want +got):\n%s", tc.region, tc.after, diff)
			}
		}
	})
}

func TestWebhookRefused(t *testing.T) {
	const oneProperty = "Optional['authenticationConfig' should contain only one property: '%s']"
	each(t, func(t *testing.T, b *bed) {
		for _, tc := range []struct {
			name   string
			change func(*trigger.Definition)
			is     error
			text   string
		}{
			{name: "no secret", change: func(d *trigger.Definition) { d.SecretToken = "" }, text: fmt.Sprintf(oneProperty, "SecretToken")},
			{name: "secret and range", change: func(d *trigger.Definition) { d.AllowedIPRange = "192.0.2.0/24" }, text: fmt.Sprintf(oneProperty, "SecretToken")},
			{name: "secret for IP", change: func(d *trigger.Definition) { d.Authentication = trigger.AuthenticationIP }, text: fmt.Sprintf(oneProperty, "AllowedIPRange")},
			{name: "address for IP", change: func(d *trigger.Definition) {
				d.Authentication, d.SecretToken, d.AllowedIPRange = trigger.AuthenticationIP, "", "192.0.2.1"
			}, text: "CIDR"},
			{name: "secret for nobody", change: func(d *trigger.Definition) { d.Authentication = trigger.AuthenticationNone }, text: "should contain no property"},
			{name: "unknown authentication", change: func(d *trigger.Definition) { d.Authentication = "HMAC" }, text: "'authentication' should be one of"},
			{name: "mask without a secret", change: func(d *trigger.Definition) { d.SecretToken = trigger.Masked }, text: "it has none"},
			{name: "path", change: func(d *trigger.Definition) { d.Filters[0].JSONPath = "$.a[" }, text: "The JSON path '$.a[' of filter 1 is not valid: it ends too early"},
			{name: "placeholder", change: func(d *trigger.Definition) { d.Filters[0].MatchEquals = "{Branch}/{Owner}" }, text: "refers to 'Owner', which the configuration of action 'Fetch' does not have"},
			{name: "pipeline", change: func(d *trigger.Definition) { d.Pipeline = "none" }, is: dispatch.ErrPipelineNotFound},
			{name: "action", change: func(d *trigger.Definition) { d.Action = "none" }, is: trigger.ErrTargetAction},
			{name: "action of another stage", change: func(d *trigger.Definition) { d.Action = "Make" }, is: trigger.ErrTargetAction},
		} {
			d := hook("push")
			tc.change(&d)
			_, err := b.PutWebhook(t.Context(), account, region, d, nil)
			if err == nil || tc.is != nil && !errors.Is(err, tc.is) || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("%s: %v", tc.name, err)
			}
		}
		if list, err := b.Webhooks(t.Context(), account, region, "", 10); err != nil || len(list) != 0 {
			t.Errorf("refused webhooks are there: %v, %v", list, err)
		}
		d := hook("json")
		d.Filters = append(d.Filters, trigger.Filter{JSONPath: "$.a", MatchEquals: `{"a": 1}`})
		b.put(d, nil)
	})
}

// TestWebhookQuota has many ask for the last places at the same time.
func TestWebhookQuota(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := newBed(t, d, func(c *trigger.Config) { c.MaxWebhooks = 3 })
		var all sync.WaitGroup
		errs := make([]error, 12)
		for i := range errs {
			all.Go(func() {
				_, errs[i] = b.PutWebhook(t.Context(), account, region, hook(fmt.Sprint("hook", i)), nil)
			})
		}
		all.Wait()
		refused := 0
		for _, err := range errs {
			if errors.Is(err, trigger.ErrTooManyWebhooks) {
				refused++
			} else if err != nil {
				t.Error(err)
			}
		}
		list, err := b.Webhooks(t.Context(), account, region, "", 100)
		if err != nil || len(list) != 3 || refused != 9 {
			t.Errorf("%d webhooks, %d refused, %v", len(list), refused, err)
		}
		b.put(hook(list[0].Name), nil) // no new one
		if _, err := b.PutWebhook(t.Context(), account, region, hook("more"), nil); !errors.Is(err, trigger.ErrTooManyWebhooks) {
			t.Errorf("one more: %v", err)
		}
		if err := b.DeleteWebhook(t.Context(), list[0].Key); err != nil {
			t.Fatal(err)
		}
		b.put(hook("more"), nil)
	})
}

// TestWebhookAtOnce has several put the same webhook at the same time: it is one.
func TestWebhookAtOnce(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		var all sync.WaitGroup
		hooks := make([]trigger.Webhook, 4)
		errs := make([]error, len(hooks))
		for i := range hooks {
			all.Go(func() { hooks[i], errs[i] = b.PutWebhook(t.Context(), account, region, hook("push"), nil) })
		}
		all.Wait()
		url := b.webhook("push").URL
		for i, w := range hooks {
			if errs[i] != nil || w.URL != url {
				t.Errorf("%s, %v; want %s", w.URL, errs[i], url)
			}
		}
	})
}

// TestWebhookFaults repeats what failed: whether it was stored or not, one
// webhook results.
func TestWebhookFaults(t *testing.T) {
	t.Parallel()
	dbtest.Faults(t, func(t *testing.T, d *db.DB, f *db.Faults) {
		b := newBed(t, d)
		b.freeze()
		for _, fault := range []db.Fault{db.FaultBefore, db.FaultLost, db.FaultAfter} {
			f.Arm(fault, 0, 1)
			if _, err := b.PutWebhook(t.Context(), account, region, hook("push"), nil); err == nil {
				t.Errorf("fault %d is not told", fault)
			}
		}
		stored := b.webhook("push")
		if w := b.put(hook("push"), nil); w.URL != stored.URL {
			t.Errorf("stored %s, repeated %s", stored.URL, w.URL)
		}
		f.Arm(db.FaultConflict, 0, 2)
		if w := b.put(hook("push"), nil); w.URL != stored.URL {
			t.Errorf("stored %s, after conflicts %s", stored.URL, w.URL)
		}
		f.Arm(db.FaultConflict, 0, 100)
		if _, err := b.PutWebhook(t.Context(), account, region, hook("push"), nil); !errors.Is(err, trigger.ErrConcurrent) {
			t.Errorf("conflicts without end: %v", err)
		}
	})
}

// TestWebhookSealed looks into the database: it reveals neither URL nor secret,
// and what is sealed for one webhook is of no use to another.
func TestWebhookSealed(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		w, other := b.put(hook("push"), nil), b.put(hook("other"), nil)
		u, err := url.Parse(w.URL)
		if err != nil {
			t.Fatal(err)
		}
		var row string
		err = b.db.Read(t.Context(), func(tx *db.Tx) error {
			return tx.QueryRow(`select definition || ' ' || token_hash || ' ' || sealed from webhooks where id = $1`, w.ID).Scan(&row)
		})
		if err != nil || strings.Contains(row, u.Query().Get("t")) || strings.Contains(row, "s3cret") {
			t.Errorf("stored %s, %v", row, err)
		}
		err = b.db.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(`update webhooks set sealed = (select s.sealed from webhooks s where s.id = $1) where id = $2`, w.ID, other.ID)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Webhook(t.Context(), key("other")); err == nil {
			t.Error("a webhook took over what is sealed for another one")
		}
	})
}

func TestWebhookTags(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		w := b.put(hook("push"), map[string]string{"a": "1", "b": "2"})
		if err := b.SetTags(t.Context(), w, map[string]string{"b": "3", "c": ""}); err != nil {
			t.Fatal(err)
		}
		if err := b.RemoveTags(t.Context(), w, []string{"a", "none"}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]string{"b": "3", "c": ""}, b.webhook("push").Tags); diff != "" {
			t.Errorf("tags (-want +got):\n%s", diff)
		}
		many := map[string]string{}
		for i := range dispatch.MaxTags - 1 {
			many[fmt.Sprint("k", i)] = "v"
		}
		if err := b.SetTags(t.Context(), w, many); !errors.Is(err, dispatch.ErrTooManyTags) {
			t.Errorf("51 tags: %v", err)
		}
		if n := len(b.webhook("push").Tags); n != 2 {
			t.Errorf("%d tags after a refusal", n)
		}
	})
}
