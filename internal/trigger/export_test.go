package trigger

// Secret is the secret of a webhook that was read.
func (w Webhook) Secret() string { return w.secrets.Secret }
