# `make demo` shows the whole story, `make test` checks everything this machine can run.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# Not in the template, where its files would be taken for files of the project.
export RUFF_CACHE_DIR := $(CURDIR)/.ruff_cache
# What would change how Python, pip, uv, git and DVC work.
KEPT := $(shell sed 's/\#.*//' "{{cookiecutter.project_slug}}/src/exact/kept_variables.txt")
unexport VIRTUAL_ENV $(filter-out $(KEPT),$(filter PYTHON% PIP_% UV_% GIT_% DVC_%,$(.VARIABLES)))

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1 -- \2/p' $(firstword $(MAKEFILE_LIST))

demo: env  ## generate a project, release its model twice, get the first one back
	sh tools/demo.sh

test: env  ## what takes less than ten seconds a test; what this machine cannot run is skipped with its reason
	pytest tests -n 2 --dist loadfile -m "not exhaustive and not long"

test-long: env  ## what takes longer, and not minutes
	pytest tests -n 2 --dist loadfile -m "long and not exhaustive"

test-all: env  ## the rest too: other CPUs, other Pythons, a history of 25 commits
	pytest tests -n 2 --dist loadfile

fast: env  ## the tests that need no built model
	pytest tests -n 2 --dist loadfile -m "not slow"

lint: env  ## look for mistakes in the code
	ruff check .
	ruff format --check .

golden: env  ## renew tests/golden after a change of the template, for the diff that reviewers read
	python tests/golden.py
	python tests/template/test_exactness.py

sample: env  ## draw the bundled sample again
	python tools/sample.py "{{cookiecutter.project_slug}}/data/raw/requests.jsonl"

benchmark: env  ## measure the times of benchmarks/README.md
	python benchmarks/run.py

wheel: env  ## put the tool, built from src/, into the template (the last thing before work lands)
	python tools/wheel.py "{{cookiecutter.project_slug}}"
	python tests/golden.py

locks: env  ## pin the newest versions, for the template and for the projects that it makes
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	    --no-annotate --upgrade --group dev pyproject.toml -o requirements.lock
	sh tools/locks.sh

env: .venv/.made

UV_LOCK := "{{cookiecutter.project_slug}}/requirements-uv.lock"
.venv/.made: requirements.lock pyproject.toml
	@python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "make: python3 is older than 3.11; put a newer one first on PATH" >&2; exit 1; }
	@echo "env: making .venv from requirements.lock"
	@rm -rf .venv
	@python3 -m venv .venv
	@.venv/bin/pip install --no-user --quiet --disable-pip-version-check --require-hashes -r $(UV_LOCK)
	@.venv/bin/uv pip sync --quiet --python .venv --require-hashes requirements.lock
	@.venv/bin/uv pip install --quiet --python .venv --no-deps --no-build-isolation --offline --editable .
	@touch $@

# An environment whose Python is gone proves nothing. Of a status 127, make would print the words.
ifneq (whole,$(shell .venv/bin/python -I -c 'import cookiecutter, exact_model, pytest, uv, xdist; print("whole")' 2>&1 || :))
.PHONY: .venv/.made
endif

.PHONY: help demo test test-long test-all fast lint golden sample benchmark wheel locks env
