# What a person does here; `make` alone lists it. Needs Python 3.11 or newer and nothing else.
# Clusters: tests use the one that KUBECONFIG names, or bring one up themselves (see tests/cluster/use).

PYTHON ?= python3
BIN := .venv/bin
PYTEST = $(BIN)/python -m pytest --junitxml=build/reports/$(1).xml
# Byte code is written where it is first needed: compiling all of scipy while installing would double the wait.
PIP := $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help docs venv demo test unit frameworks integration browser e2e lint crds dashboards benchmarks chaos clean
.DELETE_ON_ERROR:

help: ## list the targets
	@sed -nE 's/^([a-z0-9]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

venv: .venv/dev.stamp ## .venv with everything for development

demo: .venv/runtime.stamp ## tune an SVM on handwritten digits, on this machine
	$(BIN)/tuningctl run examples/digits-svm/job.yaml

test: unit frameworks integration ## unit and integration tests; the latter need a real API server

unit: .venv/dev.stamp ## tests that need nothing but Python
	$(call PYTEST,unit) tests/unit

frameworks: .frameworks/stamp ## the reporters with the real PyTorch, Keras, XGBoost and others, which are 1.3 GB
	.frameworks/bin/python -m pytest --junitxml=build/reports/frameworks.xml tests/frameworks

integration: .venv/dev.stamp ## tests against a real API server, with a kubelet of ours
	tests/cluster/use $(call PYTEST,integration) tests/integration

browser: .venv/dev.stamp ## the web page in a real Chromium: the system's, or one that Playwright fetches
	@for name in chromium chromium-browser google-chrome; do command -v $$name && exit; done >/dev/null; $(BIN)/playwright install --with-deps chromium
	$(call PYTEST,browser) tests/browser

e2e: .venv/dev.stamp ## tests on a real cluster with real images, installed through the chart
	tests/cluster/use $(call PYTEST,e2e) tests/e2e

docs: .venv/dev.stamp ## the documentation as a site, in build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet

lint: .venv/dev.stamp ## format, style, types and layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

crds: .venv/dev.stamp ## write crds/ and the chart's copy from the API models
	$(BIN)/python -m tuning_operator.api.crds

dashboards: .venv/dev.stamp ## write the chart's dashboards, alerts and README
	$(BIN)/python -m charts.monitoring
	$(BIN)/python charts/readme.py

benchmarks: .venv/dev.stamp ## run all benchmarks; the last line of each is its result as JSON
	for name in $$(ls benchmarks | sed -nE 's/^([a-z]+)(\.py)?$$/\1/p' | sort -u); do \
	  echo "== $$name"; tests/cluster/use $(BIN)/python -m benchmarks.$$name || exit 1; done

chaos: .venv/dev.stamp ## break things at random while jobs run, 200 times; SEED=n repeats a campaign
	tests/cluster/use $(BIN)/python -m benchmarks.chaos $(if $(SEED),--seed $(SEED))

clean: ## remove what was made here (not the cluster: tests/cluster/cluster down --purge)
	rm -rf .venv .frameworks build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
	find . -name '*.egg-info' -prune -exec rm -rf {} +

# What the product itself needs: all that a demo has to wait for.
.venv/runtime.stamp: pyproject.toml trial_image/pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than 3.11: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { echo "$(PYTHON) has no venv; on Debian: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(PIP) -e ./trial_image -e .
	@touch $@

# Apart from the rest, which is to work without any of it.
.frameworks/stamp: trial_image/pyproject.toml constraints.txt
	$(PYTHON) -m venv .frameworks
	.frameworks/bin/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e './trial_image[sidecar,frameworks]'
	@touch $@

.venv/dev.stamp: .venv/runtime.stamp
	$(PIP) -e '.[dev]'
	@touch $@
