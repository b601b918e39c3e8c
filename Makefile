# Each command does its own set-up: all it needs is make and Python 3.11 or later with pip.

PYTHON ?= python3
# One more than the two processors that are there at least: tests wait for databases, services and processes.
WORKERS ?= 3
UV_VERSION := 0.13.9

BIN := .venv/bin
UV := $(BIN)/uv
READY := .venv/ready

# uv does not read pip's settings; where pip is set to an index of its own, uv uses that one too.
PIP_INDEX = $${PIP_INDEX_URL:-$$($(PYTHON) -m pip config get global.index-url 2>/dev/null || true)}

# Steps start many processes: what Python compiled for one is kept for the next, also where the environment says not to.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test soak lint format lock clean
.DEFAULT_GOAL := demo

demo: $(READY)
	@$(BIN)/everycent demo
	@$(BIN)/everycent story

test: lint
	$(call step,pytest,$(BIN)/pytest -n $(WORKERS))

soak: $(READY)
	$(call step,soak,$(BIN)/pytest -m soak --timeout 7200)

lint: $(READY)
	$(call step,ruff check,$(BIN)/ruff check)
	$(call step,ruff format,$(BIN)/ruff format --check --quiet)
	$(call step,mypy,$(BIN)/mypy)
	$(call step,import contracts,PYTHONPATH=tests/house $(BIN)/lint-imports --no-logo)

format: $(READY)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# Pins what pyproject.toml asks for; `make lock UPGRADE=--upgrade` takes the newest of everything.
lock: $(READY)
	$(UV) pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
	  --no-header --no-emit-index-url --quiet $(UPGRADE) --output-file requirements.lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml requirements.lock Makefile
	@command -v $(PYTHON) >/dev/null || { echo "everycent needs Python 3.11 or later: '$(PYTHON)' is not there"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "everycent needs Python 3.11 or later, '$(PYTHON)' is $$($(PYTHON) -V 2>&1); try: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import pip' 2>/dev/null || { \
	  echo "'$(PYTHON)' has no pip; install it ('$(PYTHON) -m ensurepip', or your system's python3-pip) and try again"; exit 1; }
	@echo "== setting up .venv (the first time takes a minute or two)"
	@$(PYTHON) -m venv --without-pip .venv
	@$(PYTHON) -m pip --python $(BIN)/python --quiet --disable-pip-version-check install uv==$(UV_VERSION)
	@index=$(PIP_INDEX); [ -z "$$index" ] || export UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$$index}"; \
	  $(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock && \
	  $(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# $(call step,name,command): what runs, and how long it took.
define step
@echo "== $(1)"; start=$$(date +%s); $(2) && echo "== $(1): $$(($$(date +%s) - start)) s"
endef
