# Two commands: `make demo` and `make test`. Both work on a fresh clone with Python 3.11+ alone.
PYTHON ?= python3
BIN := .venv/bin
export TOKENIZERS_PARALLELISM = false

.PHONY: demo test lint bench clean

demo: .venv/.installed
	$(BIN)/fewtune demo text

test: .venv/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow"

lint: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow
	$(BIN)/python -m benchmarks

# The lock names every package that is needed, so pip resolves nothing and nothing more comes along.
.venv/.installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

.venv/.installed-dev: .venv/.installed requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-dev.lock
	touch $@

clean:
	rm -rf .venv runs build dist
