package source

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"path/filepath"

	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// NotRun takes the place of an action that is not to be run and hands over
// folders of this machine as its outputs. Whoever puts it there must tell that
// the action was not run: its own summary is "not run", and its status does not
// mean that the work was done. It reads any folder that an action names, so a
// server for several people must not register it.
type NotRun struct{ category string }

var _ provider.Provider = NotRun{}

// NotRunSummary is the summary of an action that was not run.
const NotRunSummary = "not run"

// NotRunProviders returns one provider for each category but Approval.
func NotRunProviders() []provider.Provider {
	var all []provider.Provider
	for _, category := range []string{
		pipeline.CategorySource, pipeline.CategoryBuild, pipeline.CategoryTest, pipeline.CategoryDeploy, pipeline.CategoryInvoke, pipeline.CategoryCompute,
	} {
		all = append(all, NotRun{category})
	}
	return all
}

// Type implements provider.Provider.
func (p NotRun) Type() pipeline.ActionType {
	const most = 10 // what any built-in type takes or gives
	inputs := pipeline.ArtifactBounds{Max: most}
	if p.category == pipeline.CategorySource {
		inputs.Max = 0
	}
	return pipeline.ActionType{
		ID:      pipeline.ActionTypeID{Category: p.category, Owner: pipeline.OwnerCustom, Provider: "NotRun", Version: "1"},
		Inputs:  inputs,
		Outputs: pipeline.ArtifactBounds{Max: most},
		Properties: []pipeline.ConfigurationProperty{
			{Name: "Artifacts", Key: true, Description: "JSON text: the folder of each output artifact by its name."},
		},
		WhenLost: pipeline.LostAgain,
	}
}

// Start zips the folders. Its idempotency keys are the artifacts' locations. An
// output without a folder is not produced.
func (p NotRun) Start(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	folders := map[string]string{}
	if text := a.Configuration["Artifacts"]; text != "" {
		if err := json.Unmarshal([]byte(text), &folders); err != nil {
			return provider.Failure(provider.CodeConfigurationError, fmt.Sprintf("The configuration key Artifacts must be JSON text of folders by artifact name: %v.", err)), nil
		}
	}
	r := provider.Report{Status: provider.Succeeded, Percent: 100, Summary: NotRunSummary}
	for _, output := range a.Outputs {
		dir, ok := folders[output.Name]
		if !ok {
			continue
		}
		if !filepath.IsAbs(dir) {
			return provider.Failure(provider.CodeConfigurationError, fmt.Sprintf("The folder %q of artifact %s must be an absolute path.", dir, output.Name)), nil
		}
		if err := zipAll(ctx, a, output, dir); err != nil {
			return failFolder(a, dir, err)
		}
		r.Produced = append(r.Produced, output.Name)
	}
	return r, nil
}

// zipAll keeps all files of a folder but git's own.
func zipAll(ctx context.Context, a provider.Attempt, output provider.OutputArtifact, dir string) error {
	return put(ctx, a.Artifacts, output.Location, maxS3Artifact, func(w io.Writer) error {
		return provider.WriteZipDir(ctx, w, dir, provider.ZipOptions{
			Symlinks: true,
			Include:  func(rel string) bool { return path.Base(rel) != ".git" },
			Prune:    func(rel string) bool { return path.Base(rel) == ".git" },
			Skipped:  func(rel, reason string) { logf(a, "%s is left out: %s", rel, reason) },
		})
	})
}

// Await zips again: nothing of an earlier start is known to be whole.
func (p NotRun) Await(ctx context.Context, a provider.Attempt) (provider.Report, error) {
	return p.Start(ctx, a)
}

// Stop has nothing to do: the work ends with the context of Start.
func (NotRun) Stop(context.Context, provider.Attempt) error { return nil }
