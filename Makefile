# Two commands matter: `make demo` shows the product at work, `make test` checks it.
# Each sets up everything it needs in .venv on a machine that has only Python 3.11 and make.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# Airflow and its tools start each other by name, so the environment's own folder comes first on PATH.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONUNBUFFERED := 1

.PHONY: demo test test-all test-faults test-live lint mutants bench bench-triggerer lock clean

demo: $(READY) ## the main job on a real Airflow: success, error, cancel, and the alert people get
	$(BIN)/pipehooks demo

test: $(READY) ## everything but the slow lanes
	$(BIN)/python -m pytest -m "not slow" -n auto --dist loadfile --max-worker-restart 0

test-all: $(READY) ## the slow lanes too: real scheduler and triggerer, the wheel in an empty environment
	$(BIN)/python -m pytest

TRIALS ?= 20

test-faults: $(READY) ## real kills and lost replies on a real Airflow, TRIALS=20 times each: a good hour
	$(BIN)/python -m tests.fault.lane --trials $(TRIALS)
	$(BIN)/python -m tests.fault.lane --pipelines --trials $(TRIALS)
	$(BIN)/python -m tests.notifications.storm_lane
	$(BIN)/python -m tests.notifications.delivery_lane --trials $(TRIALS)
	$(BIN)/python -m tests.fault.hostile
	@# where PostgreSQL is on this machine
	if command -v initdb >/dev/null; then $(BIN)/python -m tests.fault.hostile --postgres; fi

test-live: $(READY) ## handlers, event hooks, alerts, the page, the control plane and asset events on a real Airflow: 20 minutes
	$(BIN)/python -m tests.handlers.state.live
	$(BIN)/python -m tests.handlers.event.live
	$(BIN)/python -m tests.operators.workflow_live
	$(BIN)/python -m tests.notifications.live
	$(BIN)/python -m tests.plugins.page_live
	$(BIN)/python -m tests.fault.control_plane
	$(BIN)/python -m tests.fault.asset_events
	$(BIN)/python -m tests.reporting.live

lint: $(READY) ## style, layers, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

mutants: $(READY) ## how much of the pure rooms no test would miss: about twenty minutes; ONLY=core/watch for one file
	$(BIN)/python -m benchmarks.mutants $(ONLY)

bench: $(READY) ## ratios against the official providers, into benchmarks/RESULTS.md: about 17 minutes
	$(BIN)/python -m benchmarks.run

bench-triggerer: $(READY) ## 1,000 deferred tasks on a real Airflow, its triggerer killed: about 20 minutes
	$(BIN)/python -m benchmarks.triggerer

$(READY): requirements/dev.lock setup.cfg
	@echo "Setting up $(VENV) with $(PYTHON): about two minutes the first time."
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] < (3, 10))' || \
		{ echo "Python 3.11 is needed, this is $$($(PYTHON) --version). Set PYTHON=/path/to/python3.11."; exit 1; }
	@test -x $(BIN)/python || "$(PYTHON)" -m venv $(VENV)
	@# uv installs the 230 pinned packages in a third of pip's time
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/dev.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $(READY)

# What is pinned stays as it is; a newer one has to be asked for: make lock UPGRADE="--upgrade-package requests"
UPGRADE ?=

lock: $(READY) ## write the pinned versions and their hashes anew from setup.cfg
	$(BIN)/uv pip compile --python-version 3.11 --extra dev setup.cfg --no-header --no-annotate --generate-hashes \
		$(UPGRADE) --output-file requirements/dev.lock

clean:
	rm -rf $(VENV) .demo build dist *.egg-info
