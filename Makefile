# make tables · report · features · docs · test · test-all · test-docs · bench: each sets up .venv from the lock first, if needed.
# make test-cluster, and runs on a cluster: .venv-slurm, the same with the executors.
# make test-python: an environment for each of PYTHON_VERSIONS, .venv-3.12 and so on.
# make test-cloud, and runs with results in a bucket: .venv-cloud, the same with the storage plugin.

PYTHON ?= python3
PYTHON_VERSIONS ?= 3.12 3.13
CORES ?= $(shell nproc)
VENV := .venv
LOCK := requirements.lock
STAMP := $(VENV)/.installed-$(shell cksum < $(LOCK) | cut -d' ' -f1)
RUN := PATH="$(CURDIR)/$(VENV)/bin:$$PATH"
# `--` keeps a target from being taken for one more configuration file.
CONFIG ?=
SNAKEMAKE = $(RUN) snakemake --logger genreflow --cores $(CORES) $(if $(CONFIG),--configfile "$(CONFIG)") --
# An environment of its own, not an addition to .venv: see requirements-slurm.lock.
SLURM_VENV := .venv-slurm
SLURM_LOCK := requirements-slurm.lock
SLURM_STAMP := $(SLURM_VENV)/.installed-$(shell cat $(LOCK) $(SLURM_LOCK) | cksum | cut -d' ' -f1)
CLOUD_VENV := .venv-cloud
CLOUD_LOCK := requirements-cloud.lock
CLOUD_STAMP := $(CLOUD_VENV)/.installed-$(shell cat $(LOCK) $(CLOUD_LOCK) | cksum | cut -d' ' -f1)

# A file of tests stays in one process, since its tests share what they make.  Files are begun in the
# order of `testpaths`: those of many minutes first, however few tests they have.  What takes long is
# named at the end.
SIDE_BY_SIDE = --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder \
  --durations 20 --durations-min 5
QUICK = not long and not docs and not cluster and not cloud

.PHONY: tables report features classifier docs test test-all test-unit test-python test-docs test-cluster test-cloud \
  bench lint config rulegraph env env-slurm env-cloud clean-env

# With a configuration of one's own: make tables CONFIG=my.yaml
tables: env
	$(SNAKEMAKE) tables results/run_config.yaml

report features: env
	$(SNAKEMAKE) $@

# make classifier CONFIG=my.yaml DATASET=mymusic SYSTEM=SF+TF
classifier: env
	$(SNAKEMAKE) "results/$(DATASET)/classifiers/$(SYSTEM)"

# The pages as a site; opened from build/docs/index.html, with its search.
docs: env
	$(RUN) mkdocs build --quiet --strict

test: env lint
	$(RUN) python -m pytest $(SIDE_BY_SIDE) -m "$(QUICK)"

test-all: env lint
	$(RUN) python -m pytest $(SIDE_BY_SIDE) -m "not cluster and not cloud"

# The unit tests, and the demo planned as a whole.
test-unit: env
	$(RUN) python -m pytest $(SIDE_BY_SIDE) -m "$(QUICK)" tests/unit
	$(RUN) snakemake --cores 1 --dry-run --quiet -- results/tables.csv results/report.html

# The same with other Pythons; one that is not here is skipped, and named.
# PyPI's torch for Linux brings CUDA, some 7 GB a version: with a pip that is told of PyTorch's index
# of CPU builds (PIP_EXTRA_INDEX_URL), it is a good deal less.
test-python:
	@for version in $(PYTHON_VERSIONS); do \
	  if python$$version -c 'import ensurepip, venv' 2>/dev/null; then \
	    $(MAKE) PYTHON=python$$version VENV=.venv-$$version test-unit || exit 1; \
	  else \
	    echo "skipped: no python$$version with its venv module on this machine." >&2; \
	  fi; \
	done

# Every command of every page.
test-docs: env
	$(RUN) python -m pytest $(SIDE_BY_SIDE) -m docs

# A Slurm on this machine: needs root and apt, and says so where it is skipped.
test-cluster: env-slurm
	$(SLURM_VENV)/bin/python -m pytest -m cluster tests/cluster

# On a local server that speaks S3.
test-cloud: env-cloud
	$(CLOUD_VENV)/bin/python -m pytest -m cloud tests/cloud

# Writes docs/benchmarks.md, and fails where a bound does not hold; ONLY="stage.measure_growth ..."
# measures those anew and leaves the rest of the page.  Everything keeps its memory, as the rules
# let jobs.
bench: env
	$(RUN) PYTHONPATH=workflow/scripts MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=100000000000 \
	  python -B tests/bench $(ONLY)

lint: env
	$(RUN) ruff format --check workflow tests docs
	$(RUN) ruff check workflow tests docs
	$(RUN) mypy
	$(RUN) snakefmt --check Snakefile workflow/Snakefile rules
	$(RUN) snakemake --lint

# config/config.yaml and config/schema.json, which follow from the configuration's schema.
config: env
	$(RUN) PYTHONPATH=workflow/scripts python -m genreflow.plan.config_file .

# The picture of the rules behind the demo's report, without arrows that follow from others; a test
# says when it is out of date.  Needs Graphviz.
rulegraph: env
	$(RUN) snakemake --rulegraph -- results/report.html \
	  | sed -E 's/, color = "[^"]*", style="rounded"//' | tred \
	  | dot -Tsvg -Nfontname=sans-serif -Npenwidth=1 -Epenwidth=1 -Granksep=0.35 \
	  > docs/images/rules.svg

env: $(STAMP) $(VENV)/bin/genreflow

env-slurm: $(SLURM_STAMP)

env-cloud: $(CLOUD_STAMP)

# $(call install,environment,its locks)
# The stamp carries the locks' checksum, so that a changed lock makes a new environment, and it is
# written last, so that an interrupted installation is not taken for a whole one.  One lock after
# the other, since a later one may have another version of what an earlier one has.
define install
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "genreflow needs Python 3.11 or newer; found: $$($(PYTHON) --version)." \
	    "Hint: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
	  { echo "Python's venv module is missing. Hint: apt-get install python3-venv" >&2; exit 1; }
	rm -rf $(1)
	$(PYTHON) -m venv $(1)
	set -e; for lock in $(2); do \
	  $(1)/bin/python -m pip install --disable-pip-version-check --quiet -r $$lock; done
	touch $@
endef

$(STAMP):
	$(call install,$(VENV),$(LOCK))

# The package of this folder and its command; `pip install .` gives the same elsewhere.
$(VENV)/bin/genreflow: $(STAMP)
	$(VENV)/bin/python -c 'import pathlib, sysconfig; pathlib.Path(sysconfig.get_path("purelib"), \
	  "genreflow.pth").write_text("$(CURDIR)/workflow/scripts\n")'
	printf '%s\n' '#!$(CURDIR)/$(VENV)/bin/python' 'import sys' 'from genreflow.cli import main' \
	  'if __name__ == "__main__":' '    sys.exit(main())' > $@
	chmod +x $@

$(SLURM_STAMP):
	$(call install,$(SLURM_VENV),$(LOCK) $(SLURM_LOCK))

$(CLOUD_STAMP):
	$(call install,$(CLOUD_VENV),$(LOCK) $(CLOUD_LOCK))

clean-env:
	rm -rf $(VENV) $(SLURM_VENV) $(CLOUD_VENV) $(addprefix .venv-,$(PYTHON_VERSIONS))
