# Commands for development and deployment. `make` lists them.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:

TOOLS := .local/tools
BIN := $(CURDIR)/$(TOOLS)/bin
CLOUD := python3 infra/local/cloud.py
DENY_VERSION := 0.20.2
FUZZ_VERSION := 0.13.2
MUTANTS_VERSION := 27.1.0
SBOM_VERSION := 0.10.0
SECONDS_EACH ?= 60
MINUTES ?= 10
STAGE ?= dev
REGION ?= us-east-1

export SAM_CLI_TELEMETRY := 0

headline = @printf '\n== %s\n' "$(1)"

.PHONY: help
help: ## Lists the commands
	@awk -F ':.*## ' '/^# --- / { printf "\n%s\n", substr($$0, 7) } \
	  /^[a-z-]+:.*## / { printf "  make %-19s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo 'Names in parentheses are settings: make properties MINUTES=30'
	@echo 'Settings of the local cloud: python3 infra/local/cloud.py --help'

# --- Development

.PHONY: run
run: ## Runs the whole system locally until Ctrl-C, without Docker
	@exec $(CLOUD) run

.PHONY: api
api: ## Runs all HTTP functions in one process, with demo data in memory (PORT=3000)
	@cargo run --package api-server

.PHONY: check
check: ## Format, lints and fast tests of what differs from main: about a minute (BASE=)
	@python3 tests/check.py

.PHONY: test
test: ## All checks and tests; the last lines name what failed and how to repeat it
	@python3 tests/report.py $(MAKE) --no-print-directory lint openapi-lint unit journeys outages console-test client-test samples-test tour deploy-walk doctor-test

.PHONY: unit
# Many of them wait for the second, or for an answer that does not come.
unit: export RUST_TEST_THREADS ?= 4
unit: ## Tests without the local cloud
	$(call headline,Tests without the local cloud)
	cargo test --workspace --exclude product-tests --lib --test '*' --no-fail-fast
	cargo test --workspace --exclude product-tests --doc --no-fail-fast
	cargo test --workspace --test handlers --test template --no-fail-fast
	$(call headline,Property tests with kept seeds)
	python3 tests/properties.py --kept

.PHONY: journeys
journeys: export LOCK_LEASE_SECONDS ?= 6
journeys: export LOCK_IDLE_PROMPT_SECONDS ?= 9
journeys: export LOCK_IDLE_RELEASE_SECONDS ?= 4
journeys: export LOCKS_PER_USER ?= 12
journeys: export RECONCILE_GRACE_SECONDS ?= 10
# Most journeys wait.
journeys: export RUST_TEST_THREADS ?= 4
journeys: ## Tests over HTTP against their own local cloud
	$(call headline,Journeys over HTTP against the deployed template)
	$(CLOUD) exec -- cargo test --workspace --test journeys
	cargo test --workspace --test rights
	cargo test --workspace --test canaries
	cargo test --workspace --test metrics

# Kills functions and rotates secrets, so it has a local cloud of its own. SIMULATION=full takes half an hour.
.PHONY: outages
outages: export RECONCILE_GRACE_SECONDS ?= 3
outages: export STATE_DIR ?= .local/outages
outages: ## Outages with killed functions, and rotations of the secrets, on their own local cloud (SEED=)
	$(call headline,Outages and rotations over real processes)
	$(CLOUD) exec -- cargo test --workspace --test outages -- --nocapture

# Stops all functions, so it has a local cloud of its own.
.PHONY: restore-test
restore-test: export RECONCILE_GRACE_SECONDS ?= 10
restore-test: export STATE_DIR ?= .local/restore
restore-test: ## A backup restored into a running stack, on its own local cloud
	$(call headline,Restore of an older backup)
	$(CLOUD) exec -- cargo test --workspace --test rehearsal -- --nocapture

# FROM= is a tag or commit, by default the last tag. The first run builds that version, up to ten minutes.
.PHONY: upgrade-test
upgrade-test: export RECONCILE_GRACE_SECONDS ?= 10
upgrade-test: ## An upgrade from an earlier version under load, and back (FROM=)
	$(call headline,Upgrade and rollback under load)
	python3 tests/upgrade/check.py

# SOCKETS= is the number of connections. FIGURES= is a file that gets the figures.
# The limit keeps the emulator from starting a process for each connection that ends.
.PHONY: live
live: export LAMBDA_ACCOUNT_CONCURRENCY ?= 60
live: export STATE_DIR ?= .local/live
live: ## Measures live events: 2,000 connections, and the way from a webhook to a frame (SOCKETS=2000, FIGURES=)
	$(call headline,Live events)
	$(CLOUD) exec -- cargo test --workspace --bench live -- --nocapture --test-threads 1

# RECIPIENTS= is their number. The carrier simulator allows the inbox any rate.
.PHONY: load
load: export LAMBDA_ACCOUNT_CONCURRENCY ?= 60
load: export SEGMENTS_PER_SECOND ?= 10000
load: export STATE_DIR ?= .local/load
load: ## A broadcast to 100,000 recipients through the real functions: three hours (RECIPIENTS=100000)
	$(call headline,A large broadcast)
	$(CLOUD) exec -- cargo test --workspace --bench load -- --nocapture broadcast

# RATE= is in messages per second, both directions together. A local cloud on two cores reaches about ten.
.PHONY: soak
soak: export LAMBDA_ACCOUNT_CONCURRENCY ?= 60
soak: export STATE_DIR ?= .local/soak
soak: ## Messages in both directions for an hour: no growth of memory and delays, no alarm (MINUTES=60, RATE=6)
	$(call headline,An hour of messages)
	$(CLOUD) exec -- cargo test --workspace --bench load -- --nocapture soak

.PHONY: console-types
console-types: $(TOOLS)/.ready ## Types of the console's modules, and its vendored files
	$(call headline,Types of the console)
	$(BIN)/python3 tests/console/check.py types

# ONLY= takes a regular expression of names of journeys.
.PHONY: console-test
console-test: export LOCK_LEASE_SECONDS ?= 6
console-test: export LOCK_IDLE_PROMPT_SECONDS ?= 9
console-test: export LOCK_IDLE_RELEASE_SECONDS ?= 4
console-test: console-types ## Journeys through the console in a browser (ONLY=)
	$(call headline,Console in a browser)
	$(CLOUD) exec -- $(BIN)/python3 tests/console/check.py journeys $(if $(ONLY),'$(ONLY)')
	$(if $(ONLY),,@$(MAKE) --no-print-directory console-issuer-test)

.PHONY: console-issuer-test
console-issuer-test: $(TOOLS)/.ready ## Journeys of the console's sign-in with another identity provider
	$(call headline,Console with another identity provider)
	SEED=none JWT_AUDIENCE=texting JWT_CLIENT_ID=console \
	  JWT_ISSUER=http://localhost:$$(cd infra/local && python3 -c 'import ports; print(ports.free_port())') \
	  $(CLOUD) exec -- $(BIN)/python3 tests/console/check.py issuer

.PHONY: console-screenshots
console-screenshots: $(TOOLS)/.ready ## Screenshots of the console, in .local/screenshots
	$(CLOUD) exec -- $(BIN)/python3 tests/console/check.py screenshots $(CURDIR)/.local/screenshots

.PHONY: client-test
client-test: export LOCK_LEASE_SECONDS ?= 6
client-test: export LOCK_IDLE_PROMPT_SECONDS ?= 9
client-test: export LOCK_IDLE_RELEASE_SECONDS ?= 4
client-test: $(TOOLS)/.ready ## Tests of the TypeScript client, and its journeys against the local cloud
	$(call headline,TypeScript client)
	$(BIN)/python3 tests/client/check.py unit
	$(call headline,Journeys through the TypeScript client)
	$(CLOUD) exec -- $(BIN)/python3 tests/client/check.py journeys

.PHONY: client-types
client-types: $(TOOLS)/.ready ## Writes the types of the TypeScript client from the OpenAPI document
	$(BIN)/python3 tests/client/check.py write

.PHONY: samples-test
samples-test: $(TOOLS)/.ready ## Runs the samples of docs/webhooks.md in TypeScript, Python and Go
	$(call headline,Samples that verify a signature)
	$(BIN)/python3 tests/samples/check.py

.PHONY: tour
tour: $(TOOLS)/.ready ## The commands of README.md and docs/, typed into bash and zsh
	$(call headline,Tour of the documentation)
	$(CLOUD) exec -- python3 tests/tour/check.py
	$(call headline,Runbooks against planted faults)
	$(CLOUD) exec -- $(BIN)/python3 tests/tour/runbooks.py

.PHONY: deploy-walk
deploy-walk: $(TOOLS)/.ready ## The deploy section of README.md, typed with an empty local cloud in place of AWS
	$(call headline,Deploy section of the README)
	$(BIN)/python3 tests/client/check.py build
	SEED=none $(CLOUD) exec -- $(BIN)/python3 tests/deploy/walk.py

.PHONY: doctor-test
doctor-test: $(TOOLS)/.ready ## Faults planted in a local cloud, which inboxctl doctor must name
	$(call headline,Faults that the doctor finds)
	$(CLOUD) exec -- $(BIN)/python3 tests/deploy/faults.py

# The randomized tests of `make test`, with more seeds and steps. SEED= runs one seed. ONLY= takes one of
# broadcasts|canaries|contention|deliveries|engine|extra_fields|forgeries|fuzzed|imports|inbound|
# lock_simulation|malformed|model|outages|replays|sends. The import has 100,000 rows with
# ONLY=imports ROWS=100000 SLOWNESS=1.
.PHONY: simulations
simulations: export SIMULATION = full
simulations: ## Randomized tests at full size: about an hour (ONLY=, SEED=)
	$(call headline,Simulations)
	cargo test --workspace --test simulations -- --nocapture $(ONLY)
	$(if $(ONLY),,$(MAKE) --no-print-directory outages)

# SEED= runs one seed. Seeds that fail are kept in tests/property-seeds.txt.
.PHONY: properties
properties: ## Property tests with fresh seeds (MINUTES=10, SEED=)
	python3 tests/properties.py --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))

# Fuzzes each parser of external input. ONLY= takes one target of tests/fuzz/fuzz_targets.
.PHONY: fuzz
fuzz: export RUSTC_BOOTSTRAP = 1
fuzz: $(TOOLS)/bin/cargo-fuzz ## Fuzzes the parsers: a minute each (ONLY=, SECONDS_EACH=60)
	@for target in $(or $(ONLY),$(notdir $(basename $(wildcard tests/fuzz/fuzz_targets/*.rs)))); do \
	  mkdir -p tests/fuzz/corpus/$$target; \
	  $(BIN)/cargo-fuzz fuzz run --fuzz-dir tests/fuzz --sanitizer none $$target tests/fuzz/corpus/$$target \
	    tests/fuzz/seeds/$$target -- -max_total_time=$(SECONDS_EACH) -max_len=65536 || exit 1; done

# Changes the rules, the signatures and the access checks, one change at a time. ONLY= takes a part of a file
# name.
.PHONY: mutants
mutants: export CARGO_PROFILE_DEV_DEBUG = 0
mutants: export PROPTEST_CASES = 32
mutants: export CARGO_TARGET_DIR = $(CURDIR)/target/mutants
mutants: $(TOOLS)/bin/cargo-mutants ## Finds changes to the code that no test notices: about an hour (ONLY=)
	$(call headline,Mutants)
	rm -rf .local/mutants
	for package in shared-domain shared-carriers shared-http; do \
	  mkdir -p .local/mutants/$$package; \
	  $(BIN)/cargo-mutants mutants --no-shuffle -p $$package $(if $(ONLY),-F '$(ONLY)') -o .local/mutants/$$package; \
	  case $$? in 0|2|3) ;; *) exit 1 ;; esac; \
	done
	python3 tests/mutants/check.py .local/mutants/*/mutants.out

# BENCH= passes options. `target/release/product-bench --help` lists them.
.PHONY: bench
bench: ## Measures the product and comparable projects, and writes BENCHMARKS.md: about an hour (BENCH=)
	$(call headline,Installing the projects to compare with)
	tests/bench/peers/install.sh
	$(call headline,Release build of the functions (slow))
	cargo build --release --workspace
	$(call headline,Measuring)
	rm -f .local/live-figures
	PROGRAMS=target/release FIGURES=$(CURDIR)/.local/live-figures $(MAKE) --no-print-directory live
	target/release/product-bench --live .local/live-figures --write BENCHMARKS.md $(BENCH)

.PHONY: openapi
openapi: ## Writes functions/openapi/openapi.json from the code
	UPDATE_OPENAPI=1 cargo test --workspace --test document

.PHONY: openapi-lint
openapi-lint: $(TOOLS)/.ready ## Redocly, Spectral and two client generators on the OpenAPI document
	$(call headline,OpenAPI document)
	$(BIN)/python3 tests/openapi-lint/check.py

.PHONY: lint
lint: $(TOOLS)/.ready ## Format, comments, Clippy, the template, features of the dependencies
	$(call headline,Format)
	cargo fmt --all --check
	$(call headline,Comments)
	python3 tests/comments.py
	$(call headline,Features of the dependencies)
	python3 tests/features/unify.py
	$(call headline,Clippy)
	cargo clippy --workspace --all-targets -- -D warnings
	$(call headline,Template)
	$(BIN)/cfn-lint --template template.yaml
	$(BIN)/sam validate --lint --region $(REGION)
	$(BIN)/python3 tests/template/expanded.py

.PHONY: deny
deny: $(TOOLS)/bin/cargo-deny ## Licenses, sources and advisories of the dependencies
	$(BIN)/cargo-deny check

# --- Deployment

# On AWS: make ctl ARGS="--stack shared-inbox-dev --region us-east-1 organization list"
.PHONY: ctl
ctl: ## Runs the operator's tool inboxctl: make ctl ARGS='--help'
	@python3 infra/local/ctl.py $(ARGS)

.PHONY: build
build: $(TOOLS)/.ready ## Builds the functions for AWS (arm64, release)
	@rustup target list --installed 2>/dev/null | grep -qx aarch64-unknown-linux-gnu || \
	  { echo 'Install the Rust target for arm64: rustup target add aarch64-unknown-linux-gnu'; exit 1; }
	PATH="$(BIN):$$PATH" $(BIN)/sam build --beta-features

# RELEASE='--architecture x86-64' builds for other processors.
.PHONY: release
release: $(TOOLS)/.ready $(TOOLS)/bin/cargo-sbom ## Packages, template, checksums and list of dependencies in dist/: about an hour (RELEASE=)
	$(BIN)/python3 infra/release.py $(RELEASE)

.PHONY: deploy
deploy: build ## Deploys to AWS with the settings in settings.<stage> (STAGE=dev|prod, REGION=)
	$(BIN)/python3 infra/deploy.py --stage $(STAGE) --region $(REGION)

# Tools, installed into .local/tools

$(TOOLS)/.ready: infra/tools-requirements.txt
	$(call headline,Installing tools (once, about a minute))
	python3 -m venv --clear $(TOOLS)
	$(BIN)/python3 -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

$(TOOLS)/bin/cargo-deny: | $(TOOLS)/.ready
	$(call headline,Installing cargo-deny (once, some minutes))
	cargo install cargo-deny --locked --version $(DENY_VERSION) --root $(TOOLS)

$(TOOLS)/bin/cargo-fuzz: | $(TOOLS)/.ready
	$(call headline,Installing cargo-fuzz (once, some minutes))
	cargo install cargo-fuzz --locked --version $(FUZZ_VERSION) --root $(TOOLS)

$(TOOLS)/bin/cargo-mutants: | $(TOOLS)/.ready
	$(call headline,Installing cargo-mutants (once, some minutes))
	cargo install cargo-mutants --locked --version $(MUTANTS_VERSION) --root $(TOOLS)

$(TOOLS)/bin/cargo-sbom: | $(TOOLS)/.ready
	$(call headline,Installing cargo-sbom (once, some minutes))
	cargo install cargo-sbom --locked --version $(SBOM_VERSION) --root $(TOOLS)
