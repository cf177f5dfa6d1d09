package iam_test

import (
	"testing"

	"github.com/penstock-cd/penstock/internal/iam"
)

func TestConditions(t *testing.T) {
	t.Parallel()
	with := map[string][]string{
		"aws:username":         {"alice"},
		"aws:PrincipalArn":     {"arn:aws:iam::123456789012:user/alice"},
		"aws:ResourceTag/team": {"web"},
		"aws:RequestTag/team":  {"Web"},
		"aws:TagKeys":          {"team", "cost"},
		"aws:SourceIp":         {"203.0.113.7"},
		"aws:CurrentTime":      {"2026-11-22T12:00:00Z"},
		"aws:EpochTime":        {"1795348800"},
		"aws:SecureTransport":  {"false"},
		"s3:max-keys":          {"10"},
		"test:six":             {"2001:db8::7"},
		"test:mapped":          {"::ffff:203.0.113.7"},
		"test:word":            {"ten"},
		"test:star":            {"*"},
		"test:again":           {"aababc"},
		"test:empty":           {},
	}
	tests := []struct {
		name, condition string
		want            bool
	}{
		{"equal", `"StringEquals":{"aws:username":"alice"}`, true},
		{"case", `"StringEquals":{"aws:username":"Alice"}`, false},
		{"one of several", `"StringEquals":{"aws:username":["bob","alice"]}`, true},
		{"no wildcards in equals", `"StringEquals":{"aws:username":"ali*"}`, false},
		{"key in any case", `"StringEquals":{"AWS:UserName":"alice"}`, true},
		{"operator in any case", `"stringequals":{"aws:username":"alice"}`, true},
		{"no key", `"StringEquals":{"aws:nothing":"x"}`, false},
		{"no value", `"StringEquals":{"test:empty":"x"}`, false},
		{"no key, if exists", `"StringEqualsIfExists":{"aws:nothing":"x"}`, true},
		{"key, if exists", `"StringEqualsIfExists":{"aws:username":"x"}`, false},
		{"not equal", `"StringNotEquals":{"aws:username":"bob"}`, true},
		{"not any of several", `"StringNotEquals":{"aws:username":["bob","alice"]}`, false},
		{"not equal without key", `"StringNotEquals":{"aws:nothing":"x"}`, true},
		{"ignore case", `"StringEqualsIgnoreCase":{"aws:RequestTag/team":"wEB"}`, true},
		{"not, ignore case", `"StringNotEqualsIgnoreCase":{"aws:RequestTag/team":"wEB"}`, false},
		{"like", `"StringLike":{"aws:username":"a*c?"}`, true},
		{"like with a second try", `"StringLike":{"test:again":"*ab?"}`, true},
		{"like with a third try", `"StringLike":{"test:again":"a*ab*abc"}`, true},
		{"not like", `"StringNotLike":{"aws:username":"a*"}`, false},
		{"like crosses colons", `"StringLike":{"aws:PrincipalArn":"*alice"}`, true},
		{"all operators hold", `"StringLike":{"aws:username":"a*"},"Bool":{"aws:SecureTransport":"true"}`, false},
		{"all keys hold", `"StringLike":{"aws:username":"a*","aws:PrincipalArn":"x"}`, false},
		{"variable", `"StringEquals":{"aws:PrincipalArn":"arn:aws:iam::123456789012:user/${aws:username}"}`, true},
		{"tags agree", `"StringEqualsIgnoreCase":{"aws:RequestTag/team":"${aws:ResourceTag/team}"}`, true},
		{"variable without value", `"StringEquals":{"aws:username":"${aws:nothing}"}`, false},
		{"variable without value, not equal", `"StringNotEquals":{"aws:username":"${aws:nothing}"}`, true},
		{"variable is no wildcard", `"StringLike":{"aws:username":"${test:star}"}`, false},
		{"ARN", `"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/*"}`, true},
		{"ARN parts", `"ArnLike":{"aws:PrincipalArn":"arn:aws:iam:*:user/*"}`, false},
		{"ARN equals takes wildcards", `"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::*:user/a*"}`, true},
		{"ARN not like", `"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/b*"}`, true},
		{"ARN not equals", `"ArnNotEquals":{"aws:PrincipalArn":"arn:aws:iam::*:user/alice"}`, false},
		{"ARN of no ARN", `"ArnLike":{"aws:username":"arn:aws:iam::*:user/*"}`, false},
		{"bool", `"Bool":{"aws:SecureTransport":"false"}`, true},
		{"bool as JSON", `"Bool":{"aws:SecureTransport":false}`, true},
		{"bool differs", `"Bool":{"aws:SecureTransport":true}`, false},
		{"number equals", `"NumericEquals":{"s3:max-keys":"10.0"}`, true},
		{"number as JSON", `"NumericLessThanEquals":{"s3:max-keys":10}`, true},
		{"number not equals", `"NumericNotEquals":{"s3:max-keys":"10"}`, false},
		{"number less", `"NumericLessThan":{"s3:max-keys":"10"}`, false},
		{"number greater", `"NumericGreaterThan":{"s3:max-keys":"9"}`, true},
		{"number greater or equal", `"NumericGreaterThanEquals":{"s3:max-keys":"11"}`, false},
		{"number of a word", `"NumericLessThan":{"test:word":"11"}`, false},
		{"date less", `"DateLessThan":{"aws:CurrentTime":"2026-11-22T12:00:01Z"}`, true},
		{"date in another zone", `"DateEquals":{"aws:CurrentTime":"2026-11-22T13:00:00+01:00"}`, true},
		{"date without time", `"DateGreaterThan":{"aws:CurrentTime":"2026-11-22"}`, true},
		{"date of a year", `"DateLessThan":{"aws:CurrentTime":"2027"}`, true},
		{"date as seconds", `"DateEquals":{"aws:EpochTime":"1795348800"}`, true},
		{"seconds and ISO", `"DateLessThanEquals":{"aws:EpochTime":"2026-11-22T12:00:00Z"}`, true},
		{"date not equals", `"DateNotEquals":{"aws:CurrentTime":"2026-11-22T12:00Z"}`, false},
		{"date of a word", `"DateGreaterThan":{"test:word":"2020-01-01"}`, false},
		{"address in range", `"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}`, true},
		{"address with host bits", `"IpAddress":{"aws:SourceIp":"203.0.113.200/24"}`, true},
		{"address", `"IpAddress":{"aws:SourceIp":["10.0.0.1","203.0.113.7"]}`, true},
		{"not address", `"NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"}`, false},
		{"other address", `"IpAddress":{"aws:SourceIp":"203.0.114.0/24"}`, false},
		{"address of version 6", `"IpAddress":{"test:six":"2001:db8::/32"}`, true},
		{"mapped address", `"IpAddress":{"test:mapped":"203.0.113.0/24"}`, true},
		{"address of a word", `"IpAddress":{"test:word":"0.0.0.0/0"}`, false},
		{"is absent", `"Null":{"aws:nothing":"true"}`, true},
		{"is not absent", `"Null":{"aws:username":"true"}`, false},
		{"is present", `"Null":{"aws:username":false}`, true},
		{"empty is absent", `"Null":{"test:empty":"false"}`, false},
		{"any of the keys", `"ForAnyValue:StringEquals":{"aws:TagKeys":["cost","x"]}`, true},
		{"none of the keys", `"ForAnyValue:StringEquals":{"aws:TagKeys":["y","x"]}`, false},
		{"any without key", `"ForAnyValue:StringEquals":{"aws:nothing":"x"}`, false},
		{"any without key, if exists", `"ForAnyValue:StringEqualsIfExists":{"aws:nothing":"x"}`, true},
		{"any is not", `"ForAnyValue:StringNotEquals":{"aws:TagKeys":["team"]}`, true},
		{"all are", `"ForAnyValue:StringNotEquals":{"aws:TagKeys":["team","cost"]}`, false},
		{"any is not, without key", `"ForAnyValue:StringNotEquals":{"aws:nothing":"x"}`, false},
		{"all keys", `"ForAllValues:StringEquals":{"aws:TagKeys":["team","cost","x"]}`, true},
		{"not all keys", `"ForAllValues:StringEquals":{"aws:TagKeys":["team"]}`, false},
		{"all without key", `"ForAllValues:StringEquals":{"aws:nothing":"x"}`, true},
		{"all are not", `"ForAllValues:StringNotEquals":{"aws:TagKeys":["x","y"]}`, true},
		{"not all are not", `"ForAllValues:StringNotEquals":{"aws:TagKeys":["team"]}`, false},
		{"all like", `"ForAllValues:StringLike":{"aws:TagKeys":["t*","c*"]}`, true},
	}
	for _, tt := range tests {
		document := statement(`"Effect":"Allow","Action":"*","Resource":"*","Condition":{` + tt.condition + `}`)
		if got := ask(t, iam.Request{Action: "a:b", Resource: "*", Context: with}, document) == iam.Allowed; got != tt.want {
			t.Errorf("%s: %s holds is %v", tt.name, tt.condition, got)
		}
	}
}
