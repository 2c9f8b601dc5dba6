# Everything that people and CI run. `make help` lists it.

SHELL   := /bin/bash -eo pipefail
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -X main.version=$(VERSION)
TOOL    := go tool -modfile=scripts/tools/go.mod
FUZZTIME ?= 60s
BASE    ?= origin/main

.DEFAULT_GOAL := help
.PHONY: help build bench bench-ab reference test race lint smoke faults fuzz clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

build: ## build server, loadgen, bench and the peers that --targets measures into bin/
	@mkdir -p bin
	go build -ldflags '$(LDFLAGS)' -o bin/ ./server ./loadgen ./bench
	go build -C bench/peers -o ../../bin/peers .

bench: build ## check the host, run every scenario, print the table and where the results are
	bin/bench doctor
	bin/bench run

bench-ab: build ## is this tree's server slower than BASE's? (BASE=origin/main)
	bin/bench ab $(ABFLAGS) $(BASE) .

reference: ## put the newest valid run of each scenario into results/reference, which is committed
	scripts/reference.sh

test: ## every test, among them each scenario at toy size through the real programs
	scripts/install-chromium.sh
	go test ./...
	go test -C bench/peers ./...
	@go test -v ./server/conformance | grep '^conformance:'

race: ## every test under the race detector
	scripts/install-chromium.sh
	go test -race ./...
	go test -C bench/peers -race ./...

lint: ## gofmt, go vet and staticcheck
	@test -z "$$(gofmt -l . | tee /dev/stderr)"
	go vet ./...
	go vet -C bench/peers ./...
	$(TOOL) staticcheck ./...

smoke: build ## every scenario of the catalogue at toy size
	bin/bench run --toy

faults: ## what server and generator do when something breaks, in networks of their own (docs/faults.md)
	scripts/install-faults.sh || [ "$$CI" != true ]
	go vet -tags faults ./server/faults ./loadgen/faults
	go test -tags faults -count 1 -v -p 1 -timeout 10m ./server/faults ./loadgen/faults

fuzz: ## each fuzz target for FUZZTIME (60s)
	scripts/fuzz.sh $(FUZZTIME)

clean: ## remove what build made
	rm -rf bin
