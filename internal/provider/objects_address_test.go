package provider

import "testing"

func TestAddress(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		config       ExternalS3Config
		bucket, want string
	}{
		{ExternalS3Config{Region: "eu-west-3", PathStyle: true}, "team", "https://s3.eu-west-3.amazonaws.com/team"},
		{ExternalS3Config{Region: "eu-west-3"}, "team", "https://team.s3.eu-west-3.amazonaws.com"},
		{ExternalS3Config{Region: "eu-west-3"}, "a.b", "https://s3.eu-west-3.amazonaws.com/a.b"}, // no certificate has it
		{ExternalS3Config{Endpoint: "https://s3.example.com:9000/base/", PathStyle: true}, "team", "https://s3.example.com:9000/base/team"},
		{ExternalS3Config{Endpoint: "https://s3.example.com"}, "team", "https://team.s3.example.com"},
		{ExternalS3Config{Endpoint: "http://127.0.0.1:9000"}, "team", "http://127.0.0.1:9000/team"},
	} {
		tc.config.AccessKeyID, tc.config.SecretAccessKey = "AKIDEXAMPLE", "secret"
		e, err := NewExternalS3(t.Context(), tc.config)
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.Address(t.Context(), tc.bucket)
		if err != nil || got.String() != tc.want {
			t.Errorf("%+v: %v, %v, want %s", tc.config, got, err, tc.want)
		}
		if c, err := e.Credentials(t.Context()); err != nil || c.AccessKeyID != "AKIDEXAMPLE" {
			t.Errorf("credentials %v, %v", c.AccessKeyID, err)
		}
	}
}
