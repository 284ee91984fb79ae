# Every command that people and CI run. `make` lists them.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
CARGO ?= cargo
# Packages that are not members of the workspace.
APART := fuzz/Cargo.toml examples/scan-gate/Cargo.toml

.PHONY: help build dev test fmt fmt-check lint doc bless kafka kafka-stop check check-all nightly gitops package test-tools test-kafka test-proxy examples \
	proto asyncapi codegen deps msrv fuzz-check faults-short deploy-check faults soak drill otel fuzz e2e e2e-where-it-can release image bench sbom \
	fuzz-corpus deploy-bless stubs outage recovery-model compatibility dist dist-check \
	release-check upgrade instructions browser

help: ## list the targets
	@awk -F ':.*## ' '/^##@/ { printf "\n%s\n", substr($$0, 5) } /^[a-z0-9-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ Every day: Rust, a C compiler and OpenSSL's headers

build: ## build a debug binary: target/debug/hookgate
	$(CARGO) build --locked

# The first build takes minutes and must not look like a program that hangs, so cargo shows its progress.
dev: ## try it out: embedded Kafka, generated secrets, sample deliveries; Ctrl-C ends it
	@[ -x target/debug/hookgate ] || echo 'The first build takes some minutes, because it compiles librdkafka too; later ones take seconds.' >&2
	@$(CARGO) build --locked
	@target/debug/hookgate dev

test: ## run the tests that need no Kafka
	$(CARGO) test --locked

fmt: ## format the code
	$(CARGO) fmt --all
	for manifest in $(APART); do $(CARGO) fmt --manifest-path "$$manifest"; done

bless: ## run the same tests and accept every changed snapshot; read the diff afterwards
	INSTA_UPDATE=always $(CARGO) test --locked

kafka: ## start a real Kafka on 127.0.0.1:19092 (Java, Maven)
	scripts/kafka/broker start

kafka-stop: ## stop it
	scripts/kafka/broker stop

##@ Before every merge: only Rust, some minutes

check: ## run all of this group, and print the time of each step
	scripts/check fmt-check lint doc package test-tools test

fmt-check: ## fail where the code is not formatted
	$(CARGO) fmt --all --check
	for manifest in $(APART); do $(CARGO) fmt --manifest-path "$$manifest" --check; done

# The suites that need more than Rust are not among "all targets", because a plain `cargo test` must not run them. The other members of the
# workspace are checked one by one, because their features would make cargo build the daemon's dependencies again.
lint: ## clippy; a warning is an error
	$(CARGO) clippy --locked --all-targets --quiet -- -D warnings
	$(CARGO) clippy --locked --test kafka --test proxy --quiet -- -D warnings
	for package in bench faults stubs; do $(CARGO) clippy --locked --package "hookgate-$$package" --all-targets --quiet -- -D warnings; done
	for manifest in $(APART); do \
		$(CARGO) clippy --locked --manifest-path "$$manifest" --target-dir target --all-targets --quiet -- -D warnings; \
	done

# Private items are documented too, so that links to them work.
doc: ## build the API documentation, of private items too; a warning is an error
	RUSTDOCFLAGS='-D warnings -A rustdoc::private_intra_doc_links' $(CARGO) doc --locked --no-deps --document-private-items --quiet

package: ## build the crate from the files that would be published
	$(CARGO) package --locked --allow-dirty --quiet

# The results of the fault scenarios mean nothing unless the driver's own code is right.
test-tools: ## run the tests of the fault driver, of the stand-ins for APIs and of the Rust example
	$(CARGO) test --locked --package hookgate-faults --quiet
	$(CARGO) test --locked --package hookgate-stubs --quiet
	$(CARGO) test --locked --manifest-path examples/scan-gate/Cargo.toml --target-dir target --quiet

##@ What CI runs: real Kafka, proxies, registry, PostgreSQL; Java, Maven, Go, Node.js, Python; about half an hour

# The tests come last, so that CI's log ends with their results.
check-all: ## run the group before and all of this one
	scripts/check fmt-check lint doc test-tools proto asyncapi codegen package deps deploy-check fuzz-check faults-short stubs examples outage test test-proxy test-kafka

proto: ## lint the schema, and compare it with the last release for breaking changes (Node.js)
	scripts/schema/buf

asyncapi: ## validate docs/asyncapi.json with AsyncAPI's own parser (Node.js)
	scripts/schema/asyncapi

codegen: ## generate code from the schema in five languages, and read a record with it; make signed URLs (Java, Maven, Go, Node.js, Python)
	scripts/schema/codegen
	tests/codegen/mint.py

deps: ## check the licences, their texts, versions and sources of the dependencies, and known vulnerabilities if their database can be reached
	scripts/tools/deps

deploy-check: build ## check the chart, the manifests, compose.yaml and the image's build file (Go, Python, Java, Maven; no cluster)
	scripts/deploy/check

fuzz-check: ## run the fuzz targets on their seeds and on fixed mutations
	$(CARGO) run --locked --quiet --manifest-path fuzz/Cargo.toml --target-dir target --example stable

# No limit in these scenarios depends on how fast the machine is.
faults-short: build ## break a leader, the daemon, its replicas and the network under load (three real brokers, Linux); two minutes
	$(CARGO) run --locked --quiet --package hookgate-faults -- --short $(SCENARIOS)

stubs: ## use the stand-ins of the providers' APIs with the official clients of Uploadcare and Frame.io (Python); no Kafka
	tests/stubs/run

# A folder of this name exists, so the target must be phony.
examples: ## run the examples of consumers end to end: real Kafka, PostgreSQL, duplicated and reordered deliveries (Java, Python)
	examples/run $(NAMES)

outage: ## lose webhooks, get them back, and compare the table in docs/recovery.md; real Kafka, PostgreSQL (Java, Python); BLESS=1 writes it
	examples/run tests/outage

test-proxy: ## test with real proxies before the daemon: needs nginx and HAProxy, no Kafka and no root; a minute or two
	$(CARGO) test --locked --test proxy

test-kafka: ## start real Kafka brokers, test against them, stop them (Java, Maven, Python)
	tests/kafka/run

##@ Every night: long runs

nightly: ## run all of this group
	FUZZ_SECONDS=600 scripts/check msrv instructions browser fuzz faults compatibility dist-check release-check recovery-model drill otel gitops upgrade soak e2e-where-it-can

instructions: ## compare how many instructions each step of a delivery takes with bench/instructions.json (release build, valgrind, x86_64)
	$(CARGO) test --locked --package hookgate-bench
	bench/instructions

browser: build ## test the page of `hookgate dev` in a real Chromium (Node.js; Debian's chromium); five minutes
	scripts/browser/run

msrv: ## build with the oldest Rust that Cargo.toml names (rustup)
	scripts/tools/msrv

fuzz: ## search each fuzz target for FUZZ_SECONDS (60), one on each core; needs a C++ compiler
	scripts/tools/fuzz

faults: build ## run every fault scenario, and prove that nothing is lost (three real brokers, Linux); SCENARIOS picks some
	$(CARGO) run --locked --quiet --package hookgate-faults -- $(SCENARIOS)

# The versions stand in docs/upgrading.md too.
compatibility: ## run the main path on older versions of Kafka, Maven Central has them; five minutes
	for version in 3.3.2 3.9.1; do HOOKGATE_TEST_KAFKA_VERSION=$$version tests/kafka/run \
		topics:: same_as_mock partitions:: load:: contract:: tail:: init:: dev:: cloudevents recovery::what || exit 1; done

dist-check: dist ## run both binaries of `make dist`: vectors, samples, a real Kafka; the other architecture's under qemu (Debian)
	scripts/deploy/dist-check

release-check: dist ## try a release without a forge: the image twice with one digest, a registry on this machine (Go; Debian)
	scripts/deploy/release-check

recovery-model: ## get back ten thousand lost events, for ten seeds, and reconcile 100,000 files (a real Kafka); five minutes
	HOOKGATE_TEST_SEEDS=10 HOOKGATE_TEST_EACH=64 HOOKGATE_TEST_FILES=100000 tests/kafka/run recovery_model recovery_memory

SOAK_SECONDS ?= 1800
soak: release ## watch two daemons at a steady rate for SOAK_SECONDS (1800): nothing may grow (a real Kafka, Linux)
	$(CARGO) run --locked --quiet --package hookgate-faults -- --hookgate target/release/hookgate --soak $(SOAK_SECONDS)

upgrade: build ## replace the daemon of an earlier version (BEFORE, by default the latest tag) and go back, under traffic (Java, Maven, nginx)
	scripts/deploy/upgrade $(BEFORE)

drill: build ## test the alerts and the dashboard with a real Prometheus and a real Kafka that is stopped; five minutes
	scripts/deploy/drill

otel: build ## send spans to a real OpenTelemetry Collector, which is built first (Go)
	scripts/deploy/otel

gitops: ## check the chart with the schemas and libraries of Argo CD and Flux (Go); with KUBECONFIG, for differences on that API server (kubectl)
	"$$(scripts/tools/python deploy)" scripts/deploy/gitops/check

e2e: ## test the chart on the Kubernetes of KUBECONFIG: IMAGE=name:tag KAFKA_HOST=address (helm, kubectl)
	scripts/deploy/e2e --image $(IMAGE) --kafka-host $(KAFKA_HOST) \
		$(if $(PREVIOUS_IMAGE),--previous-image $(PREVIOUS_IMAGE) --previous-chart $(PREVIOUS_CHART))

e2e-where-it-can:
	@if [ -n "$(IMAGE)" ] && [ -n "$(KAFKA_HOST)" ]; then $(MAKE) --no-print-directory e2e; \
	else echo 'e2e: not run, because IMAGE and KAFKA_HOST are not set' >&2; fi

##@ To release, and to update derived files

release: ## build the release binary: target/release/hookgate
	$(CARGO) build --locked --release

dist: ## build the static binaries for Linux on amd64 and arm64, with checksums, into target/dist (Python; rustup)
	scripts/deploy/dist

image: dist ## build the image for both architectures from `make dist`, and print sizes and digest (buildah)
	scripts/deploy/image

bench: ## measure the cost of a delivery (release builds and a real Kafka)
	bench/run

sbom: ## write the bill of materials of crates and C libraries: hookgate.cdx.json, CycloneDX (Python)
	scripts/tools/sbom

fuzz-corpus: ## add inputs for the code that `make fuzz` has reached to fuzz/corpus, as few and as short as possible
	scripts/tools/fuzz corpus

deploy-bless: build ## write the derived files under deploy/ again: schema and table of the values, plain manifests
	scripts/deploy/check --bless
