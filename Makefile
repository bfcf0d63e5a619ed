# What is missing is installed: uv into .tools, Python 3.10 by uv where the machine has none, packages into .venv.
SHELL := /bin/bash
export PATH := $(CURDIR)/.tools/bin:$(PATH)
export TF_CPP_MIN_LOG_LEVEL := 3
export RASA_TELEMETRY_ENABLED := false
export SQLALCHEMY_SILENCE_UBER_WARNING := 1
export OMP_WAIT_POLICY := passive
UV := $(shell uv --version >/dev/null 2>&1 && echo uv || echo .tools/bin/uv)

# Most tests wait for servers, browsers and clocks: two at a time take little more than half of the time.
SIDE_BY_SIDE := --numprocesses 2 --dist loadfile

NPM := PATH="$(CURDIR)/.venv/bin:$$PATH" npm --no-audit --no-fund --no-update-notifier --loglevel=error

.PHONY: run test test-fast lint bench install widget screenshots format clean

run: install widget
	$(UV) run --no-sync thiqa run

test: install widget tests/web/node_modules/.installed
	cd web/widget && $(NPM) test
	$(UV) run --no-sync pytest $(SIDE_BY_SIDE)

test-fast: install
	$(UV) run --no-sync pytest -m "not slow"

lint: install web/widget/node_modules/.installed
	$(UV) run --no-sync ruff check .
	$(UV) run --no-sync ruff format --check .
	$(UV) run --no-sync mypy
	$(UV) run --no-sync lint-imports
	cd web/widget && $(NPM) run check

format: install
	$(UV) run --no-sync ruff check --fix .
	$(UV) run --no-sync ruff format .

bench: install
	$(UV) run --no-sync python -m bench.run

install: .venv/.installed

.venv/.installed: pyproject.toml uv.lock | uv
	$(UV) sync --frozen --python 3.10 --compile-bytecode
	@touch $@

# The chat widget, with the Node that the Python packages bring.
widget: web/widget/dist/widget.js

web/widget/dist/widget.js: web/widget/node_modules/.installed web/widget/vite.config.ts web/widget/tsconfig.json $(shell find web/widget/src web/widget/scripts -type f)
	cd web/widget && $(NPM) run build

%/node_modules/.installed: %/package.json %/package-lock.json .venv/.installed
	cd $* && $(NPM) ci --ignore-scripts
	@touch $@

# Takes the pictures in docs/ anew; look at them before they are committed.
screenshots: install widget tests/web/node_modules/.installed
	THIQA_SCREENSHOTS=1 $(UV) run --no-sync pytest tests/e2e/browser/test_looks.py

.PHONY: uv
uv:
	@uv --version >/dev/null 2>&1 || [ -x .tools/bin/uv ] || { \
	  echo "Installing uv into .tools"; \
	  python3 -m venv .tools && .tools/bin/python -m pip install --quiet uv \
	  || { echo "uv is missing and could not be installed: it needs python3 with venv (Debian: apt-get install python3-venv) and a network. See https://docs.astral.sh/uv/"; exit 1; }; }

clean:
	rm -rf .venv .tools web/widget/node_modules web/widget/dist tests/web/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis
