// Package build carries out the actions that run commands: CodeBuild (in the
// categories Build and Test) and Commands. Both become one build: fetch the
// input artifacts, run the phases of a buildspec in a sandbox, upload the output
// artifacts (reference: actions.md A.6, A.8, C.1 and D).
//
// A build lives in the call of Start, in a sandbox and in the workspace of its
// attempt; nothing of it outlives the call, so an attempt whose node went away
// is lost and is never begun again. It sees an environment made from scratch:
// the host's PATH, a home of its own, the variables that CodeBuild documents, and
// what the buildspec, the project, the action and Config.PassEnv say. The
// server's own AWS_ and PENSTOCK_ variables never reach it.
//
// Differences from CodeBuild, until the projects of its API exist here:
//
//   - When the configuration knows no project of an action's ProjectName, the
//     build still runs, with the buildspec.yml of its source and no further
//     environment.
//   - CODEBUILD_BUILD_NUMBER is not set: nothing counts the builds of a project.
//   - Batch builds, and values kept in the parameter store or in Secrets
//     Manager, fail the action. runtime-versions choose nothing: builds find the
//     tools of the sandbox. What else of a buildspec is not honoured is named in
//     the build's log (buildspec.Spec.Unsupported).
//   - A link that leaves the source directory is left out of artifacts.
package build
