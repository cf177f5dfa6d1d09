// Package server turns a Config into a running server: it opens the database,
// makes the packages of all floors and wires them, listens on one port, and
// shuts down in order. The main program and the tests start servers the same
// way.
package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/penstock-cd/penstock/internal/api"
	pswire "github.com/penstock-cd/penstock/internal/api/penstock"
	"github.com/penstock-cd/penstock/internal/awsjson"
	"github.com/penstock-cd/penstock/internal/blob"
	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/dispatch"
	"github.com/penstock-cd/penstock/internal/iam"
	"github.com/penstock-cd/penstock/internal/logs"
	"github.com/penstock-cd/penstock/internal/provider"
	"github.com/penstock-cd/penstock/internal/provider/invoke"
	"github.com/penstock-cd/penstock/internal/s3"
	"github.com/penstock-cd/penstock/internal/service/codepipeline"
	"github.com/penstock-cd/penstock/internal/service/penstock"
	"github.com/penstock-cd/penstock/internal/sigv4"
	"github.com/penstock-cd/penstock/internal/trigger"
)

// Options are what a program gives a server beside its configuration.
type Options struct {
	// Logger receives what the server has to say; nil discards it.
	Logger *slog.Logger
	// Providers are further action providers, as tests and "penstock run" have
	// them. One of a type that the server carries out itself takes its place.
	Providers []provider.Provider
	// Version is the version of the program.
	Version string
	// Services are further services on the port.
	Services []api.Service
	// JobPause is how long the job of a function that goes on waits; zero is as long
	// as at AWS.
	JobPause time.Duration
}

// Server is a running server. Start makes one; Close ends it.
type Server struct {
	cfg      Config
	opts     Options
	log      *slog.Logger
	unlock   func() error // of the data directory
	node     string
	db       *db.DB
	iam      *iam.Service
	buckets  *s3.Store
	stores   *artifactStores
	logs     *logs.Store
	dispatch *dispatch.Dispatcher
	triggers *trigger.Store
	versions trigger.Versions // of the S3 elsewhere, if there is one
	listener net.Listener
	// listening is closed when listener is set.
	listening chan struct{}
	http      *http.Server
	served    chan error
	// stop ends the server's own loops, which ended tells.
	stop  context.CancelFunc
	ended sync.WaitGroup
}

// Start opens everything and listens. The server runs until Close.
func Start(ctx context.Context, cfg Config, opts Options) (*Server, error) {
	if err := cfg.Check(); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	cfg, err := cfg.withDefaults().placed()
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	s := &Server{cfg: cfg, opts: opts, log: opts.Logger, served: make(chan error, 1), listening: make(chan struct{})}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if err := s.start(ctx); err != nil {
		s.Close(ctx)
		return nil, err
	}
	return s, nil
}

func (s *Server) start(ctx context.Context) error {
	if err := s.cfg.CheckItself(ctx, s.cfg.Listen); err != nil {
		return fmt.Errorf("configuration: %w", err)
	}
	if err := os.MkdirAll(s.cfg.Data, 0o700); err != nil {
		return fmt.Errorf("making the data directory: %w", err)
	}
	if err := s.openDatabase(ctx); err != nil {
		return err
	}
	var err error
	if s.node, err = nodeName(s.cfg.Data); err != nil {
		return err
	}
	if s.iam, err = s.openPrincipals(ctx); err != nil {
		return err
	}
	blobs, err := blob.OpenDir(cmp.Or(s.cfg.Blobs, filepath.Join(s.cfg.Data, "blobs")))
	if err != nil {
		return fmt.Errorf("opening the blobs: %w", err)
	}
	s.buckets = s3.New(s.db, blobs, s.log)
	if s.cfg.S3.Endpoint == "" {
		s.buckets.OnCreated(sourceChanged)
	}
	if s.stores, err = openArtifactStores(ctx, s.buckets, s.cfg.ArtifactStores, s.log); err != nil {
		return err
	}
	s.logs = logs.New(s.db, blobs, filepath.Join(s.cfg.Data, "logs"), s.node, s.log)
	if err := s.logs.Recover(ctx); err != nil {
		return fmt.Errorf("recovering logs: %w", err)
	}
	catalogue, err := s.catalogue(ctx)
	if err != nil {
		return err
	}
	if err := s.startDispatch(ctx, catalogue); err != nil {
		return err
	}
	return s.listen(ctx, catalogue)
}

func (s *Server) openDatabase(ctx context.Context) error {
	var err error
	url := s.cfg.Database
	if url == "" {
		url = "sqlite:" + s.cfg.Data
	} else if s.unlock, err = db.LockDirectory(ctx, filepath.Join(s.cfg.Data, "server.lock")); err != nil {
		return fmt.Errorf("taking the data directory: %w", err)
	}
	if s.db, err = db.Open(ctx, db.Config{URL: url, Logger: s.log}); err != nil {
		return fmt.Errorf("opening the database: %w", err)
	}
	if err := s.db.Migrate(ctx, iam.Schema(), s3.Schema(), logs.Schema(), dispatch.Schema(), trigger.Schema()); err != nil {
		return fmt.Errorf("migrating the database: %w", err)
	}
	return nil
}

func (s *Server) startDispatch(ctx context.Context, catalogue *provider.Catalogue) error {
	workspaces := filepath.Join(s.cfg.Data, "workspaces")
	// What is in it belongs to attempts of a process that is gone.
	if err := dispatch.RemoveWorkspaces(workspaces); err != nil {
		s.log.Warn("clearing old workspaces", "folder", workspaces, "error", err)
	}
	kept, err := s.artifacts(ctx)
	if err != nil {
		return err
	}
	s.dispatch = dispatch.New(dispatch.Config{
		DB: s.db, Catalogue: catalogue, Node: s.node, Workspaces: workspaces, Exclusive: s.cfg.Database == "",
		Artifacts: kept, PrepareBucket: kept.prepare, Sealer: s.iam.Keyring(), Logger: s.log,
		InertTriggers: s.cfg.InertTriggers, JobWorkers: true, LambdaExecutor: invoke.NewExecutors(s.invoking()),
		Quotas: dispatch.Quotas{
			Pipelines: s.cfg.Quotas.Pipelines, CustomActionTypes: s.cfg.Quotas.CustomActionTypes,
			ConcurrentExecutions: s.cfg.Quotas.ConcurrentExecutions,
		},
		NodeGone: func(ctx context.Context, name string) {
			if err := s.logs.EndNode(ctx, name); err != nil {
				s.log.Error("ending the logs of a node that is gone", "node", name, "error", err)
			}
		},
		OpenLog: func(ctx context.Context, stream string, secrets []string) (dispatch.Log, error) {
			return s.logs.Writer(ctx, stream, secrets)
		},
	})
	if err := s.dispatch.Run(ctx); err != nil {
		return fmt.Errorf("starting the dispatcher: %w", err)
	}
	return nil
}

// artifacts makes what keeps artifacts, with an empty spool: what is in it belongs
// to attempts of a process that is gone.
func (s *Server) artifacts(ctx context.Context) (artifacts, error) {
	spool := filepath.Join(s.cfg.Data, "spool")
	if err := os.RemoveAll(spool); err != nil {
		s.log.Warn("clearing content on its way", "folder", spool, "error", err)
	}
	if err := os.MkdirAll(spool, 0o700); err != nil {
		return artifacts{}, fmt.Errorf("making the folder for content on its way: %w", err)
	}
	for name := range s.stores.named {
		if _, err := s.buckets.HeadBucket(ctx, name); err == nil {
			s.log.Warn("a bucket of this server is hidden by artifactStores", "bucket", name)
		}
	}
	return artifacts{store: s.buckets, owner: s.owner(), stores: s.stores, spool: spool}, nil
}

// listen opens the port and serves it.
func (s *Server) listen(ctx context.Context, catalogue *provider.Catalogue) error {
	listener, err := net.Listen("tcp", s.cfg.Listen)
	if err != nil {
		return fmt.Errorf("listening on %s: %w", s.cfg.Listen, err)
	}
	// Port 0 of the configuration has become one.
	if err := s.cfg.CheckItself(ctx, listener.Addr().String()); err != nil {
		listener.Close()
		return fmt.Errorf("configuration: %w", err)
	}
	s.listener = listener
	close(s.listening)
	s.triggers = trigger.New(trigger.Config{
		DB: s.db, Dispatch: s.dispatch, Sealer: s.iam.Keyring(), Endpoint: s.Endpoint(), MaxWebhooks: s.cfg.Quotas.Webhooks,
		Node: s.node, Account: s.cfg.Account, Versions: s.versions, Here: s.polledHere(), Logger: s.log,
	})
	services := append([]api.Service{
		codepipeline.Describe(codepipeline.New(s.dispatch, catalogue, s.iam, s.triggers)),
		pswire.Describe(penstock.New(s.dispatch, s.logs, s.iam, s.info)),
	}, s.opts.Services...)
	operations := awsjson.NewHandler(s.iam, s.log, services...)
	operations.Trouble = trouble
	operations.Limits = api.Limits{"ActionConfigurationValue": s.cfg.Quotas.ConfigurationValue}
	s.http = &http.Server{
		Handler:           s.routes(operations),
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
	s.http.RegisterOnShutdown(s.dispatch.EndPolls)
	go func() {
		if err := s.http.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.served <- err
		}
	}()
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.ended.Go(func() { s.maintain(running) })
	s.ended.Go(func() { s.triggers.Run(running) })
	s.ended.Go(func() { s.iam.Run(running, s.log) })
	return s.writeEndpoint()
}

func (s *Server) owner() s3.Owner { return s3.Owner{Account: s.cfg.Account, Region: s.cfg.Region} }

func (s *Server) info() penstock.Info {
	return penstock.Info{Version: s.opts.Version, Account: s.cfg.Account, Region: s.cfg.Region, Endpoint: s.Endpoint()}
}

// Endpoint is the base URL of the server, with an address by number, for which
// every SDK uses path style.
func (s *Server) Endpoint() string { return "http://" + s.listener.Addr().String() }

// Region is the home region.
func (s *Server) Region() string { return s.cfg.Region }

// Root is the root key pair.
func (s *Server) Root() sigv4.Credentials { return s.iam.Root() }

// Buckets is the server's own S3, for programs that embed the server.
func (s *Server) Buckets() *s3.Store { return s.buckets }

// Done receives the error that ended serving, if anything but Close did.
func (s *Server) Done() <-chan error { return s.served }

// Close stops listening, waits for requests until ctx ends, stops what runs and
// closes the database. It is safe to call more than once.
func (s *Server) Close(ctx context.Context) error {
	var errs []error
	if s.http != nil {
		if err := s.http.Shutdown(ctx); err != nil {
			errs = append(errs, s.http.Close())
		}
	}
	if s.stop != nil {
		s.stop()
		s.ended.Wait()
	}
	if s.dispatch != nil {
		s.dispatch.Close()
	}
	if s.db != nil {
		if err := s.db.Close(); err != nil {
			errs = append(errs, fmt.Errorf("closing the database: %w", err))
		}
	}
	if s.unlock != nil {
		if err := s.unlock(); err != nil {
			errs = append(errs, fmt.Errorf("giving the data directory back: %w", err))
		}
		s.unlock = nil
	}
	return errors.Join(errs...)
}
