# `make run` and `make test` need nothing prepared but Debian 12, a Rust
# toolchain, gcc, make, git and python3; .ci/setup brings the rest.

HOST := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
TARGET ?= $(HOST)
# A second cargo beside this one would wait for the same lock: one target at a time.
.NOTPARALLEL:
.DEFAULT_GOAL := help
VENV := .deps/venv

##@ Use
.PHONY: run
run: setup-build ## Build, then show the page, faces and events of the committed demonstration
	cargo build --release --locked
	rm -rf out/demo
	target/release/expressiond run --config config/demo.toml

.PHONY: test
# The program's tests wait for brokers and clocks most of the time: those of its training run beside them,
# and are shown after them.
test: setup $(VENV)/ready ## Run the tests of the program and of its training; what takes more machines is below
	cargo test --locked --features simulate --no-run
	@mkdir -p out
	@$(MAKE) --no-print-directory model-test >out/model-test.log 2>&1 & training=$$!; \
	$(MAKE) --no-print-directory cargo-test; program=$$?; \
	wait $$training; training=$$?; \
	cat out/model-test.log; \
	exit $$((program || training))

##@ Develop
.PHONY: setup setup-build
setup: ## Install what is missing: Debian packages, TensorFlow Lite, crates [TARGET=triple]
	@.ci/setup test $(TARGET)
setup-build:
	@.ci/setup build $(TARGET)

.PHONY: build
build: setup-build ## Build the release binary
	cargo build --release --locked

.PHONY: cargo-test
cargo-test: setup
	cargo test --locked --features simulate

# target/debug/expressiond as the tests have it. `cargo build` would compile half of it again: without what
# tests depend on, some libraries have fewer features.
PROGRAM_OF_TESTS = cargo test --locked --features simulate --test simulate --no-run

.PHONY: arm-test arm-count
BOARD := aarch64-unknown-linux-gnu
# Optimised, since the emulator makes it slow enough. TESTS: cargo's own words for some of them.
arm-test: ## Run the tests on aarch64 under qemu-user [BOARD=armv7-unknown-linux-gnueabihf] [TESTS="--lib"]
	.ci/setup test $(BOARD)
	deploy/cross/standard-library $(BOARD)
	CARGO_PROFILE_DEV_OPT_LEVEL=2 tests/arm/emulate $(BOARD) cargo test --locked --target $(BOARD) $(TESTS)
arm-count: ## Count a frame's instructions on aarch64 [BOARD=...]
	tests/arm/instructions $(BOARD)

.PHONY: format format-check
format: ## Format the sources
	cargo fmt
format-check:
	cargo fmt --check

.PHONY: lint
RUFF := .deps/ruff
lint: setup-build $(RUFF)/ready ## Clippy, the order of src/'s rooms, the library's documentation, ruff
	cargo clippy --locked --all-targets --features simulate -- -D warnings
	cargo clippy --locked --all-targets --no-default-features -- -D warnings
	cargo test --locked --features simulate --test architecture
	RUSTDOCFLAGS="-D warnings -A rustdoc::private_intra_doc_links" \
		cargo doc --locked --no-deps --document-private-items --lib --features simulate
	$(RUFF)/bin/ruff check --no-cache

# The version that the training code is locked to, without the gigabytes beside it.
$(RUFF)/ready: models/training/requirements.lock
	rm -rf $(RUFF)
	python3 -m venv $(RUFF)
	sed -n '/^ruff==/,/[^\\]$$/p' $< > $(RUFF)/requirements.txt
	$(RUFF)/bin/python -m pip --quiet --disable-pip-version-check install --no-cache-dir \
		--only-binary=:all: --require-hashes --requirement $(RUFF)/requirements.txt
	@touch $@

.PHONY: deny
deny: ## Check licences, sources, doubles and advisories of all dependencies
	.ci/deny

.PHONY: fleet-test
DEVICES ?= 1000
fleet-test: setup ## Simulate a fleet against a Mosquitto on this machine: make fleet-test [DEVICES=1000]
	cargo run --release --locked --features simulate -- simulate --devices $(DEVICES)

.PHONY: monitoring-test
monitoring-test: setup ## Run the examples in deploy/monitoring: a real InfluxDB, Prometheus and exporter
	tests/monitoring/fetch
	PATH="$(CURDIR)/.deps/monitoring/usr/bin:$$PATH" \
		cargo test --locked --features simulate --test mqtt --test preview -- --ignored monitoring

.PHONY: browser-test
browser-test: setup-build ## Use the page in a real browser: Chromium, headless [SCREENSHOTS=write]
	.ci/setup browser
	cargo test --locked --features simulate --test browser -- --ignored

.PHONY: guide-test
guide-test: setup ## Run the commands of docs/guide/fleet.md and secure.md as they stand (as root, in namespaces)
	$(PROGRAM_OF_TESTS)
	tests/guide/fleet target/debug/expressiond

.PHONY: fuzz
MINUTES ?= 10
fuzz: setup-build ## Fuzz what reads outside bytes: make fuzz [MINUTES=10], for each target
	fuzz/run $(MINUTES)

##@ Model
TRAINING := models/training

# A checkout may lie below a folder with a blank in its name, which make cannot have in a target: those
# are relative, and what the trainer is told, in a folder of its own, stands in quotes.
MODEL_OUT := $(CURDIR)/out/model
MODEL_SET := $(MODEL_OUT)/set
PYTHON := "$(CURDIR)/$(VENV)/bin/python"
# What was shipped before is where training starts, and the teacher that completes the labels:
# 0.3.0, as this repository's history has it.
BEFORE := out/model/before
BEFORE_COMMIT := a8a5382
INIT ?= $(BEFORE)/weights/expression-yolo12n.safetensors
# What the networks tell apart (gather --help).
CLASSES ?= neutral,happy,sad,surprise,fear,disgust,anger
# Of the side-cars. By default the patch after the program's own: of equal versions a board takes that.
VERSION ?=
# More words for `prepare`, which makes the set of DATA, as '--map joy=happy calm=not_happy'.
PREPARE ?=
TRAINER = cd $(TRAINING) && $(PYTHON) -m expression_training
GATHER = shared=$$(realpath -- "$(SHARED)") && $(TRAINER) gather --expressions "$$shared/expressions" \
	--wild "$$shared/wild" --negatives negatives.jsonl --seven "$$shared/expressions7"
LABEL = $(TRAINER) label --model "$(CURDIR)/$(BEFORE)/expression-yolo12n.tflite" --sure 0.8 --missed
TRAIN = $(TRAINER) train --processes $(shell nproc)
# The exports: name, input in pixels; a name that ends in -close is shown single faces.
SMILES := expression-yolo12n:288x192 expression-yolo12n-lite:192x128
CLOSE := expression-yolo12n-close:128
SEVEN := expression-yolo12n-7:288x192
SEVEN_CLOSE := expression-yolo12n-7-close:128

# Told before hours of training; the export at their end is stricter.
.PHONY: model-version
model-version:
	@test -z "$(VERSION)" || printf '%s\n' "$(VERSION)" | grep -qE '^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$$' || \
		{ echo "VERSION=$(VERSION): boards compare three numbers, as 1.2.3, or 1.2.3-rc.1 before it" >&2; exit 2; }

.PHONY: model
ifdef SHARED
model: model-version $(VENV)/ready $(BEFORE)/ready ## Make the shipped models: make model SHARED=folder of expressions, wild, expressions7; or one of your own: DATA=data.yaml [PREPARE=options] [VERSION=1.2.3]
	$(GATHER) --out "$(MODEL_OUT)/gathered" --classes $(CLASSES)
	$(GATHER) --out "$(MODEL_OUT)/gathered-smiles"
	$(LABEL) "$(MODEL_OUT)/gathered/data.yaml" --out "$(MODEL_SET)"
	$(LABEL) "$(MODEL_OUT)/gathered-smiles/data.yaml" --out "$(MODEL_OUT)/smiles"
	init=$$(realpath -s -- "$(INIT)") && $(TRAIN) "$(MODEL_SET)/data.yaml" --preset scenes \
		--init "$$init" --out "$(MODEL_OUT)/scenes"
	$(TRAIN) "$(MODEL_SET)/data.yaml" --preset close \
		--init "$(MODEL_OUT)/scenes/expression-yolo12n.safetensors" --out "$(MODEL_OUT)/close"
	$(TRAIN) "$(MODEL_SET)/data.yaml" --preset expressions \
		--init "$(MODEL_OUT)/scenes/expression-yolo12n-7.safetensors" --out "$(MODEL_OUT)/expressions"
	$(call model-exports,$(SMILES),scenes/expression-yolo12n,"$(MODEL_OUT)/smiles/data.yaml")
	$(call model-exports,$(CLOSE),close/expression-yolo12n,"$(MODEL_OUT)/smiles/data.yaml")
	$(call model-exports,$(SEVEN),scenes/expression-yolo12n-7,"$(MODEL_SET)/data.yaml")
	$(call model-exports,$(SEVEN_CLOSE),expressions/expression-yolo12n-7,"$(MODEL_SET)/data.yaml")
else
model: model-version $(VENV)/ready
	@test -n "$(DATA)" || { echo "usage: make model DATA=path/to/data.yaml, or SHARED=folder (models/training/README.md)" >&2; exit 2; }
	data=$$(realpath -- "$(DATA)") && $(TRAINER) prepare "$$data" --out "$(MODEL_SET)" $(PREPARE)
	$(TRAIN) "$(MODEL_SET)/data.yaml" --preset refine \
		--init "$(CURDIR)/models/weights/expression-yolo12n.safetensors" --out "$(MODEL_OUT)/run"
	$(call model-exports,$(SMILES) $(CLOSE),run/model,"$(MODEL_SET)/data.yaml")
endif
# In a folder of another name until all are there: a shallow clone has them not, and would leave empty files.
$(BEFORE)/ready:
	rm -rf $(BEFORE).part
	mkdir -p $(BEFORE).part/weights
	for file in weights/expression-yolo12n.safetensors expression-yolo12n.tflite expression-yolo12n.json; do \
		git show $(BEFORE_COMMIT):models/$$file >$(BEFORE).part/$$file || \
			{ echo "what was shipped before is in the repository's history: git fetch --unshallow" >&2; exit 1; }; done
	rm -rf $(BEFORE)
	mv $(BEFORE).part $(BEFORE)
	@touch $@
# Exports $(1) of the weights $(2), with levels chosen on $(3).
define model-exports
for export in $(1); do \
	case $$export in *-7-close:*) close='--close-look 1.5 --alarms 0.05' ;; *-close:*) close='--close-look 1.5 --alarms 0.08' ;; *) close= ;; esac; \
	($(TRAINER) export "$(MODEL_OUT)/$(2).safetensors" $(3) $$close $(if $(VERSION),--version $(VERSION)) \
		--size $${export#*:} --out "$(MODEL_OUT)/$${export%:*}.tflite") || exit 1; \
done
$(TRAINER) evaluate $(3) --model "$(MODEL_OUT)/$(firstword $(subst :, ,$(1))).tflite"
endef

# Two threads wait for each other after every layer where something else wants a core: one
# test then takes a quarter of an hour instead of half a minute.
.PHONY: model-test
model-test: $(VENV)/ready ## Test the training code
	cd $(TRAINING) && OMP_NUM_THREADS=1 $(PYTHON) -m pytest -q

# Several gigabytes, nearly all of them CUDA libraries that PyTorch's only wheel
# for x86_64 will not be imported without. Made when first needed.
$(VENV)/ready: $(TRAINING)/requirements.lock
	@.ci/setup build
	@echo "the training environment: installing $< into $(VENV)" >&2
	@python3 -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
		{ echo "the versions in $< are for Python 3.11, which Debian 12 has" >&2; exit 1; }
	rm -rf $(VENV)
	python3 -m venv $(VENV)
	$(VENV)/bin/python -m pip --quiet --disable-pip-version-check install --no-cache-dir \
		--only-binary=:all: --require-hashes --requirement $<
	@touch $@

##@ Ship
# How the packages of these sources begin (deploy/deb/build): what was made of older ones stays in out/.
PACKAGE = out/expressiond_$(shell deploy/deb/version)
.PHONY: package
package: ## Make a Debian package: make package [TARGET=aarch64-unknown-linux-gnu]
	deploy/deb/build $(TARGET)

.PHONY: package-test
package-test: ## Check this version's packages in out/ and the units' sandbox; other boards' run under qemu
	.ci/setup package
	deploy/systemd/check
	@ls $(PACKAGE)_*.deb >/dev/null 2>&1 || { echo "make package first" >&2; exit 1; }
	@reference=$$(ls $(PACKAGE)_amd64.deb) || \
		{ echo "make package first: the others are compared with it" >&2; exit 1; }; \
	for package in $(PACKAGE)_*.deb; do tests/package/check "$$package" "$$reference" || exit 1; done

.PHONY: reproducible-test
reproducible-test: ## Build the package of this machine twice and compare the bytes
	tests/package/twice

.PHONY: model-package
model-package: build ## Make a signed package of a model: make model-package MODEL=x.tflite KEY=signer.key
	@test -n "$(MODEL)" -a -n "$(KEY)" || { echo "usage: make model-package MODEL=x.tflite KEY=signer.key" >&2; exit 2; }
	deploy/model-package/build "$(MODEL)" "$(KEY)"

.PHONY: repo
SUITE ?= stable
PUBLISHED = $(wildcard $(PACKAGE)_*.deb out/expressiond-model-*.deb)
# Without any the script would sign the suite anew, and that looks like success.
repo: ## Publish this version's packages and the models in out/ in a signed apt repository: make repo KEY=fingerprint [SUITE=stable]
	@test -n "$(PUBLISHED)" || { echo "make package first" >&2; exit 1; }
	KEY="$(KEY)" deploy/apt/publish $(SUITE) $(PUBLISHED)

.PHONY: repo-test
repo-test: ## Install, upgrade, roll back and purge from a repository, and run the Ansible role, in Debian 12 and 13
	@ls $(PACKAGE)_amd64.deb >/dev/null 2>&1 || { echo "make package first" >&2; exit 1; }
	tests/repo/run $(PACKAGE)_amd64.deb
	@for package in $(PACKAGE)_arm64.deb $(PACKAGE)_armhf.deb; do \
		if [ -e "$$package" ]; then tests/repo/emulated "$$package" || exit 1; fi; done

.PHONY: credentials-test
# One of the brokers that it is for, or both.
BROKER ?=
credentials-test: setup ## A stolen board, revocation, tokens and rotation at Mosquitto and RabbitMQ [BROKER=mosquitto]
	@if [ "$(BROKER)" != mosquitto ]; then .ci/setup cluster; fi
	$(PROGRAM_OF_TESTS)
	tests/fleet/credentials target/debug/expressiond $(BROKER)

.PHONY: ring-test
ring-test: setup ## Upgrade a fleet that is played in steps, and stop where too many are unwell
	tests/fleet/rings

.PHONY: cluster-test
CLUSTER_DEVICES ?= 20
cluster-test: setup ## Make nodes of RabbitMQ and NATS clusters fail under a fleet, and count (as root; 15 minutes)
	.ci/setup cluster
	$(PROGRAM_OF_TESTS)
	tests/cluster/run target/debug/expressiond --devices $(CLUSTER_DEVICES)

.PHONY: vm-test
vm-test: ## Run the package in a virtual machine against real V4L2 drivers: 25 minutes, and seven for its disk once
	deploy/deb/build
	tests/vm/run $(PACKAGE)_amd64.deb

.PHONY: board-test
board-test: ## From a blank machine to events, through outages, upgrade and purge, on Debian 12 and 13
	deploy/deb/build
	for release in bookworm trixie; do \
		tests/vm/run --board --release $$release $(PACKAGE)_amd64.deb || exit 1; \
	done

.PHONY: ha-test
ha-test: setup ## Show the daemon to real Home Assistants: ten minutes, and as many for their root once
	$(PROGRAM_OF_TESTS)
	tests/home-assistant/run target/debug/expressiond

.PHONY: help
help: ## This
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
