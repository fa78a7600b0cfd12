# Everything works on a machine that has only make and Python 3.11 or newer, in a clone with nothing built.
# uv is used where it is on PATH, else venv and pip.

.DELETE_ON_ERROR:
.PHONY: help demo test check judges verify nightly clean setup
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST := $(BIN)/python -m pytest
# pytest's 5: nothing was selected, which is no failure of a part
SOME := || [ $$? -eq 5 ]

help:
	@echo "make demo     set everything up, then run the demo (three minutes)"
	@echo "make setup    only set everything up, once, in .venv (two minutes)"
	@echo "make check    format, lint, types, import contracts, fast tests, exact gate (two minutes)"
	@echo "make test     check, and all other tests but the nightly ones (a quarter of an hour)"
	@echo "make verify   both worlds, seeds 1 to 5, full length: do the designs behave as claimed?"
	@echo "make judges   how good the judges are: corpus, brute force, mutants (five minutes)"
	@echo "make nightly  test, verify, a hunt of 20,000 seeds and everything slow"
	@echo "make clean    remove what was built; runs are kept"

demo: $(STAMP)
	@$(BIN)/imbench demo

check: $(STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) -m "not slow and not live and not nightly" -n 2
	$(BIN)/imbench gate

test: check
	$(PYTEST) -m "slow and not live and not nightly" -n 2 $(SOME)
	$(PYTEST) -m "live and not nightly" $(SOME)

judges: $(STAMP)
	$(BIN)/python -m tests.judged.score

verify: $(STAMP)
	$(BIN)/python -m scenarios.running.verify

nightly: test
	$(PYTEST) -m "nightly and not live" -n 2 --timeout 3600 $(SOME)
	$(PYTEST) -m "nightly and live" --timeout 3600 $(SOME)
	$(BIN)/python -m scenarios.running.verify
	$(BIN)/imbench hunt --seeds 20000 --jobs 2

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@set -e; python=; \
	for name in python3.13 python3.12 python3.11 python3 python; do \
	  if "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then python=$$name; break; fi; \
	done; \
	if command -v uv >/dev/null 2>&1; then \
	  [ -x $(BIN)/python ] || uv venv --quiet --python "$${python:->=3.11}" $(VENV); \
	  uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[dev]'; \
	else \
	  if [ -z "$$python" ]; then \
	    echo "imbench needs Python 3.11 or newer; found: $$(python3 --version 2>&1 || true). Install one, or uv." >&2; exit 1; \
	  fi; \
	  if ! "$$python" -c 'import venv, ensurepip' >/dev/null 2>&1; then \
	    echo "$$python has no venv; install it (Debian, Ubuntu: apt install python3-venv), or uv." >&2; exit 1; \
	  fi; \
	  echo "setting up $(VENV) with $$("$$python" --version), once; this takes a minute or two" >&2; \
	  [ -x $(BIN)/python ] || "$$python" -m venv $(VENV); \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'; \
	fi; \
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
