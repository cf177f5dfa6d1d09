package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/penstock-cd/penstock/internal/api"
	"github.com/penstock-cd/penstock/internal/awsjson"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

// crashClient talks to one life of the server.
type crashClient struct {
	awsjson.Client
	http *http.Client
}

func newCrashClient(endpoint string) *crashClient {
	h := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	return &crashClient{http: h, Client: awsjson.Client{
		Endpoint: endpoint, Region: region, Service: "codepipeline", TargetPrefix: pipelineTarget, Credentials: crashKey, HTTP: h,
	}}
}

func (c *crashClient) close() { c.http.CloseIdleConnections() }

// refused reports whether the server answered with an exception, as against not
// answering.
func refused(err error) (code string, ok bool) {
	e, ok := errors.AsType[*api.Error](err)
	if !ok {
		return "", false
	}
	return e.Code, true
}

// list calls a list operation until its last page.
func (c *crashClient) list(ctx context.Context, operation string, in raw, member string) ([]json.RawMessage, error) {
	var all []json.RawMessage
	for {
		out := map[string]json.RawMessage{}
		if err := c.Call(ctx, operation, in, &out); err != nil {
			return nil, err
		}
		var page []json.RawMessage
		if err := json.Unmarshal(out[member], &page); err != nil {
			return nil, fmt.Errorf("%s answered %s: %w", operation, out[member], err)
		}
		all = append(all, page...)
		if out["nextToken"] == nil {
			return all, nil
		}
		in["nextToken"] = out["nextToken"]
	}
}

// put writes an object.
func (c *crashClient) put(ctx context.Context, bucket, key string, content []byte) error {
	_, err := c.object(ctx, http.MethodPut, bucket, key, content)
	return err
}

// get reads an object; found is false when there is none.
func (c *crashClient) get(ctx context.Context, bucket, key string) (content []byte, found bool, err error) {
	content, err = c.object(ctx, http.MethodGet, bucket, key, nil)
	if code, ok := refused(err); ok && code == "404" {
		return nil, false, nil
	}
	return content, err == nil, err
}

func (c *crashClient) object(ctx context.Context, method, bucket, key string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.Endpoint+"/"+bucket+"/"+key, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	sigv4.Sign(r, sigv4.Hash(body), crashKey, region, "s3", time.Now())
	response, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, &api.Error{Code: fmt.Sprint(response.StatusCode), Message: string(answer)}
	}
	return answer, nil
}
