# `make quickstart` and `make test` need Python 3.11 or newer and make, nothing else.
PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
ANVIL  := .tools/node_modules/@foundry-rs/anvil/package.json

.PHONY: quickstart test check bench nightly contracts clean

quickstart: $(VENV)/.devnet
	$(PY) examples/quickstart.py

# the tests start some hundred programs, and without bytecode on disk each compiles everything anew
test nightly: export PYTHONDONTWRITEBYTECODE :=

test: $(VENV)/.dev anvil interop
	scripts/test

check: $(VENV)/.dev
	scripts/check

bench: $(VENV)/.dev interop
	$(PY) -m benchmarks

nightly: $(VENV)/.dev anvil interop
	HYPOTHESIS_PROFILE=nightly $(PY) -m pytest
	$(PY) -m benchmarks

contracts:
	cd scripts/compile-contracts && npm ci --no-audit --no-fund && node compile.mjs

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.devnet: pyproject.toml | $(VENV)/bin/python
	$(PY) -m pip install --quiet --disable-pip-version-check -e ".[devnet]"
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	$(PY) -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	@touch $@ $(VENV)/.devnet

# anvil comes as an npm package; without npm its tests say what is missing (and fail in CI)
.PHONY: anvil interop
anvil:
	@if [ -f $(ANVIL) ]; then :; \
	elif command -v npm >/dev/null; then \
		mkdir -p .tools && cd .tools && npm install --silent --no-audit --no-fund --no-save @foundry-rs/anvil@1.7.1; \
	else echo "npm is not there: tests on anvil cannot run"; fi

# the published clients live in environments of their own: they pin other versions of everything
interop: .venv-interop/.installed .venv-x402/.installed

.venv-interop/.installed: tests/interop/requirements-opengradient.txt
	$(PYTHON) -m venv .venv-interop
	.venv-interop/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

.venv-x402/.installed: tests/interop/requirements-x402.txt
	$(PYTHON) -m venv .venv-x402
	.venv-x402/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

clean:
	rm -rf $(VENV) .venv-interop .venv-x402 .tools .mypy_cache .ruff_cache .pytest_cache
