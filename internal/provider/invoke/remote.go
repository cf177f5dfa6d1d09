package invoke

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	awscredentials "github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"

	"github.com/penstock-cd/penstock/internal/provider"
)

// RemoteConfig says where the functions are that are not of this machine, and who
// invokes them.
type RemoteConfig struct {
	// Endpoint is a URL; empty means AWS, or what the SDK's usual places say, such
	// as AWS_ENDPOINT_URL_LAMBDA.
	Endpoint string
	// AccessKeyID and the one after it sign requests; empty means the SDK's usual
	// places (environment, shared files, the machine's role).
	AccessKeyID, SecretAccessKey string
	// Logger receives what the SDK has to say; nil discards it.
	Logger *slog.Logger
}

// remote invokes functions by the official SDK.
type remote struct {
	config RemoteConfig

	mu       sync.Mutex
	client   *lambda.Client // nil before the first invocation
	identity aws.CredentialsProvider
}

// connect prepares the client once. The error is a *refusal: the configuration that
// the SDK found cannot be read.
func (r *remote) connect(ctx context.Context) (*lambda.Client, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.client != nil {
		return r.client, nil
	}
	c := r.config
	var load []func(*config.LoadOptions) error
	if c.AccessKeyID != "" {
		load = append(load, config.WithCredentialsProvider(
			awscredentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, "")))
	}
	loaded, err := provider.LoadSDK(ctx, c.Logger, load...)
	if err != nil {
		return nil, &refusal{provider.CodeConfigurationError, "The configuration for AWS Lambda cannot be read: " + err.Error()}
	}
	r.identity = loaded.Credentials
	r.client = lambda.NewFromConfig(loaded, func(o *lambda.Options) {
		if c.Endpoint != "" {
			o.BaseEndpoint = aws.String(c.Endpoint)
		}
	})
	return r.client, nil
}

func (r *remote) invoke(ctx context.Context, c call) ([]byte, error) {
	client, err := r.connect(ctx)
	if err != nil {
		return nil, err
	}
	kind := types.InvocationTypeEvent
	if c.mode == requestResponse {
		kind = types.InvocationTypeRequestResponse
	}
	out, err := client.Invoke(ctx, &lambda.InvokeInput{
		FunctionName: aws.String(c.function), InvocationType: kind, Payload: c.payload,
	}, func(o *lambda.Options) { o.Region = c.attempt.Region })
	if err != nil {
		return nil, r.answer(ctx, c.function, err)
	}
	if out.FunctionError != nil {
		failed := &functionError{message: string(out.Payload)}
		var told struct{ ErrorMessage, ErrorType string }
		if json.Unmarshal(out.Payload, &told) == nil && told.ErrorMessage != "" {
			failed = &functionError{kind: told.ErrorType, message: told.ErrorMessage}
		}
		return nil, failed
	}
	return out.Payload, nil
}

// answer makes a *refusal of what Lambda says, but for troubles of the service that
// may be over the next time. What it says is judged by its status: an error that
// cannot be read, as of a proxy, is no less an answer.
func (r *remote) answer(ctx context.Context, function string, err error) error {
	again := fmt.Errorf("invoking function %s: %w", function, err)
	response, answered := errors.AsType[*awshttp.ResponseError](err)
	if !answered || response.HTTPStatusCode() < http.StatusMultipleChoices {
		return r.unanswered(ctx, function, again)
	}
	status := response.HTTPStatusCode()
	code, message := response.Response.Header.Get("X-Amzn-Errortype"), ""
	if said, ok := errors.AsType[smithy.APIError](err); ok {
		code, message = said.ErrorCode(), said.ErrorMessage()
	}
	code, _, _ = strings.Cut(code, ":")
	_, throttled := retry.DefaultThrottleErrorCodes[code]
	switch {
	case code == "ResourceNotFoundException":
		return missing(function)
	case throttled, status >= http.StatusInternalServerError, status == http.StatusTooManyRequests, code == "ResourceConflictException":
		return again
	}
	refused := &refusal{provider.CodeConfigurationError, fmt.Sprintf("%s (Service: AWSLambda; Status Code: %d; Error Code: %s)", message, status, code)}
	if code == "" || code == "UnknownError" {
		refused.message = fmt.Sprintf("Invoking the function %s was refused with status code %d, and no error as AWS Lambda has them.", function, status)
	}
	if status == http.StatusUnauthorized || status == http.StatusForbidden {
		refused.code = provider.CodePermissionError
	}
	return refused
}

// unanswered is a *refusal if nobody was asked, for want of credentials. What the
// metadata of a machine in a cloud says, the last place to look, helps nobody.
func (r *remote) unanswered(ctx context.Context, function string, again error) error {
	if ctx.Err() != nil || r.identity == nil {
		return again
	}
	if _, err := r.identity.Retrieve(ctx); err != nil && ctx.Err() == nil {
		why := ""
		if asked, ok := errors.AsType[*smithy.OperationError](err); !ok || asked.ServiceID != "ec2imds" {
			why = " (" + err.Error() + ")"
		}
		return &refusal{provider.CodePermissionError, fmt.Sprintf("There is no function %s on this server, and there are no credentials for AWS Lambda%s: "+
			"declare the function under `functions` in the configuration file (--config), or say by the keys `lambda.*` there, or as to AWS's tools, "+
			"where it is and who invokes it.", function, why)}
	}
	return again
}

// missing says that there is no such function (observed.md 13).
func missing(function string) *refusal {
	return &refusal{provider.CodeConfigurationError, fmt.Sprintf("The AWS Lambda function %s does not exist.", function)}
}
