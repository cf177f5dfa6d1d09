package iam_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/penstock-cd/penstock/internal/api"
	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/db/dbtest"
	"github.com/penstock-cd/penstock/internal/iam"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

// clock is a clock that tests set.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time          { return now.Add(time.Duration(c.offset.Load())) }
func (c *clock) advance(d time.Duration) { c.offset.Add(int64(d)) }

// node is a service on a database.
type node struct {
	*iam.Service
	t     *testing.T
	clock *clock
	data  string
}

func newNode(t *testing.T, d *db.DB, data string, principals ...iam.Configured) *node {
	t.Helper()
	if err := d.Migrate(t.Context(), iam.Schema()); err != nil {
		t.Fatal(err)
	}
	n := &node{t: t, clock: &clock{}, data: data}
	var err error
	n.Service, err = iam.Open(iam.Config{Dir: data, DB: d, Account: account, Principals: principals,
		RootAccessKeyID: root.AccessKeyID, RootSecretAccessKey: root.SecretAccessKey, Now: n.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// sign in with a key; the error is what the client gets.
func (n *node) signIn(c sigv4.Credentials) (api.Caller, error) {
	n.t.Helper()
	const body = `{}`
	r, err := http.NewRequest(http.MethodPost, "http://127.0.0.1/", strings.NewReader(body))
	if err != nil {
		n.t.Fatal(err)
	}
	r.RemoteAddr = "203.0.113.7:4711"
	sigv4.Sign(r, sigv4.Hash([]byte(body)), c, region, "codepipeline", n.clock.now())
	return n.Authenticate(r, []byte(body), "codepipeline")
}

func (n *node) principal(name string, policies ...string) iam.Principal {
	n.t.Helper()
	p := iam.Principal{Account: account, Name: name, Policies: map[string]string{}}
	for i, document := range policies {
		p.Policies[fmt.Sprint("p", i)] = document
	}
	p, err := n.CreatePrincipal(n.t.Context(), p)
	n.must(err)
	return p
}

func (n *node) key(principal string) sigv4.Credentials {
	n.t.Helper()
	_, c, err := n.CreateKey(n.t.Context(), account, principal)
	n.must(err)
	return c
}

func (n *node) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) want(err, want error) {
	n.t.Helper()
	if !errors.Is(err, want) {
		n.t.Errorf("error is %v, want %v", err, want)
	}
}

func wantRefused(t *testing.T, what string, err error) {
	t.Helper()
	e, ok := errors.AsType[*api.Error](err)
	if !ok || e.Code != "UnrecognizedClientException" {
		t.Errorf("%s: error is %v", what, err)
	}
}

const allowAll = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`

func TestPrincipals(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d, t.TempDir())
		ctx := t.Context()
		made, err := n.CreatePrincipal(ctx, iam.Principal{
			Account: account, Name: "alice", Policies: map[string]string{"all": allowAll}, Managed: []string{"AWSCodePipeline_ReadOnlyAccess", "AWSCodePipeline_ReadOnlyAccess"},
		})
		n.must(err)
		if made.Created == 0 || !strings.HasPrefix(made.ID, "AIDA") || made.ARN() != "arn:aws:iam::"+account+":user/alice" {
			t.Errorf("made %+v", made)
		}
		found, err := n.FindPrincipal(ctx, account, "alice")
		n.must(err)
		if diff := cmp.Diff(made, found); diff != "" {
			t.Errorf("made and found differ (-made +found):\n%s", diff)
		}
		_, err = n.CreatePrincipal(ctx, iam.Principal{Account: account, Name: "alice"})
		n.want(err, iam.ErrPrincipalExists)
		_, err = n.FindPrincipal(ctx, "999999999999", "alice")
		n.want(err, iam.ErrPrincipalNotFound)

		n.must(n.PutPolicy(ctx, account, "alice", "mine", allowAll))
		n.must(n.PutPolicy(ctx, account, "alice", "mine", allowAll))
		n.must(n.AttachPolicy(ctx, account, "alice", "AWSCodePipelineApproverAccess"))
		n.must(n.RemovePolicy(ctx, account, "alice", "all"))
		n.want(n.RemovePolicy(ctx, account, "alice", "all"), iam.ErrPolicyNotFound)
		n.must(n.RemovePolicy(ctx, account, "alice", "AWSCodePipeline_ReadOnlyAccess"))
		n.want(n.PutPolicy(ctx, account, "bob", "mine", allowAll), iam.ErrPrincipalNotFound)
		n.want(n.PutPolicy(ctx, account, "alice", "mine", `{}`), iam.ErrMalformedPolicy)
		n.want(n.PutPolicy(ctx, account, "alice", "my policy", allowAll), iam.ErrInvalidName)
		n.want(n.AttachPolicy(ctx, account, "alice", "AdministratorAccess"), iam.ErrPolicyNotFound)
		found, err = n.FindPrincipal(ctx, account, "alice")
		n.must(err)
		made.Policies, made.Managed = map[string]string{"mine": allowAll}, []string{"arn:aws:iam::aws:policy/AWSCodePipelineApproverAccess"}
		if diff := cmp.Diff(made, found); diff != "" {
			t.Errorf("after changes (-want +got):\n%s", diff)
		}
		for i := range iam.MaxPolicies - 2 {
			n.must(n.PutPolicy(ctx, account, "alice", fmt.Sprint("more", i), allowAll))
		}
		n.want(n.PutPolicy(ctx, account, "alice", "last", allowAll), iam.ErrLimit)
		n.must(n.PutPolicy(ctx, account, "alice", "mine", allowAll))

		for _, bad := range []iam.Principal{{Name: ""}, {Name: "a/b"}, {Name: "a b"}, {Name: strings.Repeat("a", 65)}} {
			_, err := n.CreatePrincipal(ctx, bad)
			n.want(err, iam.ErrInvalidName)
		}
		_, err = n.CreatePrincipal(ctx, iam.Principal{Account: account, Name: "eve", Policies: map[string]string{"p": `{"Statement":{}}`}})
		n.want(err, iam.ErrMalformedPolicy)
		n.want(n.DeletePrincipal(ctx, account, "eve"), iam.ErrPrincipalNotFound)
	})
}

func TestListsOfPrincipalsAndKeys(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		fixed := iam.Configured{Principal: iam.Principal{Name: "m"}, Credentials: sigv4.Credentials{AccessKeyID: "FIXED", SecretAccessKey: "s"}}
		n := newNode(t, d, t.TempDir(), fixed)
		for _, name := range []string{"z", "a", "Z", "q"} {
			n.principal(name)
		}
		n.key("a")
		n.key("a")
		n.key("q")
		var names []string
		for after := ""; ; {
			page, err := n.Principals(t.Context(), account, after, 2)
			n.must(err)
			if len(page) == 0 {
				break
			}
			for _, p := range page {
				names = append(names, p.Name)
			}
			after = names[len(names)-1]
		}
		if diff := cmp.Diff([]string{"Z", "a", "m", "q", "z"}, names); diff != "" {
			t.Errorf("names (-want +got):\n%s", diff)
		}
		count := map[string]int{}
		for after := ""; ; {
			page, err := n.Keys(t.Context(), account, "", after, 3)
			n.must(err)
			if len(page) == 0 {
				break
			}
			for _, k := range page {
				if k.ID <= after {
					t.Errorf("%s comes after %s", k.ID, after)
				}
				after = k.ID
				count[k.Principal]++
			}
		}
		if diff := cmp.Diff(map[string]int{"a": 2, "q": 1, "m": 1}, count); diff != "" {
			t.Errorf("keys (-want +got):\n%s", diff)
		}
		if mine, err := n.Keys(t.Context(), account, "q", "", 10); err != nil || len(mine) != 1 || mine[0].Principal != "q" {
			t.Errorf("keys of q: %v, %v", mine, err)
		}
		if others, err := n.Keys(t.Context(), "999999999999", "", "", 10); err != nil || len(others) != 0 {
			t.Errorf("keys of another account: %v, %v", others, err)
		}
	})
}

func TestAccessKeys(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d, t.TempDir())
		ctx := t.Context()
		n.principal("alice")
		_, _, err := n.CreateKey(ctx, account, "bob")
		n.want(err, iam.ErrPrincipalNotFound)
		first := n.key("alice")
		caller, err := n.signIn(first)
		n.must(err)
		want := api.Caller{Partition: "aws", Account: account, Region: region, ARN: iam.UserARN(account, "alice"), AccessKeyID: first.AccessKeyID, SourceIP: "203.0.113.7"}
		if diff := cmp.Diff(want, caller); diff != "" {
			t.Errorf("caller (-want +got):\n%s", diff)
		}
		wrong := first
		wrong.SecretAccessKey += "x"
		if _, err := n.signIn(wrong); err == nil || !strings.Contains(err.Error(), "InvalidSignatureException") {
			t.Errorf("a wrong secret: %v", err)
		}
		second := n.key("alice")
		_, _, err = n.CreateKey(ctx, account, "alice")
		n.want(err, iam.ErrLimit)

		n.must(n.SetKeyEnabled(ctx, account, first.AccessKeyID, false))
		_, err = n.signIn(first)
		wantRefused(t, "disabled", err)
		_, err = n.signIn(second)
		n.must(err)
		n.must(n.SetKeyEnabled(ctx, account, first.AccessKeyID, true))
		_, err = n.signIn(first)
		n.must(err)
		n.want(n.SetKeyEnabled(ctx, "999999999999", first.AccessKeyID, false), iam.ErrKeyNotFound)
		n.want(n.SetKeyEnabled(ctx, account, "AKIAAAAAAAAAAAAAAAAA", false), iam.ErrKeyNotFound)
		n.must(n.DeleteKey(ctx, account, first.AccessKeyID))
		n.want(n.DeleteKey(ctx, account, first.AccessKeyID), iam.ErrKeyNotFound)
		_, err = n.signIn(first)
		wantRefused(t, "deleted", err)

		n.must(n.DeletePrincipal(ctx, account, "alice"))
		_, err = n.signIn(second)
		wantRefused(t, "of a deleted principal", err)
		if err := n.Authorize(caller, "a:b", "*"); err == nil {
			t.Error("a caller whose key is gone may do something")
		}
		n.principal("alice", allowAll)
		_, err = n.signIn(second)
		wantRefused(t, "of a namesake", err)
	})
}

// TestAnotherNode lets one node change what another has in mind.
func TestAnotherNode(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		data := t.TempDir()
		here, there := newNode(t, d, data), newNode(t, d, data)
		here.principal("alice", allowAll)
		key := here.key("alice")
		caller, err := there.signIn(key)
		there.must(err)
		there.must(there.Authorize(caller, "a:b", "*"))
		here.must(here.RemovePolicy(t.Context(), account, "alice", "p0"))
		if err := here.Authorize(caller, "a:b", "*"); err == nil {
			t.Error("the node that took the policy away allows it")
		}
		there.must(there.Authorize(caller, "a:b", "*")) // not known yet
		there.clock.advance(iam.CacheTime)
		if err := there.Authorize(caller, "a:b", "*"); err == nil {
			t.Errorf("after %v the other node allows it still", iam.CacheTime)
		}
		here.must(here.SetKeyEnabled(t.Context(), account, key.AccessKeyID, false))
		_, err = here.signIn(key)
		wantRefused(t, "here", err)
		there.clock.advance(iam.CacheTime)
		_, err = there.signIn(key)
		wantRefused(t, "there", err)
		if iam.CacheTime > 5*time.Second {
			t.Errorf("other nodes notice after %v", iam.CacheTime)
		}
	})
}

func TestAuthorizeTexts(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		n := newNode(t, d, t.TempDir())
		n.principal("alice", statement(`"Effect":"Allow","Action":"codepipeline:Get*","Resource":"`+arnPrefix+`${aws:username}*","Condition":{"StringEqualsIfExists":{"aws:ResourceTag/team":"web"},"IpAddress":{"aws:SourceIp":"203.0.113.0/24"},"StringEquals":{"aws:userid":"${aws:userid}"}}`),
			statement(`"Effect":"Deny","Action":["codepipeline:Delete*","iam:PassRole"],"Resource":"*","Condition":{"StringLike":{"aws:PrincipalArn":"*/alice"}}`))
		caller, err := n.signIn(n.key("alice"))
		n.must(err)
		const user = "User: arn:aws:iam::" + account + ":user/alice is not authorized to perform: "
		check := func(name string, err error, want string) {
			t.Helper()
			got := ""
			if err != nil {
				got = err.Error()
			}
			if want != "" {
				want = "AccessDeniedException: " + user + want
			}
			if got != want {
				t.Errorf("%s:\n got %q\nwant %q", name, got, want)
			}
		}
		check("allowed", n.Authorize(caller, "codepipeline:GetPipeline", arnPrefix+"alice-web"), "")
		check("not allowed", n.Authorize(caller, "codepipeline:GetPipeline", pipelineARN),
			"codepipeline:GetPipeline on resource: "+pipelineARN+" because no identity-based policy allows the codepipeline:GetPipeline action")
		check("denied", n.Authorize(caller, "codepipeline:DeletePipeline", pipelineARN),
			"codepipeline:DeletePipeline on resource: "+pipelineARN+" with an explicit deny in an identity-based policy")
		check("role denied", n.AuthorizePassRole(caller, "arn:aws:iam::1:role/r"),
			"iam:PassRole on resource: arn:aws:iam::1:role/r with an explicit deny in an identity-based policy")
		tagged := iam.Question{Request: iam.Request{Action: "codepipeline:GetPipeline", Resource: arnPrefix + "alice-web"}}
		for team, allowed := range map[string]bool{"web": true, "db": false} {
			tagged.Tags = func(context.Context) (map[string]string, error) { return map[string]string{"team": team}, nil }
			if err := n.Ask(caller, tagged); (err == nil) != allowed {
				t.Errorf("a pipeline of team %s: %v", team, err)
			}
		}
		elsewhere := caller
		elsewhere.SourceIP = "198.51.100.1"
		if err := n.Authorize(elsewhere, "codepipeline:GetPipeline", arnPrefix+"alice-web"); err == nil {
			t.Error("allowed from elsewhere")
		}

		n.principal("bob")
		bob, err := n.signIn(n.key("bob"))
		n.must(err)
		if err := n.AuthorizePassRole(bob, "arn:aws:iam::1:role/r"); err == nil || err.Error() !=
			"AccessDeniedException: User: arn:aws:iam::"+account+":user/bob is not authorized to perform: iam:PassRole on resource: arn:aws:iam::1:role/r" {
			t.Errorf("role not allowed: %v", err)
		}
		n.must(n.AttachPolicy(t.Context(), account, "bob", "AWSCodePipeline_FullAccess"))
		n.must(n.AuthorizePassRole(bob, "arn:aws:iam::1:role/r"))
		n.principal("carol", statement(`"Effect":"Allow","Action":"codepipeline:CreatePipeline","Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/team":"web"},"ForAllValues:StringEquals":{"aws:TagKeys":"team"}}`))
		carol, err := n.signIn(n.key("carol"))
		n.must(err)
		for _, tt := range []struct {
			tags    map[string]string
			allowed bool
		}{{map[string]string{"team": "web"}, true}, {map[string]string{"team": "db"}, false}, {map[string]string{"team": "web", "cost": "1"}, false}, {nil, false}} {
			r := iam.Request{Action: "codepipeline:CreatePipeline", Resource: pipelineARN, Context: iam.RequestTags(tt.tags)}
			if err := n.AuthorizeWith(carol, r); (err == nil) != tt.allowed {
				t.Errorf("creating with tags %v: %v", tt.tags, err)
			}
		}
		impostor := bob
		impostor.ARN = iam.UserARN(account, "alice")
		if err := n.Authorize(impostor, "codepipeline:GetPipeline", pipelineARN); err == nil {
			t.Error("a key of another principal is believed")
		}
		s3, ok := errors.AsType[*api.Error](n.AuthorizeObject(caller, "s3:GetObject", "arn:aws:s3:::b/k"))
		if !ok || s3.Code != "AccessDenied" || s3.Status != http.StatusForbidden {
			t.Errorf("in the words of S3: %v", s3)
		}
	})
}

func TestConfiguredPrincipals(t *testing.T) {
	t.Parallel()
	d := dbtest.SQLite(t)
	fixed := iam.Configured{
		Principal:   iam.Principal{Name: "ci", Policies: map[string]string{"all": allowAll}, Managed: []string{"AWSCodePipeline_ReadOnlyAccess"}},
		Credentials: sigv4.Credentials{AccessKeyID: "FIXED", SecretAccessKey: "fixed-secret"},
	}
	credentials := fixed.Credentials
	n := newNode(t, d, t.TempDir(), fixed, iam.Configured{Principal: iam.Principal{Name: "keyless"}})
	ctx := t.Context()
	caller, err := n.signIn(credentials)
	n.must(err)
	n.must(n.Authorize(caller, "a:b", "*"))
	p, err := n.FindPrincipal(ctx, account, "ci")
	n.must(err)
	if !p.Configured || p.Managed[0] != "arn:aws:iam::aws:policy/AWSCodePipeline_ReadOnlyAccess" {
		t.Errorf("found %+v", p)
	}
	if k, err := n.FindKey(ctx, account, "FIXED"); err != nil || !k.Configured || !k.Enabled || k.Principal != "ci" {
		t.Errorf("key %+v, %v", k, err)
	}
	n.want(n.DeletePrincipal(ctx, account, "ci"), iam.ErrConfigured)
	n.want(n.PutPolicy(ctx, account, "ci", "x", allowAll), iam.ErrConfigured)
	n.want(n.SetKeyEnabled(ctx, account, "FIXED", false), iam.ErrConfigured)
	n.want(n.DeleteKey(ctx, account, root.AccessKeyID), iam.ErrConfigured)
	_, err = n.FindKey(ctx, account, root.AccessKeyID)
	n.want(err, iam.ErrKeyNotFound)
	_, err = n.CreatePrincipal(ctx, iam.Principal{Account: account, Name: "ci"})
	n.want(err, iam.ErrPrincipalExists)
	n.must(n.CheckConfigured(ctx))
	n.principal("stored")
	later := newNode(t, d, n.data, iam.Configured{Principal: iam.Principal{Name: "stored"}})
	if err := later.CheckConfigured(ctx); err == nil || !strings.Contains(err.Error(), "principal stored is in the configuration and in the database") {
		t.Errorf("configured and stored: %v", err)
	}
	for want, list := range map[string][]iam.Configured{
		"stands twice":    {fixed, {Principal: iam.Principal{Name: "ci"}}},
		"FIXED stands":    {fixed, {Principal: iam.Principal{Name: "other"}, Credentials: credentials}},
		"invalid name":    {{Principal: iam.Principal{Name: "a/b"}}},
		"malformed":       {{Principal: iam.Principal{Name: "a", Policies: map[string]string{"p": "x"}}}},
		"no such policy":  {{Principal: iam.Principal{Name: "a", Managed: []string{"Admin"}}}},
		"access key id":   {{Principal: iam.Principal{Name: "a"}, Credentials: sigv4.Credentials{AccessKeyID: "a/b", SecretAccessKey: "s"}}},
		"secret access k": {{Principal: iam.Principal{Name: "a"}, Credentials: sigv4.Credentials{AccessKeyID: "abc", SecretAccessKey: "s s"}}},
	} {
		if err := iam.CheckPrincipals(account, list); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want one with %q", err, want)
		}
	}
}

// TestStolenDatabase looks for secrets in the files of the database.
func TestStolenDatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := dbtest.Open(t, "sqlite:"+dir, nil)
	data := t.TempDir()
	n := newNode(t, d, data)
	n.principal("alice")
	key := n.key("alice")
	stored := readAll(t, dir)
	if !strings.Contains(stored, key.AccessKeyID) {
		t.Fatal("the id of the key is not in the files: the test looks at the wrong ones")
	}
	if strings.Contains(stored, key.SecretAccessKey) {
		t.Error("the secret is in the database")
	}
	thief := newNode(t, d, t.TempDir())
	if _, err := thief.signIn(key); !errors.Is(err, iam.ErrUnknownKey) {
		t.Errorf("with another keyring: %v", err)
	}
	if _, err := newNode(t, d, data).signIn(key); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

func readAll(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

func TestReseal(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		data := t.TempDir()
		n, other := newNode(t, d, data), newNode(t, d, data)
		var keys []sigv4.Credentials
		for i := range 60 {
			name := fmt.Sprint("user", i)
			n.principal(name)
			keys = append(keys, n.key(name), n.key(name))
		}
		if _, err := n.Keyring().Rotate(); err != nil {
			t.Fatal(err)
		}
		_, err := n.signIn(keys[0])
		n.must(err)
		for _, want := range []int{len(keys), 0} {
			if got, err := n.Reseal(t.Context()); err != nil || got != want {
				t.Errorf("resealed %d, %v; want %d", got, err, want)
			}
		}
		n.must(os.Remove(filepath.Join(data, iam.KeyringDir, "1.json")))
		fresh := newNode(t, d, data)
		for _, key := range keys {
			if _, err := fresh.signIn(key); err != nil {
				t.Fatalf("without the old version: %v", err)
			}
		}
		_, err = other.signIn(keys[1])
		n.must(err)
	})
}

func TestLastUse(t *testing.T) {
	t.Parallel()
	dbtest.Faults(t, func(t *testing.T, d *db.DB, faults *db.Faults) {
		n := newNode(t, d, t.TempDir())
		ctx := t.Context()
		n.principal("alice")
		key := n.key("alice")
		used := func() (int64, string) {
			t.Helper()
			k, err := n.FindKey(ctx, account, key.AccessKeyID)
			n.must(err)
			return k.Used, k.UsedService
		}
		n.must(n.Flush(ctx))
		if at, _ := used(); at != 0 {
			t.Errorf("used at %d before the first use", at)
		}
		_, err := n.signIn(key)
		n.must(err)
		if at, _ := used(); at != 0 {
			t.Errorf("written at once: %d", at)
		}
		faults.FailBefore(1)
		if err := n.Flush(ctx); err == nil {
			t.Error("the fault was not met")
		}
		n.must(n.Flush(ctx))
		at, service := used()
		if want := now.Truncate(time.Minute).UnixMilli(); at != want || service != "codepipeline" {
			t.Errorf("used at %d by %q, want %d", at, service, want)
		}
		n.clock.advance(time.Hour)
		_, err = n.signIn(key)
		n.must(err)
		n.must(n.Flush(ctx))
		if later, _ := used(); later-at != time.Hour.Milliseconds() {
			t.Errorf("an hour later: %d after %d", later, at)
		}
	})
}

func TestRunWritesAtTheEnd(t *testing.T) {
	t.Parallel()
	n := newNode(t, dbtest.SQLite(t), t.TempDir())
	n.principal("alice")
	key := n.key("alice")
	_, err := n.signIn(key)
	n.must(err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	n.Run(ctx, slog.New(slog.DiscardHandler))
	if k, err := n.FindKey(t.Context(), account, key.AccessKeyID); err != nil || k.Used == 0 {
		t.Errorf("key %+v, %v", k, err)
	}
}
