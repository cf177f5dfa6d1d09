package db

import "sync"

// hub keeps the listeners of one node.
type hub struct {
	mu     sync.Mutex
	topics map[string]map[chan struct{}]bool
}

// listen adds a listener. Its channel holds one wake-up, so wake-ups that come
// while it is busy become one.
func (h *hub) listen(topic string) (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.topics == nil {
		h.topics = make(map[string]map[chan struct{}]bool)
	}
	if h.topics[topic] == nil {
		h.topics[topic] = make(map[chan struct{}]bool)
	}
	h.topics[topic][c] = true
	return c, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.topics[topic], c)
		if len(h.topics[topic]) == 0 {
			delete(h.topics, topic)
		}
	}
}

// wake wakes the listeners of the topics.
func (h *hub) wake(topics ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, topic := range topics {
		wakeEach(h.topics[topic])
	}
}

// wakeAll wakes every listener: used when wake-ups may have been missed.
func (h *hub) wakeAll() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, listeners := range h.topics {
		wakeEach(listeners)
	}
}

func wakeEach(listeners map[chan struct{}]bool) {
	for c := range listeners {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}
