package simtest

// jobPlants are bugs of the machine of jobs.
var jobPlants = []plant{
	{"job never comes back", "job.go", `case j.Status == JobCreated || j.Status == JobDispatched:`,
		`case j.Status == JobCreated || j.Status == JobDispatched && !planted("job never comes back"):`},
	{"job in progress offered", "job.go", `case j.Status == JobQueued:
		return`, `case j.Status == JobQueued || j.Status == JobInProgress && planted("job in progress offered"):
		return`},
	{"nonce kept", "job_step.go", `[]byte(m.ev.ID), "nonce/"+m.ID)`,
		`[]byte(m.ev.ID), "nonce/"+m.ID)
	if planted("nonce kept") {
		m.Nonce = pipeline.DeriveID([]byte(m.ID), "nonce")
	}`},
	{"any nonce acknowledges", "job_step.go", `b.Nonce != m.Nonce || m.Status`,
		`b.Nonce != m.Nonce && !planted("any nonce acknowledges") || m.Status`},
	{"acknowledged twice", "job_step.go", `m.Status == JobInProgress {
		return &JobRejection{Reason: JobInvalidNonce}`,
		`m.Status == JobInProgress && !planted("acknowledged twice") {
		return &JobRejection{Reason: JobInvalidNonce}`},
	{"late acknowledgement refused", "job_step.go", `if m.Status == JobDispatched {
		m.begin()`, `if m.Status == JobDispatched && !(m.Until <= m.at && planted("late acknowledgement refused")) {
		m.begin()`},
	{"result without acknowledgement", "job_step.go", `case m.Status == JobInProgress:
		return false, nil`, `case m.Status == JobInProgress, m.Status == JobDispatched && planted("result without acknowledgement"):
		return false, nil`},
	{"same result refused", "job_step.go", `case m.Answer != "" && m.Status == status && m.Answer == answer`,
		`case m.Answer != "" && m.Status == status && m.Answer == answer && !planted("same result refused")`},
	{"other result taken for the same", "job_step.go", `m.Answer == answer &&`,
		`(m.Answer == answer || planted("other result taken for the same")) &&`},
	{"second result counts", "job_step.go", `case m.Answer != "" && (m.Continued || m.Status == status):`,
		`case m.Answer != "" && m.Status == status && planted("second result counts"):
		return false, nil
	case m.Answer != "" && (m.Continued || m.Status == status):`},
	{"result after the time-out counts", "job_step.go", `case m.Ended():
		return false`, `case m.Status == JobTimedOut && planted("result after the time-out counts"):
		return false, nil
	case m.Ended():
		return false`},
	{"token of a continuation lost", "job_step.go", `ContinuationToken: b.ContinuationToken, Progress`,
		`ContinuationToken: b.ContinuationToken[:len(b.ContinuationToken)*notPlanted("token of a continuation lost")], Progress`},
	{"continuation of what is over", "job_step.go", `	if m.Withdrawn {
		return
	}
	next`, `	if m.Withdrawn && !planted("continuation of what is over") {
		return
	}
	next`},
	{"continuation ends the action", "job_step.go", `	if b.ContinuationToken != "" {
		m.Continued`, `	if b.ContinuationToken != "" && !planted("continuation ends the action") {
		m.Continued`},
	{"progress forgotten", "job_step.go", `if b.Progress.Summary == "" {`,
		`if b.Progress.Summary == "" && !planted("progress forgotten") {`},
	{"external id forgotten", "job_step.go", `if b.Progress.ExternalExecutionID == "" {`,
		`if b.Progress.ExternalExecutionID == "" && !planted("external id forgotten") {`},
	{"outputs not produced", "job_step.go", `report.Succeeded, report.Produced = true, m.Terms.Outputs`,
		`report.Succeeded, report.Produced = true, m.Terms.Outputs[:len(m.Terms.Outputs)*notPlanted("outputs not produced")]`},
	{"failure taken for success", "job_step.go", `	if m.Terms.FailureHolds {
		report.Succeeded, report`, `	if m.Terms.FailureHolds || planted("failure taken for success") {
		report.Succeeded, report`},
	{"revision of any job", "job_step.go", `if m.Terms.Source {`,
		`if m.Terms.Source || planted("revision of any job") {`},
	{"time of the job counts from its hand-out", "job_step.go", `m.Status, m.Until = JobDispatched, m.at+m.Terms.Acknowledge`,
		`m.Status, m.Until = JobDispatched, m.at+m.Terms.Acknowledge
	if planted("time of the job counts from its hand-out") && m.Terms.Timeout > 0 {
		m.Until = m.at + m.Terms.Timeout
	}`},
	{"no time to acknowledge", "job_step.go", `m.at+m.Terms.Acknowledge`,
		`m.at+m.Terms.Acknowledge*int64(notPlanted("no time to acknowledge"))`},
	{"job has all the time", "job_step.go", `if m.Terms.Timeout > 0 {`,
		`if m.Terms.Timeout > 0 && !planted("job has all the time") {`},
	{"time-out of a job not reported", "job_step.go", `		m.end(JobTimedOut, "")
		report := m.report()`, `		m.end(JobTimedOut, "")
		if planted("time-out of a job not reported") {
			return
		}
		report := m.report()`},
	{"withdrawn from who has it", "job_step.go", `if m.Status != JobInProgress {`,
		`if m.Status != JobInProgress || planted("withdrawn from who has it") {`},
	{"withdrawn but offered", "job_step.go", `		m.Status = JobFailed
	}`, `		if !planted("withdrawn but offered") {
			m.Status = JobFailed
		}
	}`},
	{"event of a job applied twice", "job_step.go", `if j.ID != "" && j.Event == ev.ID {`,
		`if j.ID != "" && j.Event == ev.ID && !planted("event of a job applied twice") {`},
	{"token and variables together", "job_step.go", `if b.ContinuationToken != "" && len(b.OutputVariables) > 0 {`,
		`if b.ContinuationToken != "" && len(b.OutputVariables) > 0 && !planted("token and variables together") {`},
	{"handed out when its time is over", "job_step.go", `if m.Withdrawn || m.at >= m.Deadline ||`,
		`if m.Withdrawn || m.at >= m.Deadline && !planted("handed out when its time is over") ||`},
	{"attention when the action times out", "job.go", `if attention && j.Until != 0 {`,
		`if attention && j.Until != 0 && !planted("attention when the action times out") {`},
	// Jobs that are brought.
	{"invoked job polled", "job.go", `case j.Terms.Invoked:
		return 0`, `case j.Terms.Invoked && !planted("invoked job polled"):
		return 0`},
	{"invoked job to be acknowledged", "job_step.go", `	if m.Terms.Invoked {
		m.begin()`, `	if m.Terms.Invoked && !planted("invoked job to be acknowledged") {
		m.begin()`},
	{"continuation at once", "job_step.go", `if m.Terms.Pause > 0 {`,
		`if m.Terms.Pause > 0 && !planted("continuation at once") {`},
	{"continuation brought by nobody", "job.go", `j.Terms.Invoked && j.Status == JobCreated
	if`, `j.Terms.Invoked && j.Status == JobCreated && !planted("continuation brought by nobody")
	if`},
	{"unpaused continuation brought by nobody", "job.go", `if j.Terms.Invoked && j.Status == JobQueued {`,
		`if j.Terms.Invoked && j.Status == JobQueued && !planted("unpaused continuation brought by nobody") {`},
	{"pause of a continuation never over", "job_step.go", `if m.Status == JobCreated && m.Until <= m.at {`,
		`if m.Status == JobCreated && m.Until <= m.at && !planted("pause of a continuation never over") {`},
	{"progress of a function believed", "job_step.go", `if id := m.Terms.ExternalExecutionID; id != "" {`,
		`if id := m.Terms.ExternalExecutionID; id != "" && !planted("progress of a function believed") {`},
	{"id of a function believed", "job_step.go", `id := firstOf(m.Terms.ExternalExecutionID, firstOf`,
		`own := m.Terms.ExternalExecutionID
	if planted("id of a function believed") {
		own = ""
	}
	id := firstOf(own, firstOf`},
	{"rule after a failure holds by success", "job_step.go", `	if m.Terms.FailureHolds {
		report.Outcome`, `	if m.Terms.FailureHolds && !planted("rule after a failure holds by success") {
		report.Outcome`},
	{"rule judged by a job out of time", "job_step.go", `report.TimedOut, report.Outcome = true, Outcome{`,
		`report.TimedOut, report.Outcome = !planted("rule judged by a job out of time"), Outcome{`},
}
