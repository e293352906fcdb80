# What a developer types. `make` alone lists it; every target builds .venv first where it is missing.

# The stamp of a finished .venv; it holds the torch that was asked for.
INSTALLED := .venv/.installed
INSTALLED_TORCH := $(shell cat .venv/.installed 2>/dev/null)
# The line of .venv/pyvenv.cfg that names another folder: the checkout was moved.
MOVED := $(shell grep -s '^command = ' .venv/pyvenv.cfg | grep -v ' $(CURDIR)/.venv$$')

PYTHON ?=
TORCH ?= $(or $(INSTALLED_TORCH),torch==2.13.0)

IN_VENV := PATH="$(CURDIR)/.venv/bin:$$PATH"
TYPED := moe_nmt $(wildcard data/*.py data/*/*.py scripts/*.py)

ifneq ($(strip $(TORCH))$(MOVED),$(INSTALLED_TORCH))  # another torch or place, or none yet: install
.PHONY: $(INSTALLED)
endif

.PHONY: help install demo test test-slow test-wheel lint format clean

help: ## list the targets (the default)
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20
	@echo
	@echo '  PYTHON=python3.12      the Python that .venv is made from; default the newest of 3.11 to 3.13'
	@echo '  TORCH="torch==2.13.0"  what pip installs as torch, options and all, for example a CUDA build:'
	@echo '                         make install TORCH="torch==2.13.0 --index-url URL"'

install: $(INSTALLED) ## build .venv: torch, fairseq, this project, its development tools

$(INSTALLED): setup.py scripts/install.sh scripts/environment.sh scripts/build_backend.py Makefile
	@PYTHON='$(PYTHON)' TORCH='$(strip $(TORCH))' bash scripts/install.sh

demo: $(INSTALLED) ## train, translate and inspect a small mixture of experts
	@$(IN_VENV) bash scripts/demo.sh

test: $(INSTALLED) ## run the tests, less the slow ones
	@$(IN_VENV) python -m pytest -m "not slow" --numprocesses 2 --dist loadfile

test-slow: $(INSTALLED) ## run the slow tests
	@$(IN_VENV) python -m pytest -m slow

test-wheel: ## build the package, install it elsewhere, and try all that it holds
	@PYTHON='$(PYTHON)' TORCH='$(strip $(TORCH))' bash scripts/test_wheel.sh

lint: $(INSTALLED) ## check style, types and shell syntax
	$(IN_VENV) ruff check .
	$(IN_VENV) ruff format --check .
	$(IN_VENV) mypy $(TYPED)
	for script in $(wildcard scripts/*.sh) .ci/run; do bash -n $$script || exit 1; done

format: $(INSTALLED) ## rewrite the Python files in the project's style
	$(IN_VENV) ruff check --fix .
	$(IN_VENV) ruff format .

clean: ## remove caches and build artefacts; .venv stays
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -path ./.venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
