package buildspec

// PhaseType is a phase of a build, in the words of the CodeBuild API.
type PhaseType string

// The phases of a build, in order (actions.md D.5.1).
const (
	Submitted       PhaseType = "SUBMITTED"
	Queued          PhaseType = "QUEUED"
	Provisioning    PhaseType = "PROVISIONING"
	DownloadSource  PhaseType = "DOWNLOAD_SOURCE"
	Install         PhaseType = "INSTALL"
	PreBuild        PhaseType = "PRE_BUILD"
	Build           PhaseType = "BUILD"
	PostBuild       PhaseType = "POST_BUILD"
	UploadArtifacts PhaseType = "UPLOAD_ARTIFACTS"
	Finalizing      PhaseType = "FINALIZING"
	Completed       PhaseType = "COMPLETED"
)

// Walk is the way of one build through its phases. It starts at DOWNLOAD_SOURCE
// with a nil spec; the spec is set when that phase has read it.
type Walk struct {
	// Spec is what the phases ask for; nil until it was read.
	Spec *Spec
	// Phase is the present phase.
	Phase PhaseType
	// Cause is the phase that failed the build first; empty while it succeeds.
	Cause PhaseType
}

// NewWalk begins a build.
func NewWalk() *Walk { return &Walk{Phase: DownloadSource} }

// Succeeding reports whether no phase failed the build so far
// (CODEBUILD_BUILD_SUCCEEDING).
func (w *Walk) Succeeding() bool { return w.Cause == "" }

// Ended ends the present phase and goes to the next one. A failure in INSTALL
// or PRE_BUILD ends the build; one in BUILD is followed by POST_BUILD; and the
// artifacts are uploaded even then. on-failure overrides this: ABORT ends the
// build, CONTINUE goes on as if nothing had happened.
func (w *Walk) Ended(ok bool) {
	onFailure := OnFailureDefault
	if w.Spec != nil {
		onFailure = w.Spec.Phase(w.Phase).OnFailure
	}
	if !ok && onFailure != OnFailureContinue && w.Cause == "" {
		w.Cause = w.Phase
	}
	w.Phase = next(w.Phase, ok, onFailure)
}

func next(p PhaseType, ok bool, onFailure OnFailure) PhaseType {
	goOn := ok || onFailure == OnFailureContinue
	switch p {
	case DownloadSource:
		return either(ok, Install, Finalizing)
	case Install:
		return either(goOn, PreBuild, Finalizing)
	case PreBuild:
		return either(goOn, Build, Finalizing)
	case Build:
		return either(goOn || onFailure != OnFailureAbort, PostBuild, Finalizing)
	case PostBuild:
		return either(goOn || onFailure != OnFailureAbort, UploadArtifacts, Finalizing)
	case UploadArtifacts:
		return Finalizing
	default:
		return Completed
	}
}

func either(first bool, a, b PhaseType) PhaseType {
	if first {
		return a
	}
	return b
}
