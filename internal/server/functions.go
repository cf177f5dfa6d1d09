package server

import (
	"context"
	"errors"
	"time"

	"github.com/penstock-cd/penstock/internal/provider/invoke"
	"github.com/penstock-cd/penstock/internal/sandbox"
)

// Lambda is a Lambda endpoint elsewhere.
type Lambda struct {
	Endpoint        string `yaml:"endpoint"`
	AccessKeyID     string `yaml:"accessKeyId"`
	SecretAccessKey string `yaml:"secretAccessKey"`
}

// Function is a Lambda function of this machine: a command, or a folder with a
// handler in Python or JavaScript.
type Function struct {
	// Command is run for each invocation, with the event as its input.
	Command []string `yaml:"command"`
	// Directory has the code; in a file it is relative to the folder of the file.
	Directory string `yaml:"directory"`
	// Handler is FILE.NAME, as in Lambda.
	Handler string `yaml:"handler"`
	// Runtime is python or node, or a name of Lambda's for them; the file of the
	// handler tells it too.
	Runtime string `yaml:"runtime"`
	// Environment is what the function sees besides what Lambda sets.
	Environment map[string]string `yaml:"environment"`
	// Timeout is how many seconds an invocation may take, 300 by default.
	Timeout int `yaml:"timeout"`
}

func (f Function) provided() invoke.Function {
	return invoke.Function{
		Command: f.Command, Directory: f.Directory, Handler: f.Handler, Runtime: f.Runtime, Environment: f.Environment,
		Timeout: time.Duration(f.Timeout) * time.Second,
	}
}

// invoking is what the providers that invoke functions need.
func (s *Server) invoking() invoke.Config {
	return invoke.Config{
		Remote:    s.remoteFunctions(),
		Functions: s.cfg.functions(),
		Sandbox:   sandbox.NewProcess(),
		Endpoint: func(ctx context.Context) (string, error) {
			// The dispatcher works before the server listens.
			select {
			case <-s.listening:
				return s.Endpoint(), nil
			case <-ctx.Done():
				return "", errors.New("the server does not listen")
			}
		},
		IssueSession: s.iam.IssueSession,
		Pause:        s.opts.JobPause,
	}
}

func (s *Server) remoteFunctions() invoke.RemoteConfig {
	l := s.cfg.Lambda
	return invoke.RemoteConfig{
		Endpoint: l.Endpoint, AccessKeyID: l.AccessKeyID, SecretAccessKey: l.SecretAccessKey, Logger: s.log,
	}
}

func (c Config) functions() map[string]invoke.Function {
	functions := map[string]invoke.Function{}
	for name, f := range c.Functions {
		functions[name] = f.provided()
	}
	return functions
}
