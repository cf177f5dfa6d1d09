package dispatch_test

import (
	"errors"
	"maps"
	"testing"

	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/provider/rule"
)

// TestAdmitConfigurations refuses, with the pipeline, what no rule could be judged
// by; values with references are judged when they are known.
func TestAdmitConfigurations(t *testing.T) {
	each(t, func(t *testing.T, b *bed) {
		b.Close()
		b.configure = func(c *dispatch.Config) {
			catalogue, err := provider.NewCatalogue(b.source, b.build, rule.NewVariableCheck(), rule.NewDeploymentWindow(nil),
				rule.NewCloudWatchAlarm(rule.CloudWatchConfig{}, nil))
			if err != nil {
				t.Fatal(err)
			}
			c.Catalogue = catalogue
		}
		b.start()
		with := func(provider string, configuration map[string]string) pipeline.Declaration {
			d := small()
			d.Stages[1].BeforeEntry = conditionOf(pipeline.ResultFail, "Judge")
			r := &d.Stages[1].BeforeEntry.Conditions[0].Rules[0]
			r.RuleTypeID.Provider, r.Configuration = provider, configuration
			return d
		}
		check := map[string]string{"Variable": "#{variables.Color}", "Operator": "MATCHES", "Value": "re."}
		but := func(key, value string) map[string]string {
			changed := maps.Clone(check)
			changed[key] = value
			return changed
		}
		for _, test := range []struct {
			provider      string
			configuration map[string]string
			want          string
		}{
			{"DeploymentWindow", map[string]string{"Cron": "every day"}, `the Cron expression "every day" cannot be read: `},
			{"DeploymentWindow", map[string]string{"Cron": "0 * 9 * * ?", "TimeZone": "Mars"}, `the TimeZone cannot be read: `},
			{"VariableCheck", but("Operator", "LIKE"), `the Operator "LIKE" is not one of EQ, NE, CONTAINS and MATCHES`},
			{"VariableCheck", but("Value", "("), `the Value cannot be used as a Java regular expression: `},
			{"CloudWatchAlarm", map[string]string{"AlarmName": "a", "AlarmStates": "RED"}, `the AlarmStates have "RED", which is not one of ALARM, OK and INSUFFICIENT_DATA`},
			{"CloudWatchAlarm", map[string]string{"AlarmName": "#{variables.Color}", "WaitTime": "soon"}, `the WaitTime "soon" is not a number of minutes up to 86400`},
		} {
			_, err := b.CreatePipeline(t.Context(), key.Account, key.Region, dispatch.CreateRequest{Declaration: with(test.provider, test.configuration)})
			want := "InvalidActionDeclarationException: The configuration of rule 'Judge' of stage 'Build' is not valid: " + test.want
			if v, ok := errors.AsType[*pipeline.Violation](err); !ok || len(v.Error()) < len(want) || v.Error()[:len(want)] != want {
				t.Errorf("%v: %v, want %s", test.configuration, err, want)
			}
		}
		b.create(with("VariableCheck", check))
		for _, d := range []pipeline.Declaration{
			with("VariableCheck", but("Operator", "#{variables.Color}")),
			with("VariableCheck", but("Value", "(#{variables.Color}")),
			with("DeploymentWindow", map[string]string{"Cron": "#{variables.Color}"}),
			with("DeploymentWindow", map[string]string{"Cron": "* 0-30 3 ? * MON-FRI *", "TimeZone": "Europe/Berlin"}),
			with("CloudWatchAlarm", map[string]string{"AlarmName": "#{variables.Color}"}),
		} {
			if _, err := b.UpdatePipeline(t.Context(), key.Account, key.Region, d); err != nil {
				t.Error(err)
			}
		}
	})
}
