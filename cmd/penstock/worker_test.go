package main

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/penstock-cd/penstock/internal/server"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

// cmdAPI calls an operation of CodePipeline with the input of a file, and prints
// the answer: api DATA OPERATION FILE.
func cmdAPI(ts *testscript.TestScript, _ bool, args []string) {
	env, err := server.ReadEnvironment(ts.MkAbs(args[0]), sigv4.Credentials{})
	ts.Check(err)
	input, err := os.ReadFile(ts.MkAbs(args[2]))
	ts.Check(err)
	var out json.RawMessage
	c := newClient(env.Endpoint, env.Region, env.Credentials)
	ts.Check(c.codepipeline.Call(context.Background(), args[1], json.RawMessage(input), &out))
	ts.Check(ts.Exec("printf", "%s", string(out)))
}

// cmdBucket makes a bucket: bucket DATA NAME.
func cmdBucket(ts *testscript.TestScript, _ bool, args []string) {
	env, err := server.ReadEnvironment(ts.MkAbs(args[0]), sigv4.Credentials{})
	ts.Check(err)
	r, err := http.NewRequest(http.MethodPut, env.Endpoint+"/"+args[1], nil)
	ts.Check(err)
	sigv4.Sign(r, sigv4.Hash(nil), env.Credentials, env.Region, "s3", time.Now())
	answer, err := http.DefaultClient.Do(r)
	ts.Check(err)
	answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		ts.Fatalf("making bucket %s: %s", args[1], answer.Status)
	}
}
