# Jiahe: make setup, then make demo or make test. Each target does what it needs first.
VENV := .venv
PY   := $(VENV)/bin/python
export PYTHONDONTWRITEBYTECODE :=

.PHONY: setup demo test bench lint reliability lock proto clean help

help:            ## this list
	@grep -hE '^[a-z]+: .*##|^[a-z]+:  *##' Makefile | sed 's/:.*##/\t/' | expand -t 14

setup:           ## system packages that are missing, .venv, native build
	@scripts/setup

demo: setup      ## three machines, an outage, a SIGKILL, and the ledger, in under a minute
	@$(PY) -m demo

test: setup      ## lint and every test
	@scripts/setup --tests
	@$(MAKE) --no-print-directory lint
	@$(PY) -m pytest

bench: setup     ## ratios against peers, into bench/results/latest.json
	@scripts/setup --tests
	@$(PY) -m bench

lint: setup      ## ruff, mypy --strict, cython-lint, codespell
	@scripts/lint

reliability: setup ## the long fault runs
	@scripts/setup --tests
	@JIAHE_LONG=1 $(PY) -m pytest tests/fault

proto: setup     ## regenerate proto/gen from proto/
	@scripts/proto

lock:            ## rewrite the lock files from requirements*.in
	@for f in requirements requirements-dev; do \
	  $(VENV)/bin/pip-compile -q --no-header --strip-extras --generate-hashes --no-emit-index-url \
	    --no-emit-find-links --no-emit-trusted-host --allow-unsafe $$f.in -o $$f.lock; done

clean:           ## everything that was built
	rm -rf $(VENV) build dist *.egg-info native/*.so native/*.c native/*.html .build.log .setup-stamp node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
