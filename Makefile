# `make demo` runs a real architecture search, `make test` passes the tests. Each makes .venv first
# if it is missing. TORCH_INDEX names a wheel index for torch and torchvision, for instance
#     make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu

PYTHON ?= python3
TORCH_INDEX ?=
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: demo test check clean

demo: .venv/.installed
	$(BIN)/python examples/digits_search.py --folder runs/digits

test: .venv/.installed
	$(BIN)/python -m pytest -n 2 -m "not slow and not server and not browser"

check: .venv/.checked
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf .venv build dist runs

.venv/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "optuna-nas needs Python 3.11 or newer: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(if $(TORCH_INDEX),$(PIP) torch torchvision --index-url $(TORCH_INDEX))
	$(PIP) --editable ".[test]"
	touch $@

.venv/.checked: .venv/.installed
	$(PIP) --editable ".[dev]"
	touch $@
