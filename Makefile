# Commands of every day. `make` alone lists them.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:

TOOLS := .local/tools
BIN := $(CURDIR)/$(TOOLS)/bin
CLOUD := python3 infra/local/cloud.py
DENY_VERSION := 0.20.2
FUZZ_VERSION := 0.13.2
MUTANTS_VERSION := 27.1.0
SECONDS_EACH ?= 60
STAGE ?= dev
REGION ?= us-east-1

export SAM_CLI_TELEMETRY := 0

headline = @printf '\n== %s\n' "$(1)"

.PHONY: help
help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo '  make run takes PORT, CARRIER_URL, LOCK_LEASE_SECONDS and more: python3 infra/local/cloud.py --help'

# --- On this machine

.PHONY: run
run: ## The whole system on this machine, until Ctrl-C (no Docker)
	@exec $(CLOUD) run

.PHONY: test
test: lint unit journeys tour ## All checks and tests, from fast to whole

.PHONY: unit
unit: ## Domain, contract and handler tests
	$(call headline,Tests without the cloud)
	cargo test --workspace --exclude product-tests
	cargo test --workspace --test handlers --test template

# --workspace, so that dependencies keep the features, and with them the build, of the other tests.
.PHONY: journeys
journeys: export LOCK_LEASE_SECONDS ?= 6
journeys: export LOCK_IDLE_PROMPT_SECONDS ?= 9
journeys: export LOCK_IDLE_RELEASE_SECONDS ?= 4
journeys: export LOCKS_PER_USER ?= 12
journeys: export RECONCILE_GRACE_SECONDS ?= 10
journeys: ## Tests over HTTP against a local cloud of their own
	$(call headline,Journeys over HTTP against the deployed template)
	$(CLOUD) exec -- cargo test --workspace --test journeys
	cargo test --workspace --test rights
	cargo test --workspace --test canaries

.PHONY: tour
tour: ## The commands of README.md and docs/, typed into bash and zsh
	$(call headline,Tour of the documentation)
	$(CLOUD) exec -- python3 tests/tour/check.py

# The randomized tests of `make test`, with more seeds and steps. ONLY= takes one: canaries|contention|deliveries|engine|
# extra_fields|forgeries|fuzzed|inbound|lock_simulation|malformed|model|replays|sends; SEED= runs one seed.
.PHONY: simulations
simulations: export SIMULATION = full
simulations: ## The long randomized tests in full: about 45 minutes (ONLY=, SEED=)
	$(call headline,Simulations)
	cargo test --workspace --test simulations -- --nocapture $(ONLY)

# Each parser of what others send, searched by coverage. ONLY= takes one target of tests/fuzz/fuzz_targets.
.PHONY: fuzz
fuzz: export RUSTC_BOOTSTRAP = 1
fuzz: $(TOOLS)/bin/cargo-fuzz ## Parsers, searched by coverage: a minute each (ONLY=, SECONDS_EACH=)
	@for target in $(or $(ONLY),$(notdir $(basename $(wildcard tests/fuzz/fuzz_targets/*.rs)))); do \
	  mkdir -p tests/fuzz/corpus/$$target; \
	  $(BIN)/cargo-fuzz fuzz run --fuzz-dir tests/fuzz --sanitizer none $$target tests/fuzz/corpus/$$target \
	    tests/fuzz/seeds/$$target -- -max_total_time=$(SECONDS_EACH) -max_len=65536 || exit 1; done

# One change after the other to rules, signatures and access checks; ONLY= takes files whose names contain it. A package at a
# time: together they would give the dependencies other features, and all of them another build.
.PHONY: mutants
mutants: export CARGO_PROFILE_DEV_DEBUG = 0
mutants: export PROPTEST_CASES = 32
mutants: export CARGO_TARGET_DIR = $(CURDIR)/target/mutants
mutants: $(TOOLS)/bin/cargo-mutants ## Changes to the code that no test notices: about an hour (ONLY=lock.rs)
	$(call headline,Mutants)
	rm -rf .local/mutants
	for package in shared-domain shared-carriers shared-http; do \
	  mkdir -p .local/mutants/$$package; \
	  $(BIN)/cargo-mutants mutants --no-shuffle -p $$package $(if $(ONLY),-F '$(ONLY)') -o .local/mutants/$$package; \
	  case $$? in 0|2|3) ;; *) exit 1 ;; esac; \
	done
	python3 tests/mutants/check.py .local/mutants/*/mutants.out

# BENCH= gives options: cargo run --release -p product-bench -- --help lists them.
.PHONY: bench
bench: ## Every figure in one table, with peers beside it; writes BENCHMARKS.md (an hour)
	$(call headline,Lock clients and handlers to measure against)
	tests/bench/peers/install.sh
	$(call headline,Release build of the functions (slow))
	cargo build --release $(addprefix -p ,$(notdir $(wildcard functions/*)))
	$(call headline,Measuring)
	cargo run --release -p product-bench -- --write BENCHMARKS.md $(BENCH)

.PHONY: openapi
openapi: ## Writes functions/openapi/openapi.json anew from the functions
	UPDATE_OPENAPI=1 cargo test --workspace --test document

.PHONY: lint
lint: $(TOOLS)/.ready ## Format, clippy, the template
	$(call headline,Format)
	cargo fmt --all --check
	$(call headline,Clippy)
	cargo clippy --workspace --all-targets -- -D warnings
	$(call headline,Template)
	$(BIN)/cfn-lint --template template.yaml
	$(BIN)/sam validate --lint --region $(REGION)

.PHONY: deny
deny: $(TOOLS)/bin/cargo-deny ## Licenses, sources and advisories of all dependencies
	$(BIN)/cargo-deny check

# --- On AWS

.PHONY: build
build: $(TOOLS)/.ready ## The functions as they run on AWS (arm64, release)
	@rustup target list --installed 2>/dev/null | grep -qx aarch64-unknown-linux-gnu || \
	  { echo 'The arm64 standard library of Rust is missing: rustup target add aarch64-unknown-linux-gnu'; exit 1; }
	PATH="$(BIN):$$PATH" $(BIN)/sam build --beta-features

.PHONY: deploy
deploy: build ## To AWS, asking for the settings: make deploy STAGE=dev|prod
	$(BIN)/sam deploy --guided --config-env $(STAGE)

# --- Tools

$(TOOLS)/.ready: infra/tools-requirements.txt
	$(call headline,Tools (once, about a minute))
	python3 -m venv --clear $(TOOLS)
	$(BIN)/python3 -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

$(TOOLS)/bin/cargo-deny: | $(TOOLS)/.ready
	$(call headline,cargo-deny (once, some minutes))
	cargo install cargo-deny --locked --version $(DENY_VERSION) --root $(TOOLS)

$(TOOLS)/bin/cargo-fuzz: | $(TOOLS)/.ready
	$(call headline,cargo-fuzz (once, some minutes))
	cargo install cargo-fuzz --locked --version $(FUZZ_VERSION) --root $(TOOLS)

$(TOOLS)/bin/cargo-mutants: | $(TOOLS)/.ready
	$(call headline,cargo-mutants (once, some minutes))
	cargo install cargo-mutants --locked --version $(MUTANTS_VERSION) --root $(TOOLS)
