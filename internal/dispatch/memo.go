package dispatch

import "sync"

// memo remembers what was made of rows, up to a number of entries; any entry may
// go to make room. It is no source of truth: a key, or a part of the value that
// the reader compares, names a state of the database that never changes.
type memo[K comparable, V any] struct {
	mu      sync.Mutex
	max     int
	entries map[K]V
}

func newMemo[K comparable, V any](max int) *memo[K, V] {
	return &memo[K, V]{max: max, entries: map[K]V{}}
}

func (m *memo[K, V]) get(key K) (V, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v, ok := m.entries[key]
	return v, ok
}

func (m *memo[K, V]) put(key K, v V) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.entries[key]; !known && len(m.entries) >= m.max {
		for k := range m.entries { // any one will do: it is read again when needed
			delete(m.entries, k)
			break
		}
	}
	m.entries[key] = v
}
