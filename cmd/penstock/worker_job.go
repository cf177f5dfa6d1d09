package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	cp "github.com/penstock-cd/penstock/internal/api/codepipeline"
	"github.com/penstock-cd/penstock/internal/sandbox"
)

// outcome is what became of a job that was polled.
type outcome int

const (
	jobDropped outcome = iota // somebody else's, or over
	jobDone
	jobFailed
)

var (
	errJobOver       = errors.New("the action ended without this job")
	errWorkerStopped = errors.New("the worker was stopped before the job was done")
)

// doneJob is a job that is being done.
type doneJob struct {
	*worker
	id      string
	account string
	name    string // STAGE/ACTION
	data    *cp.JobData
	dirs    jobFolders
	says    *jobOutput
	// external is the id of the work elsewhere, once the command has ended.
	external *string
}

// do does a job that was asked for at a time, and tells the server what became of
// it.
func (w *worker) do(hard context.Context, polled *cp.Job, asked time.Time) outcome {
	if polled.Data == nil {
		polled.Data = &cp.JobData{}
	}
	j := &doneJob{worker: w, id: deref(polled.Id), account: deref(polled.AccountId), data: polled.Data}
	at := contextOf(j.data)
	j.name = deref(at.Stage.Name) + "/" + deref(at.Action.Name)
	j.says = newJobOutput(w.print, j.id, j.name, w.secretsOf(j.configuration()))
	if err := j.acknowledge(hard, deref(polled.Nonce), asked.Add(acknowledgeTime)); err != nil {
		j.says.event("Dropped", err.Error())
		return jobDropped
	}
	j.says.event("InProgress", "pipeline "+deref(at.PipelineName))
	result, err := j.work(hard)
	// What became of it is told even by a worker that was stopped.
	told, cancel := context.WithCancel(context.WithoutCancel(hard))
	defer cancel()
	if hard.Err() != nil {
		told, cancel = context.WithTimeout(told, 10*time.Second)
		defer cancel()
	}
	if err == nil {
		err = w.tell(told, "PutJobSuccessResult", result)
	}
	switch {
	case err == nil && result.ContinuationToken != nil:
		j.says.event("Continued", deref(details(result).Summary))
		return jobDone
	case err == nil:
		j.says.event("Succeeded", deref(details(result).Summary))
		return jobDone
	case errors.Is(err, errJobOver), isCode(err, "InvalidJobStateException"), isCode(err, "JobNotFoundException"):
		j.says.event("Dropped", err.Error())
		return jobDropped
	}
	return j.fail(told, err)
}

func details(result *cp.PutJobSuccessResultInput) cp.ExecutionDetails {
	return deref(result.ExecutionDetails)
}

// contextOf is where a job comes from, without gaps.
func contextOf(data *cp.JobData) cp.PipelineContext {
	at := deref(data.PipelineContext)
	if at.Stage == nil {
		at.Stage = &cp.StageContext{}
	}
	if at.Action == nil {
		at.Action = &cp.ActionContext{}
	}
	return at
}

func (j *doneJob) configuration() map[string]string {
	if j.data.ActionConfiguration == nil {
		return nil
	}
	return j.data.ActionConfiguration.Configuration
}

// acknowledgeTime is how long nobody else is handed a job (execution.md 8.3), and
// acknowledgeWait how long one try to acknowledge it waits for the answer.
const (
	acknowledgeTime = time.Minute
	acknowledgeWait = 10 * time.Second
)

// acknowledgedText is in what a Penstock server says of the nonce by which a job was
// acknowledged, and of no other.
const acknowledgedText = "has been acknowledged with this nonce"

// acknowledge takes the job on, however long the server does not answer. A nonce that
// is refused after a try whose answer was lost was used by that try if the server
// says so, or if it is refused before a time until which nobody else is handed the
// job. Else it may have been handed on under another nonce: then it is left alone.
func (j *doneJob) acknowledge(ctx context.Context, nonce string, until time.Time) error {
	in, lost := &cp.AcknowledgeJobInput{JobId: &j.id, Nonce: &nonce}, false
	for try := 1; ; try++ {
		out, err := j.acknowledgeOnce(ctx, in)
		switch {
		case err == nil && out.Status == cp.JobStatusInProgress:
			return nil
		case err == nil:
			return fmt.Errorf("it is %s", out.Status)
		case !lost && !passing(err):
			return err
		case isCode(err, "InvalidNonceException") && (time.Now().Before(until) || strings.Contains(err.Error(), acknowledgedText)):
			// It is ours, unless it ended since.
			return j.tell(ctx, "GetJobDetails", &cp.GetJobDetailsInput{JobId: &j.id})
		case isCode(err, "InvalidNonceException"):
			return fmt.Errorf("whether it was acknowledged in time is not known: %w", err)
		case !passing(err) || ctx.Err() != nil:
			return err
		}
		if try == 1 {
			j.print.note(fmt.Sprintf("acknowledging job %s again until the server answers: %v", j.id, err))
		}
		lost = lost || !isCode(err, "ThrottlingException")
		pause(ctx, min(time.Duration(try), 20)*tryPause)
	}
}

func (j *doneJob) acknowledgeOnce(ctx context.Context, in *cp.AcknowledgeJobInput) (out cp.AcknowledgeJobOutput, err error) {
	ctx, cancel := context.WithTimeout(ctx, acknowledgeWait)
	defer cancel()
	err = j.client.codepipeline.Call(ctx, "AcknowledgeJob", in, &out)
	return out, err
}

// failure is an error with CodePipeline's word for its kind.
type failure struct {
	kind cp.FailureType
	text string
}

func (f *failure) Error() string { return f.text }

// maxMessage bounds the text that comes with a failure, maxSummary a summary, and
// maxID the ids of revisions and of the work elsewhere.
const (
	maxMessage = 5000
	maxSummary = 2048
	maxID      = 1500
)

func (j *doneJob) fail(ctx context.Context, cause error) outcome {
	f, ok := errors.AsType[*failure](cause)
	if !ok {
		f = &failure{cp.FailureTypeJobFailed, cause.Error()}
	}
	text := j.says.masked(f.text)
	told := &cp.FailureDetails{Type: f.kind, Message: new(cutTail(text, maxMessage)), ExternalExecutionId: j.external}
	err := j.tell(ctx, "PutJobFailureResult", &cp.PutJobFailureResultInput{JobId: &j.id, FailureDetails: told})
	if isCode(err, "SerializationException") || isCode(err, "ValidationException") {
		// A failure that is refused would leave the job to its time-out.
		plain := &cp.FailureDetails{Type: f.kind, Message: new("The job failed. The server refused the worker's words for it.")}
		if again := j.tell(ctx, "PutJobFailureResult", &cp.PutJobFailureResultInput{JobId: &j.id, FailureDetails: plain}); again == nil {
			text += fmt.Sprintf(" (the server refused this text: %v)", err)
			err = nil
		}
	}
	if err != nil {
		text += fmt.Sprintf(" (telling the server failed: %v)", err)
	}
	j.says.event("Failed", text)
	return jobFailed
}

// work does a job that was acknowledged: its result, or an error that fails it.
func (j *doneJob) work(hard context.Context) (*cp.PutJobSuccessResultInput, error) {
	root, err := os.MkdirTemp("", "penstock-job-")
	if err != nil {
		return nil, err
	}
	defer removeTree(root)
	ctx, cancel := context.WithCancelCause(hard)
	defer cancel(nil)
	go j.watch(ctx, cancel)
	result, err := j.workIn(ctx, root)
	j.external = j.idIn("external")
	switch {
	case err == nil:
		return result, nil
	case hard.Err() != nil:
		return nil, errWorkerStopped
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	return nil, err
}

func (j *doneJob) workIn(ctx context.Context, root string) (*cp.PutJobSuccessResultInput, error) {
	var err error
	if j.dirs, err = makeFolders(root); err != nil {
		return nil, err
	}
	env, err := j.environment(os.Environ())
	if err != nil {
		return nil, err
	}
	if err := j.download(ctx); err != nil {
		return nil, err
	}
	if err := j.run(ctx, env); err != nil {
		return nil, err
	}
	result, err := j.result()
	if err != nil || result.ContinuationToken != nil {
		return result, err
	}
	return result, j.upload(ctx)
}

// run runs the command.
func (j *doneJob) run(ctx context.Context, env []string) error {
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	// One writer for both keeps the order in which the command wrote.
	out := j.says.stream()
	p, err := j.box.Start(ctx, sandbox.Spec{Argv: j.command, Dir: dir, Env: env, Stdout: out, Stderr: out})
	if err != nil {
		return &failure{cp.FailureTypeConfigurationError, err.Error()}
	}
	exit, err := p.Wait()
	out.flush()
	switch {
	case err != nil:
		return err
	case exit.Code == 0:
		return nil
	}
	text := fmt.Sprintf("The command ended with status %d.", exit.Code)
	if exit.Signal != "" {
		text = fmt.Sprintf("The command was ended by %s.", exit.Signal)
	}
	if tail := j.says.tail(); tail != "" {
		text += "\n" + tail
	}
	return &failure{cp.FailureTypeJobFailed, text}
}

// watch ends a job that nobody waits for any more.
func (j *doneJob) watch(ctx context.Context, cancel context.CancelCauseFunc) {
	for {
		pause(ctx, j.watchEvery)
		if ctx.Err() != nil {
			return
		}
		err := j.client.codepipeline.Call(ctx, "GetJobDetails", &cp.GetJobDetailsInput{JobId: &j.id}, nil)
		if isCode(err, "JobNotFoundException") {
			cancel(errJobOver)
			return
		}
	}
}

// result reads what the command wrote.
func (j *doneJob) result() (*cp.PutJobSuccessResultInput, error) {
	variables, err := readVariables(j.dirs.file("variables"))
	if err != nil {
		return nil, &failure{cp.FailureTypeConfigurationError, err.Error()}
	}
	result := &cp.PutJobSuccessResultInput{
		JobId: &j.id, OutputVariables: variables, ContinuationToken: j.dirs.line("continuation"), CurrentRevision: j.revision(),
	}
	percent, said := j.says.progress()
	told := cp.ExecutionDetails{ExternalExecutionId: j.idIn("external")}
	if text := strings.TrimSpace(j.dirs.text("summary")); text != "" {
		said = text
	}
	if said = j.says.masked(said); said != "" {
		told.Summary = new(cutHead(said, maxSummary))
	}
	if result.ContinuationToken != nil {
		result.OutputVariables = nil
		told.PercentComplete = percent
	}
	if told != (cp.ExecutionDetails{}) {
		result.ExecutionDetails = &told
	}
	return result, j.checkVariables(result.OutputVariables)
}

// checkVariables refuses output variables with secrets: everybody sees variables,
// and who uses one could do nothing with a mask.
func (j *doneJob) checkVariables(variables map[string]string) error {
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		if j.says.masked(variables[name]) == variables[name] {
			continue
		}
		text := fmt.Sprintf("The output variable %s has the value of a secret configuration key in it. Variables are shown in clear, so none is reported.", name)
		if !j.secretKnown {
			text += " All values are taken for secret, as the worker may not call ListActionTypes."
		}
		return &failure{cp.FailureTypeConfigurationError, text}
	}
	return nil
}

// idIn reads an id from a file that the command may have written.
func (j *doneJob) idIn(file string) *string {
	id := j.dirs.line(file)
	if id != nil {
		*id = cutHead(j.says.masked(*id), maxID)
	}
	return id
}

// revision is that of a source action.
func (j *doneJob) revision() *cp.CurrentRevision {
	id, about, _ := strings.Cut(strings.TrimSpace(j.says.masked(j.dirs.text("revision"))), "\n")
	if id = cutHead(strings.TrimSpace(id), maxID); id == "" {
		return nil
	}
	r := &cp.CurrentRevision{Revision: &id, ChangeIdentifier: &id}
	if about = strings.TrimSpace(about); about != "" {
		r.RevisionSummary = new(cutHead(about, maxSummary))
	}
	return r
}

// cutHead keeps the beginning of a text, cutTail its first line's beginning and
// its end; both count characters.
func cutHead(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most])
	}
	return text
}

func cutTail(text string, most int) string {
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	first, _, _ := strings.Cut(text, "\n")
	first = cutHead(first, most/2)
	return first + "\n" + string(runes[len(runes)-(most-len([]rune(first))-1):])
}
