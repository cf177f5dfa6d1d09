package trigger

import "context"

// Secret is the secret of a webhook that was read.
func (w Webhook) Secret() string { return w.secrets.Secret }

// Look is a round of Run.
func (s *Store) Look(ctx context.Context, release bool) error { return s.look(ctx, release) }
