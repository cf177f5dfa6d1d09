package db

import (
	"context"
	"crypto/rand"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

const (
	notifyChannel  = "penstock"
	notifyInterval = 5 * time.Millisecond // between two wake-ups of one topic from this node
	reconnectFirst = 50 * time.Millisecond
	reconnectMax   = 5 * time.Second
)

// notifier sends wake-ups to the other nodes on a connection of its own, so that
// no transaction waits for PostgreSQL's notification lock. What comes within
// notifyInterval becomes one. It connects when there is something to send first.
type notifier struct {
	node   string // tells this node's wake-ups from the others'
	config *pgx.ConnConfig
	logger *slog.Logger
	ctx    context.Context // ends with close
	stop   context.CancelFunc
	start  sync.Once
	ended  sync.WaitGroup
	wake   chan struct{} // holds one: there may be something in pending

	mu      sync.Mutex
	pending map[string]bool
}

func newNotifier(config *pgx.ConnConfig, logger *slog.Logger) *notifier {
	n := &notifier{
		node: rand.Text(), config: config, logger: logger,
		wake: make(chan struct{}, 1), pending: make(map[string]bool),
	}
	n.ctx, n.stop = context.WithCancel(context.Background())
	return n
}

// add has topics sent soon; it does not wait.
func (n *notifier) add(topics []string) {
	n.mu.Lock()
	for _, t := range topics {
		n.pending[t] = true
	}
	n.mu.Unlock()
	n.start.Do(func() { n.ended.Go(n.loop) })
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// close sends nothing more; whoever would have been woken polls. add must not be
// called any more.
func (n *notifier) close() {
	n.stop()
	n.ended.Wait()
}

func (n *notifier) loop() {
	var conn *pgx.Conn
	defer func() {
		if conn != nil {
			closeConn(conn)
		}
	}()
	wait := reconnectFirst
	for {
		select {
		case <-n.wake:
		case <-n.ctx.Done():
			return
		}
		topics := n.take()
		var err error
		if conn, err = n.send(conn, topics); err == nil {
			wait = reconnectFirst
			pause(n.ctx, notifyInterval)
			continue
		}
		if n.ctx.Err() != nil {
			return
		}
		n.logger.Warn("sending wake-ups to other nodes", "error", err)
		pause(n.ctx, wait)
		wait = min(2*wait, reconnectMax)
		n.add(topics)
	}
}

func (n *notifier) take() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	topics := slices.Sorted(maps.Keys(n.pending))
	clear(n.pending)
	return topics
}

// send returns the connection to use next time: nil after an error.
func (n *notifier) send(conn *pgx.Conn, topics []string) (*pgx.Conn, error) {
	if len(topics) == 0 {
		return conn, nil
	}
	if conn == nil {
		var err error
		if conn, err = pgx.ConnectConfig(n.ctx, n.config); err != nil {
			return nil, err
		}
	}
	_, err := conn.Exec(n.ctx,
		"select pg_notify($1, $2 || ' ' || topic) from unnest($3::text[]) as topic",
		notifyChannel, n.node, topics)
	if err != nil {
		closeConn(conn)
		return nil, err
	}
	return conn, nil
}

// listener waits for the wake-ups of other nodes on a connection of its own.
type listener struct {
	node   string
	config *pgx.ConnConfig
	hub    *hub
	logger *slog.Logger
	stop   context.CancelFunc
	ended  sync.WaitGroup
}

func startListener(config *pgx.ConnConfig, node string, h *hub, logger *slog.Logger) *listener {
	ctx, stop := context.WithCancel(context.Background())
	l := &listener{node: node, config: config, hub: h, logger: logger, stop: stop}
	l.ended.Go(func() { l.loop(ctx) })
	return l
}

func (l *listener) close() {
	l.stop()
	l.ended.Wait()
}

func (l *listener) loop(ctx context.Context) {
	wait := reconnectFirst
	for ctx.Err() == nil {
		listened, err := l.runOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		if listened {
			wait = reconnectFirst
		}
		l.logger.Warn("listening for wake-ups of other nodes", "error", err)
		pause(ctx, wait)
		wait = min(2*wait, reconnectMax)
	}
}

// runOnce listens until the connection breaks or ctx ends.
func (l *listener) runOnce(ctx context.Context) (listened bool, err error) {
	conn, err := pgx.ConnectConfig(ctx, l.config)
	if err != nil {
		return false, err
	}
	defer closeConn(conn)
	if _, err := conn.Exec(ctx, "listen "+notifyChannel); err != nil {
		return false, err
	}
	l.hub.wakeAll() // there was nobody to hear what was sent before
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return true, err
		}
		// This node's listeners were woken by the commit itself.
		if node, topic, ok := strings.Cut(n.Payload, " "); ok && node != l.node {
			l.hub.wake(topic)
		}
	}
}

func closeConn(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}

// pause waits, but not longer than ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
