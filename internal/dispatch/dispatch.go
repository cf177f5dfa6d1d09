package dispatch

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/pipeline"
	"github.com/penstock-cd/penstock/internal/provider"
)

// Config is what a Dispatcher needs. Every field without "optional" is needed.
type Config struct {
	DB        *db.DB
	Catalogue *provider.Catalogue
	Artifacts provider.Artifacts
	// PrepareBucket makes a bucket ready for the outputs of a job, before somebody
	// who cannot make buckets is offered the job. It may be called again for a bucket
	// that is ready. An *provider.ObjectError within its error ends the action; any
	// other error is tried again. Optional.
	PrepareBucket func(ctx context.Context, bucket string) error
	// OpenLog opens the log of an action execution, masking the secrets.
	OpenLog func(ctx context.Context, stream string, secrets []string) (Log, error)
	// Node names this node in logs and claims; a process adds its own random
	// part, so that every incarnation is another node.
	Node string
	// Workspaces is a folder for the working directories of attempts. It holds
	// nothing of worth between runs of the process.
	Workspaces string
	// Exclusive says that no other process can use the database, so that claims
	// found at start belong to processes that are gone.
	Exclusive bool
	// NodeGone is told the name of a node whose lease ended. Optional.
	NodeGone func(ctx context.Context, name string)
	// Limits are the quotas; the zero value is CodePipeline's own.
	Limits pipeline.Limits
	// Quotas bound what an account may have; the zero value is CodePipeline's own.
	Quotas Quotas
	// JobWorkers says that job workers can poll this server for the actions of
	// custom action types. Without it these types are known but unavailable.
	JobWorkers bool
	// LambdaExecutor makes the provider of a declared action type whose executor is a
	// function. Without it these types are known but unavailable. Optional.
	LambdaExecutor func(functionARN string, timeout time.Duration) provider.Invoker
	// JobAcknowledge is how long a job that was handed out may stay unacknowledged;
	// zero means 60 s. Optional.
	JobAcknowledge time.Duration
	// InertTriggers permits triggers in declarations, which start nothing.
	// Without it a declaration with any is refused.
	InertTriggers bool
	// Sealer encrypts secret configuration values; without one a declaration that
	// holds any is refused. Optional.
	Sealer Sealer
	Logger *slog.Logger
	// Lease is how long a node's claims outlive its last sign of life; zero
	// means 15 s. Optional.
	Lease time.Duration
	// Now is the clock; nil means time.Now. Optional.
	Now func() time.Time
}

// Log is the output of one attempt while it runs. Write is safe for concurrent
// use; Close makes what was written durable.
type Log interface {
	io.Writer
	Close(ctx context.Context) error
}

// Dispatcher applies events and carries out effects. Create one with New, call
// Run once, and use it from any number of goroutines.
type Dispatcher struct {
	Config
	node string

	mu       sync.Mutex
	lines    map[string]*line
	ids      map[Key]string
	idGen    uint64 // raised whenever ids forgets something
	plans    *memo[planKey, *pipeline.Plan]
	views    views
	attempts map[string]context.CancelCauseFunc
	carrying map[string]bool // the effects that are being carried out here
	asked    asked
	wake     chan struct{}
	stopped  bool
	leased   bool // the node's row was there when it was last renewed
	// ctx ends what carries out effects; work, which ends later, what makes
	// decisions durable.
	ctx     context.Context
	cancel  context.CancelFunc
	work    context.Context
	endWork context.CancelFunc
	running sync.WaitGroup
	// polls ends what waits for jobs.
	polls    context.Context
	endPolls context.CancelFunc
}

// Key names a pipeline as its users do.
type Key struct{ Account, Region, Name string }

// Errors of requests that name what is not there.
var (
	ErrPipelineNotFound  = errors.New("pipeline not found")
	ErrVersionNotFound   = errors.New("pipeline version not found")
	ErrExecutionNotFound = errors.New("pipeline execution not found")
	ErrActionNotFound    = errors.New("action execution not found")
	ErrNameInUse         = errors.New("pipeline name in use")
)

// New makes a dispatcher. It does nothing before Run.
func New(cfg Config) *Dispatcher {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Lease == 0 {
		cfg.Lease = 15 * time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	cfg.Quotas = cfg.Quotas.withDefaults()
	ctx, cancel := context.WithCancel(context.Background())
	polls, endPolls := context.WithCancel(ctx)
	work, endWork := context.WithCancel(context.Background())
	return &Dispatcher{
		Config:   cfg,
		node:     cfg.Node + "/" + rand.Text(),
		lines:    map[string]*line{},
		ids:      map[Key]string{},
		plans:    newMemo[planKey, *pipeline.Plan](maxPlans),
		views:    newViews(),
		attempts: map[string]context.CancelCauseFunc{},
		carrying: map[string]bool{},
		wake:     make(chan struct{}, 1),
		ctx:      ctx,
		cancel:   cancel,
		work:     work,
		endWork:  endWork,
		polls:    polls,
		endPolls: endPolls,
	}
}

// Run takes over what processes that are gone have left and starts carrying out
// effects, until Close.
func (d *Dispatcher) Run(ctx context.Context) error {
	if err := d.takeOver(ctx); err != nil {
		return fmt.Errorf("taking over effects: %w", err)
	}
	if err := d.forgetSecrets(ctx, ""); err != nil {
		return err
	}
	d.running.Go(d.loop)
	return nil
}

// Close stops claiming, stops what runs on this node and waits for it, and gives
// its claims back. Attempts that were cut off keep their effects: what follows is
// decided by whoever claims them next. It is safe to call more than once.
func (d *Dispatcher) Close() {
	d.mu.Lock()
	first := !d.stopped
	d.stopped = true
	d.mu.Unlock()
	d.cancel()
	if !first {
		return
	}
	d.running.Wait()
	ctx, cancel := context.WithTimeout(d.work, reportGrace)
	defer cancel()
	if err := d.leave(ctx); err != nil {
		d.Logger.Warn("giving the node's claims back", "node", d.node, "error", err)
	}
	d.endWork()
}

// nudge makes the loop look for effects now.
func (d *Dispatcher) nudge() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// nowMillis is the node's clock in milliseconds. Leases and due times use the
// database's clock instead.
func (d *Dispatcher) nowMillis() int64 { return d.Now().UnixMilli() }
