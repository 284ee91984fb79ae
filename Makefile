# Everything that people and CI run. `make` lists it.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
CARGO ?= cargo

.PHONY: help build release dev fmt fmt-check lint doc test test-kafka test-proxy bless kafka kafka-stop asyncapi codegen faults faults-short soak proto bench package fuzz fuzz-check fuzz-corpus deps sbom deploy-check deploy-bless drill otel image e2e examples check

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  %-12s %s\n", $$1, $$2 }'

build: ## build a debug binary: target/debug/hookgate
	$(CARGO) build --locked

release: ## build the binary to run: target/release/hookgate
	$(CARGO) build --locked --release

dev: ## try it out: embedded Kafka, generated secrets, sample deliveries; Ctrl-C ends it
	@$(CARGO) run --locked --quiet -- dev

fmt: ## format the code
	$(CARGO) fmt

fmt-check: ## fail where the code is not formatted
	$(CARGO) fmt --check

# The suites that need more than this are not among "all targets", because `cargo test` alone shall not run them.
lint: ## clippy; a warning is an error
	$(CARGO) clippy --locked --all-targets --quiet -- -D warnings
	$(CARGO) clippy --locked --test kafka --test proxy --quiet -- -D warnings

# Private items are documented too, so a link to one of them leads somewhere.
doc: ## build the API documentation, of private items too; a warning is an error
	RUSTDOCFLAGS='-D warnings -A rustdoc::private_intra_doc_links' $(CARGO) doc --locked --no-deps --document-private-items --quiet

test: ## the fast ring: needs Rust, a C compiler and OpenSSL's headers, no Kafka
	$(CARGO) test --locked

test-kafka: ## the slow ring: starts real Kafka brokers (Java, Maven, Python), tests against them, stops them
	tests/kafka/run

test-proxy: ## behind real proxies: needs nginx and HAProxy, no Kafka and no root; a minute or two
	$(CARGO) test --locked --test proxy

bless: ## run the fast ring and accept every changed snapshot; read the diff afterwards
	INSTA_UPDATE=always $(CARGO) test --locked

kafka: ## start a real Kafka on 127.0.0.1:19092
	scripts/kafka/broker start

kafka-stop: ## stop it
	scripts/kafka/broker stop

# In the target folder of the daemon, so that librdkafka is built once for both.
faults: build ## break Kafka, the network and the daemon under load, and prove that nothing is lost (three real brokers, Linux)
	$(CARGO) run --locked --quiet --package hookgate-faults -- $(SCENARIOS)

# Every change must pass these, so they are few, and no bound of theirs depends on how fast the machine is.
faults-short: build ## the same with a leader, the daemon, its replicas and the network only; two minutes
	$(CARGO) run --locked --quiet --package hookgate-faults -- --short $(SCENARIOS)

SOAK_SECONDS ?= 1800
soak: release ## watch two daemons at a steady rate for SOAK_SECONDS (1800): nothing may grow (a real Kafka, Linux)
	$(CARGO) run --locked --quiet --package hookgate-faults -- --hookgate target/release/hookgate --soak $(SOAK_SECONDS)

proto: ## lint the schema, and compare it with the last release for breaking changes (Node.js)
	scripts/schema/buf

asyncapi: ## validate docs/asyncapi.json with AsyncAPI's own parser (Node.js)
	scripts/schema/asyncapi

codegen: ## generate code from the schema in five languages, and read a record with it (Java, Maven, Go, Node.js, Python)
	scripts/schema/codegen

bench: ## measure what a delivery costs (release builds and a real Kafka)
	bench/run

package: ## build the crate from what would be published
	$(CARGO) package --locked --allow-dirty --quiet

fuzz: ## search each fuzz target for FUZZ_SECONDS (60), one on each core; needs a C++ compiler
	scripts/tools/fuzz

fuzz-corpus: ## add what `make fuzz` has reached to fuzz/corpus, as few and short inputs as can be
	scripts/tools/fuzz corpus

fuzz-check: ## run the fuzz targets on their seeds and on fixed mutations, a few seconds in all
	$(CARGO) run --locked --quiet --manifest-path fuzz/Cargo.toml --target-dir target --example stable

deps: ## check the licences, versions and sources of the dependencies, and known vulnerabilities where reachable
	scripts/tools/deps

sbom: ## write the bill of materials: hookgate.cdx.json, CycloneDX
	scripts/tools/cargo cyclonedx --format json --spec-version 1.5 --override-filename hookgate.cdx

deploy-check: build ## check the chart, the manifests, compose.yaml and the image's build file (Go, Python; no cluster)
	scripts/deploy/check

deploy-bless: ## write anew what under deploy/ is derived: schema and table of the values, plain manifests
	scripts/deploy/check --bless

drill: build ## try the alerts and the dashboard: a real Kafka that goes away, a real Prometheus; five minutes
	scripts/deploy/drill

otel: build ## send spans to a real OpenTelemetry Collector, which is built first (Go)
	scripts/deploy/otel

image: ## build the container image and print its size (docker, podman or buildah)
	scripts/deploy/image

e2e: build ## try the chart on the Kubernetes of KUBECONFIG: IMAGE=name:tag KAFKA_HOST=address (helm, kubectl)
	scripts/deploy/e2e --image $(IMAGE) --kafka-host $(KAFKA_HOST)

# A folder of that name exists, so it must be phony.
examples: ## run the examples of consumers end to end: real Kafka, PostgreSQL, duplicated and reordered deliveries (Java, Python)
	examples/run $(NAMES)

check: ## what CI runs, step by step with the time of each
	scripts/check
