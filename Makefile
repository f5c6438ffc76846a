# make tables · test · test-all · report · bench: each sets up .venv from the lock first, if needed.

PYTHON ?= python3
CORES ?= $(shell nproc)
VENV := .venv
LOCK := requirements.lock
STAMP := $(VENV)/.installed-$(shell cksum < $(LOCK) | cut -d' ' -f1)
RUN := PATH="$(CURDIR)/$(VENV)/bin:$$PATH"

.PHONY: tables report test test-all bench lint config env clean-env

tables: env
	$(RUN) snakemake --cores $(CORES) results/tables.csv results/run_config.yaml

report: env
	$(RUN) snakemake --cores $(CORES) -- report

test: env lint
	$(RUN) python -m pytest -m "not long"

test-all: env lint
	$(RUN) python -m pytest

# Writes docs/benchmarks.md, and fails where a bound does not hold.
bench: env
	$(RUN) PYTHONPATH=workflow/scripts python -B tests/bench

lint: env
	$(RUN) ruff format --check workflow tests
	$(RUN) ruff check workflow tests
	$(RUN) mypy
	$(RUN) snakefmt --check Snakefile rules

# The files that follow from the configuration's schema.
config: env
	$(RUN) PYTHONPATH=workflow/scripts python -m genreflow.config_file .

env: $(STAMP)

# The stamp carries the lock's checksum, so that a changed lock makes a new environment, and it is
# written last, so that an interrupted installation is not taken for a whole one.
$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "genreflow needs Python 3.11 or newer; found: $$($(PYTHON) --version)." \
	    "Hint: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
	  { echo "Python's venv module is missing. Hint: apt-get install python3-venv" >&2; exit 1; }
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --disable-pip-version-check --quiet -r $(LOCK)
	touch $@

clean-env:
	rm -rf $(VENV)
