package awsjson

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/penstock-cd/penstock/internal/api"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

// Client calls the operations of one service. It does not retry.
type Client struct {
	// Endpoint is the base URL, such as "http://127.0.0.1:8080".
	Endpoint string
	// Region goes into the signature.
	Region string
	// Service is the signing name, such as "codepipeline".
	Service string
	// TargetPrefix is what stands before the dot in X-Amz-Target.
	TargetPrefix string
	// Credentials sign the requests.
	Credentials sigv4.Credentials
	// Header goes with every request and is signed; it may be nil.
	Header http.Header
	// HTTP sends the requests; nil is http.DefaultClient.
	HTTP *http.Client
}

// maxAnswer bounds the memory that an answer may take, in bytes.
const maxAnswer = 256 << 20

// Call performs an operation. in is its input, nil for an empty one; out points
// to its output, nil to ignore it. An exception the server answers is returned
// as an *api.Error, which errors.AsType finds.
func (c *Client) Call(ctx context.Context, operation string, in, out any) error {
	body := []byte("{}")
	if in != nil {
		var err error
		if body, err = encode(in); err != nil {
			return fmt.Errorf("encoding the input of %s: %w", operation, err)
		}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Endpoint, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("calling %s: %w", operation, err)
	}
	if r.URL.Path == "" {
		r.URL.Path = "/"
	}
	maps.Copy(r.Header, c.Header)
	r.Header.Set("Content-Type", mediaPrefix+"1.1")
	r.Header.Set("X-Amz-Target", c.TargetPrefix+"."+operation)
	sigv4.Sign(r, sigv4.Hash(body), c.Credentials, c.Region, c.Service, time.Now())
	response, err := cmp.Or(c.HTTP, http.DefaultClient).Do(r)
	if err != nil {
		return fmt.Errorf("calling %s: %w", operation, err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	if err != nil {
		return fmt.Errorf("reading the answer to %s: %w", operation, err)
	}
	if len(answer) > maxAnswer {
		return fmt.Errorf("the answer to %s is larger than %d bytes", operation, maxAnswer)
	}
	if response.StatusCode != http.StatusOK {
		return answeredError(operation, response, answer)
	}
	if out == nil || len(answer) == 0 {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("decoding the answer to %s: %w", operation, err)
	}
	return nil
}

// answeredError reads an exception; an answer without one, as from a proxy, is
// quoted.
func answeredError(operation string, response *http.Response, answer []byte) error {
	var e struct {
		Type         string `json:"__type"`
		Message      string `json:"message"`
		CapitalLabel string `json:"Message"`
	}
	// An answer that is no JSON leaves e empty.
	_ = json.Unmarshal(answer, &e)
	code := cmp.Or(e.Type, response.Header.Get("X-Amzn-Errortype"))
	code = code[strings.LastIndexByte(code, '#')+1:]
	code, _, _ = strings.Cut(code, ":")
	if code == "" {
		return fmt.Errorf("calling %s: %s: %.200q", operation, response.Status, answer)
	}
	return &api.Error{Code: code, Message: cmp.Or(e.Message, e.CapitalLabel), Status: response.StatusCode}
}
