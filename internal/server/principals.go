package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"go.yaml.in/yaml/v3"

	"github.com/penstock-cd/penstock/internal/iam"
	"github.com/penstock-cd/penstock/internal/sigv4"
)

// Principal is somebody who may sign requests besides root. Principals of the
// configuration are changed in the configuration only; further ones are made
// with penstock principal.
type Principal struct {
	// Name is made of letters, digits and _+=,.@-.
	Name string `yaml:"name"`
	// ManagedPolicies are names or ARNs of AWS's policies for CodePipeline, such
	// as AWSCodePipeline_ReadOnlyAccess.
	ManagedPolicies []string `yaml:"managedPolicies"`
	// Policies are IAM policy documents by name, written as YAML or as JSON.
	Policies map[string]PolicyDocument `yaml:"policies"`
	// AccessKeyID and the secret are the principal's access key. The secret is
	// SecretAccessKey, or the value of the environment variable that
	// SecretAccessKeyEnv names. Without a key the principal cannot sign anything.
	AccessKeyID        string `yaml:"accessKeyId"`
	SecretAccessKey    string `yaml:"secretAccessKey"`
	SecretAccessKeyEnv string `yaml:"secretAccessKeyEnv"`
}

// PolicyDocument is an IAM policy document as JSON.
type PolicyDocument string

// UnmarshalYAML reads a document that is written as YAML, or as a text of JSON.
// Every scalar becomes a string, which the policy language takes everywhere: a
// version is a date and an account a number to YAML, and they would change.
func (d *PolicyDocument) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind == yaml.ScalarNode {
		*d = PolicyDocument(node.Value)
		return nil
	}
	value, err := policyValue(node, 0)
	if err != nil {
		return err
	}
	text, err := json.Marshal(value)
	*d = PolicyDocument(text)
	return err
}

func policyValue(node *yaml.Node, depth int) (any, error) {
	if depth > 16 {
		return nil, fmt.Errorf("line %d: a policy document does not nest that deep", node.Line)
	}
	switch node.Kind {
	case yaml.ScalarNode:
		return node.Value, nil
	case yaml.SequenceNode:
		list := []any{}
		for _, item := range node.Content {
			v, err := policyValue(item, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case yaml.MappingNode:
		object := map[string]any{}
		for i := 0; i+1 < len(node.Content); i += 2 {
			key := node.Content[i]
			if _, twice := object[key.Value]; twice || key.Kind != yaml.ScalarNode {
				return nil, fmt.Errorf("line %d: key %q stands twice, or is no text", key.Line, key.Value)
			}
			v, err := policyValue(node.Content[i+1], depth+1)
			if err != nil {
				return nil, err
			}
			object[key.Value] = v
		}
		return object, nil
	}
	return nil, fmt.Errorf("line %d: a policy document has no YAML aliases", node.Line)
}

// configured is the principal for iam. lookup reads environment variables.
func (p Principal) configured(lookup func(string) (string, bool)) (iam.Configured, error) {
	c := iam.Configured{Principal: iam.Principal{Name: p.Name, Managed: p.ManagedPolicies, Policies: map[string]string{}}}
	for name, document := range p.Policies {
		c.Policies[name] = string(document)
	}
	secret := p.SecretAccessKey
	if p.SecretAccessKeyEnv != "" {
		if secret != "" {
			return c, errors.New("give secretAccessKey or secretAccessKeyEnv, not both")
		}
		var ok bool
		if secret, ok = lookup(p.SecretAccessKeyEnv); !ok || secret == "" {
			return c, fmt.Errorf("environment variable %s, which is to hold the secret access key, is not set", p.SecretAccessKeyEnv)
		}
	}
	if (p.AccessKeyID == "") != (secret == "") {
		return c, errors.New("accessKeyId and its secret are given together or not at all")
	}
	c.Credentials = sigv4.Credentials{AccessKeyID: p.AccessKeyID, SecretAccessKey: secret}
	return c, nil
}

// configuredPrincipals are the principals of the configuration for iam.
func (c Config) configuredPrincipals() ([]iam.Configured, error) {
	var list []iam.Configured
	for _, p := range c.Principals {
		configured, err := p.configured(os.LookupEnv)
		if err != nil {
			return nil, fmt.Errorf("principal %q: %w", p.Name, err)
		}
		list = append(list, configured)
	}
	return list, nil
}

// checkPrincipals reports what is wrong with the principals of the
// configuration.
func (c Config) checkPrincipals() error {
	list, err := c.configuredPrincipals()
	if err != nil {
		return err
	}
	return iam.CheckPrincipals(c.Account, list)
}

// openPrincipals opens what knows the principals: root, those of the
// configuration, and those of the database.
func (s *Server) openPrincipals(ctx context.Context) (*iam.Service, error) {
	list, err := s.cfg.configuredPrincipals()
	if err != nil {
		return nil, err
	}
	service, err := iam.Open(iam.Config{
		Dir: s.cfg.Data, DB: s.db, Account: s.cfg.Account, Principals: list,
		RootAccessKeyID: s.cfg.RootAccessKeyID, RootSecretAccessKey: s.cfg.RootSecretAccessKey,
	})
	if err != nil {
		return nil, fmt.Errorf("opening the keys: %w", err)
	}
	return service, service.CheckConfigured(ctx)
}
