# Everything runs in .venv (made from the hashed locks) and, where it needs servers, inside
# config/devservices.py. `exec` lets a signal sent to make reach the launcher, not a shell.
PYTHON ?= $(firstword $(shell command -v python3 python3.13 python3.12 python3.11 2>/dev/null) python3)
PYTEST_ARGS ?=
VENV := .venv
PY := $(VENV)/bin/python
SERVICES := exec $(PY) config/devservices.py
STAMP := $(VENV)/.stamp
COMPILE := $(VENV)/bin/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header
export UV_PYTHON_DOWNLOADS := never
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test bench lint types lock stop clean

help:
	@echo "make demo    start everything with two shops and a simulated M-Pesa; Ctrl-C stops it"
	@echo "make test    run the tests (PYTEST_ARGS='-k name' for some of them)"
	@echo "make bench   measure against the floors     make lint, make types   ruff, mypy"
	@echo "make lock    renew the locks                make stop, make clean   stop; remove all"

demo: $(STAMP)
	@$(SERVICES) .dev -- $(PY) -m config.demo

test: $(STAMP)
	@$(SERVICES) --throwaway .dev/test -- $(PY) -m pytest -q -n 2 $(PYTEST_ARGS)

# Kept data are written as in production (synchronous_commit on): the floors count on it.
bench: $(STAMP)
	@$(SERVICES) .dev/bench -- $(PY) -m bench $(BENCH_ARGS)

lint: $(STAMP)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

# DEBUG: the Django plugin loads the settings, which refuse to start without keys otherwise.
types: $(STAMP)
	DEBUG=1 $(PY) -m mypy

lock: $(STAMP)
	$(COMPILE) pyproject.toml -o requirements.lock
	$(COMPILE) pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock
	$(COMPILE) --group pyproject.toml:services -o requirements-services.lock
	$(COMPILE) --group pyproject.toml:bootstrap -o requirements-uv.lock

stop:
	@for dir in .dev .dev/test .dev/bench .dev/ci; do \
	  test ! -d $$dir || $(PYTHON) config/devservices.py --stop $$dir; done

clean: stop
	@for dir in .dev/test .dev/bench .dev/ci .dev; do \
	  test ! -d $$dir || $(PYTHON) config/devservices.py --remove $$dir; done
	rm -rf .dev $(VENV) static_root

# uv is three times as fast as pip; where it cannot be had, pip does the same.
$(STAMP): requirements-dev.lock requirements-uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1)." \
	    "Name another one: make PYTHON=/path/to/python3.12 ..." >&2; exit 1; }
	@$(PY) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV) || { \
	  rm -rf $(VENV); echo "$(PYTHON) -m venv failed: on Debian and Ubuntu install python3-venv," \
	    "or name another Python: make PYTHON=/path/to/python3 ..." >&2; exit 1; }
	@echo "Installing the locked packages into $(VENV) ..."
	@$(PY) -m pip install -q --require-hashes -r requirements-uv.lock \
	  && $(VENV)/bin/uv pip sync -q --python $(PY) --require-hashes requirements-dev.lock \
	  || { echo "uv is not to be had here: installing by pip (about a minute)." >&2; \
	       $(PY) -m pip install -q --require-hashes -r requirements-dev.lock; }
	@touch $@
