package invoke

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// maxPayload is the largest event and the largest answer of a function, as Lambda
// has it.
const maxPayload = 6 << 20

// invocation is one event for one process, by the Lambda runtime API.
type invocation struct {
	id       string
	payload  []byte
	deadline time.Time
	arn      string

	mu     sync.Mutex
	taken  bool
	over   bool
	result []byte
	err    error
	done   chan struct{} // closed when the function answered
}

func newInvocation(id string, payload []byte, deadline time.Time, arn string) *invocation {
	return &invocation{id: id, payload: payload, deadline: deadline, arn: arn, done: make(chan struct{})}
}

// handler serves the runtime API.
func (i *invocation) handler() http.Handler {
	mux := http.NewServeMux()
	const base = "/2018-06-01/runtime/"
	mux.HandleFunc("GET "+base+"invocation/next", i.next)
	mux.HandleFunc("POST "+base+"invocation/{id}/response", i.answered(func(body []byte) ([]byte, error) { return body, nil }))
	mux.HandleFunc("POST "+base+"invocation/{id}/error", i.answered(failed))
	mux.HandleFunc("POST "+base+"init/error", i.answered(failed))
	return mux
}

// next hands out the event; who asks again waits until the process is ended.
func (i *invocation) next(w http.ResponseWriter, r *http.Request) {
	i.mu.Lock()
	taken := i.taken
	i.taken = true
	i.mu.Unlock()
	if taken {
		<-r.Context().Done()
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Lambda-Runtime-Aws-Request-Id", i.id)
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(i.deadline.UnixMilli(), 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", i.arn)
	_, _ = w.Write(i.payload) // a function that is gone answers nothing
}

// answered takes the function's answer, the first that comes.
func (i *invocation) answered(read func(body []byte) ([]byte, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if id := r.PathValue("id"); id != "" && id != i.id {
			http.Error(w, `{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}`, http.StatusBadRequest)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxPayload))
		if err != nil {
			http.Error(w, `{"errorMessage":"Exceeded maximum allowed payload size","errorType":"RequestEntityTooLarge"}`,
				http.StatusRequestEntityTooLarge)
			return
		}
		result, failure := read(body)
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `{"status":"OK"}`)
		i.end(result, failure)
	}
}

// failed is the error that a function tells of itself.
func failed(body []byte) ([]byte, error) {
	var told struct{ ErrorMessage, ErrorType string }
	if err := json.Unmarshal(body, &told); err != nil || told.ErrorMessage == "" && told.ErrorType == "" {
		return nil, &functionError{message: fmt.Sprintf("the function failed: %.1000s", body)}
	}
	return nil, &functionError{kind: told.ErrorType, message: told.ErrorMessage}
}

func (i *invocation) end(result []byte, err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.over {
		i.over, i.result, i.err = true, result, err
		close(i.done)
	}
}
