package trigger

import (
	"cmp"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/penstock-cd/penstock/internal/db"
	"github.com/penstock-cd/penstock/internal/dispatch"
)

// Sealer encrypts what must not lie open in the database.
type Sealer interface {
	// Seal encrypts a secret. about says what it is; Open wants the same text.
	Seal(secret []byte, about string) (string, error)
	// Open decrypts what Seal made.
	Open(sealed, about string) ([]byte, error)
}

// DefaultMaxWebhooks is CodePipeline's quota of webhooks in a region.
const DefaultMaxWebhooks = 300

// Config is what a Store needs.
type Config struct {
	DB       *db.DB
	Dispatch *dispatch.Dispatcher
	Sealer   Sealer
	// Endpoint is the base URL under which webhooks are called, without a slash
	// at its end.
	Endpoint string
	// MaxWebhooks is the number of webhooks that an account may have in a region;
	// 0 is DefaultMaxWebhooks.
	MaxWebhooks int
	// Node names this node, the same after it was started again.
	Node string
	// Account is whose sources are polled, in Versions: nil if nothing is.
	Account  string
	Versions Versions
	// Here, if there are no Versions, is this server's own S3, which tells of its
	// changes itself: an object is looked at once for each pipeline that comes to
	// name it. Without either, creating a pipeline starts its first execution.
	Here Versions
	// Logger is told what changes start; nil discards it.
	Logger *slog.Logger
}

// Store keeps the triggers. It is safe for concurrent use.
type Store struct {
	Config

	// fresh are pipelines whose objects are to be looked at now, by their ids; wake
	// tells Run of them. sources are those of accounts. Both under mu.
	mu      sync.Mutex
	fresh   map[string]dispatch.Key
	sources map[string][]*sourcePage
	wake    chan struct{}
	// lookedHere is when the objects of this server were gone through. Only Run uses
	// it.
	lookedHere time.Time
}

// New makes a store on a database that Schema was applied to.
func New(cfg Config) *Store {
	cfg.MaxWebhooks = cmp.Or(cfg.MaxWebhooks, DefaultMaxWebhooks)
	cfg.Logger = cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))
	return &Store{
		Config: cfg, fresh: map[string]dispatch.Key{}, sources: map[string][]*sourcePage{}, wake: make(chan struct{}, 1),
	}
}

// The errors that callers decide on, found with errors.Is. A target pipeline
// that does not exist is dispatch.ErrPipelineNotFound.
var (
	// ErrWebhookNotFound says that the account has no webhook of that name in
	// the region.
	ErrWebhookNotFound = errors.New("webhook not found")
	// ErrTooManyWebhooks says that the account may have no further webhook in
	// the region.
	ErrTooManyWebhooks = errors.New("too many webhooks")
	// ErrTargetAction says that the target action is not in the first stage of
	// the target pipeline.
	ErrTargetAction = errors.New("target action is not in the first stage")
	// ErrConcurrent says that others changed the webhook at the same time, again
	// and again.
	ErrConcurrent = errors.New("the webhook was changed by others at the same time")
)

// FilterError says what is wrong with a filter of a webhook.
type FilterError struct{ Message string }

func (e *FilterError) Error() string { return e.Message }

// AuthenticationError says what is wrong with the authentication parameters of
// a webhook.
type AuthenticationError struct{ Message string }

func (e *AuthenticationError) Error() string { return e.Message }

// scanner is a row or the current one of rows.
type scanner interface{ Scan(dest ...any) error }

// each runs a query and calls do for every row.
func each(tx *db.Tx, do func(scanner) error, query string, args ...any) error {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := do(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
