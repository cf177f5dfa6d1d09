package rule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/schemas"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/transport/http/protocol/awsquery"

	"github.com/penstock-cd/penstock/internal/provider"
)

// CloudWatchConfig says where CloudWatch is and who asks.
type CloudWatchConfig struct {
	// Endpoint is a URL; empty means AWS, or what the SDK's usual places say.
	Endpoint string
	// AccessKeyID and the two after it sign requests; empty means the SDK's usual
	// places (environment, shared files, the machine's role).
	AccessKeyID, SecretAccessKey, SessionToken string
	// Logger receives what the SDK has to say; nil discards it.
	Logger *slog.Logger
}

// alarm is what a rule needs to know of an alarm.
type alarm struct{ arn, state, reason string }

// refusal is CloudWatch saying no: asking again would not help.
type refusal struct {
	code    string // the error code of the action
	message string
}

func (r *refusal) Error() string { return r.message }

// alarms asks CloudWatch for alarms by the official SDK.
type alarms struct {
	config CloudWatchConfig

	mu       sync.Mutex
	client   *cloudwatch.Client // nil before the first question
	identity aws.CredentialsProvider
}

func newAlarms(c CloudWatchConfig) *alarms { return &alarms{config: c} }

// connect prepares the client once. The error is a *refusal: the configuration
// that the SDK found cannot be read.
func (a *alarms) connect(ctx context.Context) (*cloudwatch.Client, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.client != nil {
		return a.client, nil
	}
	c := a.config
	var load []func(*config.LoadOptions) error
	if c.AccessKeyID != "" {
		load = append(load, config.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)))
	}
	loaded, err := provider.LoadSDK(ctx, c.Logger, load...)
	if err != nil {
		return nil, &refusal{provider.CodeConfigurationError, "The configuration for Amazon CloudWatch cannot be read: " + err.Error()}
	}
	a.identity = loaded.Credentials
	a.client = cloudwatch.NewFromConfig(loaded, func(o *cloudwatch.Options) {
		// The first protocol of CloudWatch is the one that everything which speaks
		// like CloudWatch understands; the SDK would take the latest.
		o.Protocol = awsquery.New(schemas.GraniteServiceVersion20100801)
		if c.Endpoint != "" {
			o.BaseEndpoint = aws.String(c.Endpoint)
		}
	})
	return a.client, nil
}

// find looks up a metric alarm or a composite alarm; nil if there is none of
// that name. The error is a *refusal, or the outcome is not known.
func (a *alarms) find(ctx context.Context, region, name string) (*alarm, error) {
	client, err := a.connect(ctx)
	if err != nil {
		return nil, err
	}
	out, err := client.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{
		AlarmNames: []string{name},
		AlarmTypes: []types.AlarmType{types.AlarmTypeMetricAlarm, types.AlarmTypeCompositeAlarm},
	}, func(o *cloudwatch.Options) { o.Region = region })
	if err != nil {
		return nil, a.answer(ctx, "describe alarm "+shown(name), err)
	}
	for _, found := range out.MetricAlarms {
		if aws.ToString(found.AlarmName) == name {
			return &alarm{aws.ToString(found.AlarmArn), string(found.StateValue), aws.ToString(found.StateReason)}, nil
		}
	}
	for _, found := range out.CompositeAlarms {
		if aws.ToString(found.AlarmName) == name {
			return &alarm{aws.ToString(found.AlarmArn), string(found.StateValue), aws.ToString(found.StateReason)}, nil
		}
	}
	return nil, nil
}

// answer makes a *refusal of what CloudWatch says, but for troubles of the
// service that may be over the next time.
func (a *alarms) answer(ctx context.Context, doing string, err error) error {
	said, ok := errors.AsType[smithy.APIError](err)
	response, answered := errors.AsType[*awshttp.ResponseError](err)
	if !ok || !answered {
		if ctx.Err() == nil && a.identity != nil {
			if _, err := a.identity.Retrieve(ctx); err != nil {
				return &refusal{provider.CodePermissionError, "There are no credentials for Amazon CloudWatch: " + err.Error()}
			}
		}
		return fmt.Errorf("%s: %w", doing, err)
	}
	status := response.HTTPStatusCode()
	if status >= 500 || status == 429 || throttled(said.ErrorCode()) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	r := &refusal{provider.CodeConfigurationError, fmt.Sprintf("%s (Service: CloudWatch, Status Code: %d, Error Code: %s)",
		said.ErrorMessage(), status, said.ErrorCode())}
	if status == 401 || status == 403 || denied(said.ErrorCode()) {
		r.code = provider.CodePermissionError
	}
	return r
}

// throttled and denied tell apart what other services than AWS answer with the
// status 400.
func throttled(code string) bool {
	return code == "Throttling" || code == "ThrottlingException" || code == "RequestLimitExceeded"
}

func denied(code string) bool {
	switch code {
	case "AccessDenied", "AccessDeniedException", "InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken",
		"ExpiredTokenException", "UnrecognizedClientException", "InvalidSignatureException":
		return true
	}
	return false
}
