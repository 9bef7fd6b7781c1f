# Everything a contributor or the build machine runs. `make` alone prints the list.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

MODULES := $(shell awk '!/^\#/ && NF { print $$1 }' modules.txt)

# RESULTS names a file that collects the outcome of every test.
SKIPCHECK := go run ./tools/cmd/skipcheck -expected tools/expected-skips.txt $(if $(RESULTS),-results $(RESULTS)) --
GOTEST := $(SKIPCHECK) go test -json
# Runs a command with a PostgreSQL and an S3 server beside it, and installs them where they are missing and it may.
TESTENV := go run ./tools/cmd/testenv -install --

GOLANGCI_VERSION := $(shell awk '$$1 == "golangci-lint" { print $$2 }' tools/versions.txt)
GOLANGCI_PACKAGE := $(shell awk '$$1 == "golangci-lint" { print $$3 }' tools/versions.txt)
GOLANGCI_DIR := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/ephemera/tools/golangci-lint-$(GOLANGCI_VERSION)
GOLANGCI := $(GOLANGCI_DIR)/golangci-lint

FUZZTIME ?= 10s
HOURS ?= $(or $(EPHEMERA_HOURS),1)
SEED ?= $(EPHEMERA_SEED)
CYCLE ?=
S3 ?= versitygw

##@ Every day

.PHONY: help
help: ## print this list
	@awk 'BEGIN { FS = ":.*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

.PHONY: run
run: ## a server on 127.0.0.1:7070 that fills itself with earthquakes, data in ./data; flags in RUNARGS
	@mkdir -p out
	go build -o out/ephemera ./server/cmd/ephemera
	out/ephemera demo --data ./data --log-level warn $(RUNARGS)

# Two parts at a time, the longest first. Drivers of servers have servers of their own, because they crash them.
BY_TWO = $(MAKE) --no-print-directory --keep-going -j2

.PHONY: test
test: ## test every module, with real servers; the first run installs them
	$(TESTENV) true # installs, once
	$(BY_TWO) test-verify test-modules test-s3 test-postgres

.PHONY: test-verify test-modules test-s3 test-postgres
test-verify:
	$(TESTENV) $(GOTEST) -parallel 3 ./verify/...
test-modules:
	$(TESTENV) $(GOTEST) $$(go list work | grep -v -e /verify -e /storage-postgres -e /storage-s3)
test-s3:
	$(TESTENV) $(GOTEST) ./storage-s3/...
test-postgres:
	$(TESTENV) $(GOTEST) ./storage-postgres/...

.PHONY: check
check: fmt vet modcheck docscheck lint ## everything that judges the code without running it

.PHONY: ci
ci: ## what the build machine runs
	.ci/run

##@ Parts of check

.PHONY: fmt
fmt: ## list files that gofmt would change
	@unformatted=$$(gofmt -l $(MODULES)); \
	if [ -n "$$unformatted" ]; then echo "gofmt -w these files:"; echo "$$unformatted"; exit 1; fi

.PHONY: vet
vet: ## go vet every module
	go vet work

.PHONY: modcheck
modcheck: ## module, licence and size rules
	go run ./tools/cmd/modcheck

.PHONY: docscheck
docscheck: ## pages against the code: links, Go blocks, commands, flags, names of tests
	go run ./tools/cmd/docscheck

.PHONY: lint
lint: $(GOLANGCI) ## golangci-lint, module by module; the first run builds it
	@failed=; for module in $(MODULES); do \
		echo "lint $$module"; \
		(cd $$module && $(GOLANGCI) run --allow-serial-runners ./...) || failed=1; \
	done; \
	echo "lint core, build tag explore"; \
	(cd core && $(GOLANGCI) run --allow-serial-runners --build-tags explore ./...) || failed=1; \
	test -z "$$failed"

# Outside of the workspace, so that the linter and the modules do not change each other's versions.
$(GOLANGCI):
	@echo "installing golangci-lint $(GOLANGCI_VERSION) into $(GOLANGCI_DIR): about 4 minutes, once"
	GOWORK=off GOFLAGS= GOBIN="$(GOLANGCI_DIR)" go install $(GOLANGCI_PACKAGE)@$(GOLANGCI_VERSION)

##@ Deeper tests

# What the detector cannot see: children, damaged files, sizes on disk, single goroutines, contracts that others run.
RACELESS := Killed|CommitFails|DamagedFile|Plateau|TestShrinks|TestFullDisk|TestDatabaseLimit|TestBlobs|TestByURL
SERVER_RACELESS := Killed|NoRoom|Process|EveryHelp|BadInput|BadConfig|SayWhatIsWrong|SlowClients|Unwritable|UnreadableKey|BadEnvironment
CORE_RACELESS := TestEncod|TestPartitionOfSpreads
SNAPSHOT_RACELESS := TestEveryDamage|TestManifestMemory|TestManifestFrames|TestColumns
VERIFY_RACELESS := TestDashboard|TestDeploy|TestGateways|Snapshot(Crash|CopyCrash|Mutants|Killed|TwoOwners|EveryFault)|Case39|TestSnapshot/(s3|postgres)
# What several goroutines do to one store; the contracts and the crashes tell the detector nothing more.
POSTGRES_RACE := Ambiguous|Close|FullPool|OpenTogether|Tail|Takeover|TwoOwners|Hanging|PutsOfOneName|RefusedURLs
S3_RACE := InMemory|OneWinner|Generations|Takeover|CloseWithout|Concurrent|Lease|Fenced

.PHONY: race
race: ## race detector on everything concurrent
	$(TESTENV) true
	$(BY_TWO) race-verify race-engine race-snapshot race-sqlite race-server race-s3 race-postgres

.PHONY: race-verify race-engine race-snapshot race-sqlite race-server race-s3 race-postgres
race-verify:
	$(GOTEST) -race -short -skip '$(VERIFY_RACELESS)' ./verify/...
race-engine:
	$(GOTEST) -race -short -skip '$(CORE_RACELESS)' ./core/... ./sinks/... ./window/... ./streams/... ./telemetry/...
race-snapshot:
	$(GOTEST) -race -short -skip '$(SNAPSHOT_RACELESS)' ./snapshot/...
race-sqlite:
	$(GOTEST) -race -short -skip '$(RACELESS)' ./storage-sqlite/...
race-server:
	$(GOTEST) -race -short -skip '$(SERVER_RACELESS)' ./server/...
race-s3:
	$(TESTENV) $(GOTEST) -race -short -run '$(S3_RACE)' ./storage-s3/...
race-postgres:
	$(TESTENV) $(GOTEST) -race -short -run '$(POSTGRES_RACE)' ./storage-postgres/...

.PHONY: explore
explore: ## all interleavings of small programs, and proof that known mistakes are found
	$(GOTEST) -tags explore ./core/...
	$(GOTEST) -tags 'explore mutants' -run TestMutants ./core

.PHONY: stall
stall: ## the same promises while writers stop in the middle of appends
	$(GOTEST) -tags stall -run 'Hammer|Stall' ./core/...
	$(GOTEST) -tags stall -run TestConservation ./verify/...

.PHONY: 386
386: ## core and snapshot on a 32-bit machine
	CGO_ENABLED=0 GOARCH=386 go vet ./core/... ./snapshot/...
	$(SKIPCHECK) env CGO_ENABLED=0 GOARCH=386 go test -json -short ./core/...
	$(SKIPCHECK) env CGO_ENABLED=0 GOARCH=386 go test -json -short ./snapshot/...

.PHONY: arm64
arm64: ## vet core for arm64
	CGO_ENABLED=0 GOARCH=arm64 go vet ./core/...

# Built once per package: `go test -fuzz` links anew for every target, which takes longer than a short run.
.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (10s; 5000x counts runs)
	@files=$$(grep -rl --include='*_test.go' '^func Fuzz' $(MODULES)) || { echo "no fuzz target found"; exit 1; }; \
	for dir in $$(xargs -n 1 dirname <<<"$$files" | sort -u); do \
		cache="$(CURDIR)/out/fuzz/$$dir"; binary="$$cache/fuzz.test"; \
		(cd "$$dir" && go test -c -fuzz . -o "$$binary" . && \
		for name in $$("$$binary" -test.list '^Fuzz'); do \
			echo "fuzz $$dir $$name"; \
			"$$binary" -test.run '^$$' -test.fuzz "^$$name\$$" -test.fuzztime $(FUZZTIME) -test.fuzzcachedir "$$cache"; \
		done); \
	done

.PHONY: reliability
reliability: ## the reliability programme for HOURS (1) with SEED, with real servers; one cycle with CYCLE=PART:SEED
	go run ./tools/cmd/testenv -install -s3 $(S3) -- env EPHEMERA_HOURS='$(HOURS)' EPHEMERA_SEED='$(SEED)' EPHEMERA_CYCLE='$(CYCLE)' \
		go test ./verify -run 'TestReliability$$' -v -count 1 -timeout 0

# What a push has no time for; the table in CONTRIBUTING.md has more. MinIO is the second opinion on S3.
.PHONY: nightly
nightly: ## long forms: every fuzz target for 5 minutes, MinIO, the reliability programme for HOURS
	$(MAKE) fuzz FUZZTIME=5m
	go run ./tools/cmd/testenv -install -s3 minio -- $(GOTEST) -count 1 ./storage-s3/... ./tools/cmd/testenv
	$(MAKE) reliability S3=minio

# The newest release of core, or the commit that benchmarks/BASE names, moved only on purpose.
BASE ?= $(or $(shell git tag --list 'core/v*' --sort=-v:refname | head -n 1),$(shell awk '!/^\#/ && NF { print $$1 }' benchmarks/BASE))

.PHONY: gate
gate: ## judge benchmarks/budgets.txt, against the revision BASE; flags in GATEARGS
	@mkdir -p out
	go build -o out/benchgate ./tools/cmd/benchgate
	out/benchgate run --base $(BASE) --head . --package ./benchmarks \
		--budgets benchmarks/budgets.txt --out out/gate.txt $(GATEARGS)

.PHONY: gate-proof
gate-proof: ## slow the append down by a few percent and see the gate fail
	go test -tags gateproof ./tools/cmd/benchgate -run TestGateProof -count 1 -timeout 30m -v

.PHONY: gate-recipe
gate-recipe: ## follow docs/benchgate.md in a foreign module, with benchgate as users get it
	go run ./tools/cmd/rehearse -install tools/cmd/benchgate -then tools/cmd/benchgate/testdata/recipe.sh

.PHONY: bench-report
bench-report: ## measure everything and write docs/benchmarks.md; flags in REPORTARGS
	go run ./benchmarks/cmd/report $(REPORTARGS)

.PHONY: bench
bench: ## the benchmark runner; flags in BENCHARGS
	go run ./benchmarks/cmd/bench $(BENCHARGS)

##@ Modules

.PHONY: rehearse
rehearse: ## build, vet and test the modules as strangers, who have no servers, get them, and see what comes along
	env -u EPHEMERA_CI go run ./tools/cmd/rehearse -test
	go run ./tools/cmd/rehearse -consume

.PHONY: tidy
tidy: ## go mod tidy in every module, siblings untouched
	rm -rf out/tidy
	go run ./tools/cmd/rehearse -tidy out/tidy
	cp -R out/tidy/. .

.PHONY: apicheck
apicheck: ## the API of every released module against its last tag
	go run ./tools/cmd/release api

# Without VERSIONS it tells what may come next; with them it checks, and changes something only with DO=write or DO=tag.
.PHONY: release
release: ## check VERSIONS="SET=VERSION ..." for release; DO=write makes it ready, DO=tag tags it; never pushes
	@go run ./tools/cmd/release $(if $(VERSIONS),$(or $(DO),plan) $(VERSIONS),status)
