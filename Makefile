# Everything that people and CI do with this repository. `make` lists it.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# The shipped command is static: SQLite is pure Go, so no C is needed.
export CGO_ENABLED = 0

BIN      ?= penstock
PKG      ?= ./...
SECONDS_SIM ?= 60
FUZZTIME ?= 30s
BENCH    ?= .

.PHONY: help
help: ## this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z0-9-]+:.*## / { printf "  make %-10s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## the command, static, as ./penstock
	go build -trimpath -ldflags '-s -w' -o $(BIN) ./cmd/penstock

.PHONY: test
test: test-deps ## all tests, with what they need installed; PKG=./internal/db/... for some
	scripts/gotest $(PKG)

.PHONY: test-deps
test-deps: ## install what the full run needs and this machine lacks
	@scripts/test-deps

.PHONY: test-race
test-race: export CGO_ENABLED = 1
test-race: ## the tests under the race detector (needs a C compiler)
	scripts/gotest -race $(PKG)

.PHONY: test-pg
test-pg: test-deps ## the database conformance tests on SQLite and PostgreSQL
	scripts/gotest -count=1 ./internal/db/...

.PHONY: sim
sim: ## the simulator on fresh seeds; SECONDS_SIM=600 for longer
	scripts/sim $(SECONDS_SIM)

.PHONY: fuzz
fuzz: ## every fuzz target for a while; FUZZTIME=5m for longer
	scripts/fuzz $(FUZZTIME)

.PHONY: lint
lint: ## gofmt, go vet, staticcheck
	@scripts/check-format
	go vet ./...
	go tool staticcheck ./...

.PHONY: generate
generate: ## write the generated code and docs/coverage.md again
	go generate ./...

.PHONY: verify
verify: ## check that generate changes nothing
	@scripts/verify-generated

.PHONY: e2e
e2e: test-deps ## the whole thing from outside: server over the wire, command line, kill -9
	scripts/gotest -count=1 ./internal/server/... ./cmd/... ./penstocktest/...

.PHONY: examples
examples: build test-deps ## run every example as it stands, and the tests of the larger one
	scripts/examples ./$(BIN)

.PHONY: bench
bench: ## the benchmarks of docs/performance.md; BENCH=Step for some
	go test -run '^$$' -bench '$(BENCH)' -benchmem $(PKG)

.PHONY: ci
ci: ## what CI runs
	.ci/run

.PHONY: clean
clean: ## remove what the other targets built
	rm -rf $(BIN) dist
