# What is missing is installed: uv into .tools, Python 3.10 by uv where the machine has none, packages into .venv.
SHELL := /bin/bash
export PATH := $(CURDIR)/.tools/bin:$(PATH)
export TF_CPP_MIN_LOG_LEVEL := 3
export RASA_TELEMETRY_ENABLED := false
export SQLALCHEMY_SILENCE_UBER_WARNING := 1
export OMP_WAIT_POLICY := passive
UV := $(shell uv --version >/dev/null 2>&1 && echo uv || echo .tools/bin/uv)

.PHONY: run test test-fast lint bench install format clean

run: install
	$(UV) run --no-sync thiqa run

test: install
	$(UV) run --no-sync pytest

test-fast: install
	$(UV) run --no-sync pytest -m "not slow"

lint: install
	$(UV) run --no-sync ruff check .
	$(UV) run --no-sync ruff format --check .
	$(UV) run --no-sync mypy
	$(UV) run --no-sync lint-imports

format: install
	$(UV) run --no-sync ruff check --fix .
	$(UV) run --no-sync ruff format .

bench: install
	$(UV) run --no-sync python -m bench.run

install: .venv/.installed

.venv/.installed: pyproject.toml uv.lock | uv
	$(UV) sync --frozen --python 3.10 --compile-bytecode
	@touch $@

.PHONY: uv
uv:
	@uv --version >/dev/null 2>&1 || [ -x .tools/bin/uv ] || { \
	  echo "Installing uv into .tools"; \
	  python3 -m venv .tools && .tools/bin/python -m pip install --quiet uv \
	  || { echo "uv is missing and could not be installed: it needs python3 with venv (Debian: apt-get install python3-venv) and a network. See https://docs.astral.sh/uv/"; exit 1; }; }

clean:
	rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .hypothesis
