package rule

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/sigv4/sigv4test"
)

// asked is the provider that asks the endpoint.
func asked(t *testing.T, endpoint string) *CloudWatchAlarm {
	t.Helper()
	p := NewCloudWatchAlarm(CloudWatchConfig{Endpoint: endpoint, AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}, nil)
	return p
}

// TestCloudWatchSaysNo: what the answers of CloudWatch are worth.
func TestCloudWatchSaysNo(t *testing.T) {
	t.Parallel()
	const again = ""
	tests := []struct {
		status     int
		code, want string
	}{
		{403, "AccessDenied", provider.CodePermissionError},
		{403, "InvalidClientTokenId", provider.CodePermissionError},
		{400, "ExpiredToken", provider.CodePermissionError},
		{400, "Odd", provider.CodeConfigurationError},
		{400, "Throttling", again},
		{429, "TooMany", again},
		{500, "InternalServiceFault", again},
		{503, "ServiceUnavailable", again},
	}
	for _, test := range tests {
		t.Run(fmt.Sprint(test.status, " ", test.code), func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if authorization := r.Header.Get("Authorization"); !strings.Contains(authorization, "/eu-central-1/monitoring/") {
					t.Errorf("signed as %q", authorization)
				}
				w.Header().Set("Content-Type", "text/xml")
				w.WriteHeader(test.status)
				_, _ = fmt.Fprintf(w, "<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>said the fake</Message></Error><RequestId>1</RequestId></ErrorResponse>", test.code)
			}))
			t.Cleanup(server.Close)
			r, err := asked(t, server.URL).Start(t.Context(), watching(t, pipeline.GateOnSuccess))
			if test.want == again {
				if err == nil || !strings.Contains(err.Error(), test.code) {
					t.Errorf("%+v, %v, want an error: ask again", r, err)
				}
				return
			}
			if err != nil || r.ErrorCode != test.want || !strings.Contains(r.ErrorMessage, "said the fake") || !strings.Contains(r.ErrorMessage, test.code) || r.Judged() {
				t.Errorf("%+v, %v, want %s", r, err, test.want)
			}
		})
	}
	t.Run("nobody there", func(t *testing.T) {
		t.Parallel()
		server := httptest.NewServer(http.NotFoundHandler())
		server.Close()
		if r, err := asked(t, server.URL).Start(t.Context(), watching(t, pipeline.GateOnSuccess)); err == nil {
			t.Errorf("%+v, want an error: ask again", r)
		}
	})
}

// TestCompositeAlarm: alarms made of others are found by name as well.
func TestCompositeAlarm(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		if types := r.Form.Get("AlarmTypes.member.1") + r.Form.Get("AlarmTypes.member.2"); types != "MetricAlarmCompositeAlarm" || r.Form.Get("AlarmNames.member.1") != "prod" {
			t.Errorf("asks %s", r.Form)
		}
		_, _ = io.WriteString(w, `<DescribeAlarmsResponse><DescribeAlarmsResult><CompositeAlarms><member><AlarmName>prod</AlarmName>`+
			`<StateValue>ALARM</StateValue></member></CompositeAlarms><MetricAlarms/></DescribeAlarmsResult></DescribeAlarmsResponse>`)
	}))
	t.Cleanup(server.Close)
	r, err := asked(t, server.URL).Start(t.Context(), watching(t, pipeline.GateOnSuccess))
	if err != nil || r.ErrorCode != provider.CodeJobFailed || r.Summary != "Alarm prod is in state ALARM" {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestNoCredentials: without any, the rule cannot be judged, and says why.
func TestNoCredentials(t *testing.T) {
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI"} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	p := NewCloudWatchAlarm(CloudWatchConfig{Endpoint: "http://localhost:1"}, nil)
	r, err := p.Start(t.Context(), watching(t, pipeline.GateOnSuccess))
	if err != nil || r.ErrorCode != provider.CodePermissionError || !strings.Contains(r.ErrorMessage, "credentials") {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestAlarmsOfMoto looks at real alarms over the wire.
func TestAlarmsOfMoto(t *testing.T) {
	t.Parallel()
	url := sigv4test.Moto(t)
	there, err := newAlarms(CloudWatchConfig{Endpoint: url, AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}).connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	region := func(o *cloudwatch.Options) { o.Region = "eu-central-1" }
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"prod", "prod-2"} {
		must(there.PutMetricAlarm(t.Context(), &cloudwatch.PutMetricAlarmInput{
			AlarmName: aws.String(name), MetricName: aws.String("Errors"), Namespace: aws.String("Shop"), Statistic: types.StatisticSum,
			Period: aws.Int32(60), EvaluationPeriods: aws.Int32(1), Threshold: aws.Float64(1), ComparisonOperator: types.ComparisonOperatorGreaterThanThreshold,
		}, region))
	}
	set := func(state types.StateValue) {
		t.Helper()
		must(there.SetAlarmState(t.Context(), &cloudwatch.SetAlarmStateInput{
			AlarmName: aws.String("prod"), StateValue: state, StateReason: aws.String("a test"),
		}, region))
	}
	p := asked(t, url)
	look := func(gate, name string) provider.Report {
		t.Helper()
		r, err := p.Start(t.Context(), watching(t, gate, "AlarmName", name))
		must(r, err)
		return r
	}
	set(types.StateValueOk)
	if r := look(pipeline.GateOnSuccess, "prod"); r.Status != provider.Succeeded || r.Summary != "Alarm prod is in state OK: a test" ||
		!strings.HasPrefix(r.ExternalExecutionID, "arn:aws:cloudwatch:eu-central-1:") {
		t.Errorf("OK: %+v", r)
	}
	set(types.StateValueAlarm)
	if r := look(pipeline.GateBeforeEntry, "prod"); r.ErrorCode != provider.CodeJobFailed {
		t.Errorf("ALARM at entry: %+v", r)
	}
	if r := look(pipeline.GateOnFailure, "prod"); r.Status != provider.Succeeded {
		t.Errorf("ALARM after a failure: %+v", r)
	}
	if r := look(pipeline.GateOnSuccess, "none"); r.ErrorCode != provider.CodeConfigurationError {
		t.Errorf("no alarm: %+v", r)
	}
	elsewhere := watching(t, pipeline.GateOnSuccess)
	elsewhere.Region = "us-east-1"
	if r, err := p.Start(t.Context(), elsewhere); err != nil || r.ErrorCode != provider.CodeConfigurationError {
		t.Errorf("another region: %+v, %v", r, err)
	}
}

// TestBrokenConfiguration: what the SDK cannot read stops the rules that need it,
// and nothing else.
func TestBrokenConfiguration(t *testing.T) {
	t.Setenv("AWS_PROFILE", "nowhere")
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	r, err := NewCloudWatchAlarm(CloudWatchConfig{}, nil).Start(t.Context(), watching(t, pipeline.GateOnSuccess))
	if err != nil || r.ErrorCode != provider.CodeConfigurationError || !strings.Contains(r.ErrorMessage, "nowhere") {
		t.Errorf("%+v, %v", r, err)
	}
}
