PYTHON ?= python3
UV_VERSION := 0.13.9

PIP_QUIET := -m pip --disable-pip-version-check --quiet --quiet
PIP := .venv/bin/python $(PIP_QUIET)
# Wheels only, except pyvips, which is published only as source; its build tools are locked too.
INSTALL := $(PIP) install --require-hashes --only-binary :all: --no-binary pyvips --no-build-isolation
COMPILE := build/uv/bin/uv pip compile --quiet --upgrade --universal --annotation-style line \
	--python-version 3.11 --generate-hashes --custom-compile-command "make lock"

.PHONY: help demo scale-demo test check docs mutants bench dist licences format lock clean

help: ## list what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' Makefile

demo: .venv/installed ## generate one image in the sandbox and print its path
	@.venv/bin/stills generate \
		"a cinematic portrait of a cyclist at dusk, soft rim light, shallow depth of field" \
		--negative-prompt "blurry, low quality, watermark" --size "1024*1024" --seed 1234 --sandbox

scale-demo: .venv/installed-dev ## imitate several machines, kill one, and print what was billed
	@.ci/packages
	@PYTHONPATH=. .venv/bin/python deploy/scale_demo.py

test: check ## run all checks and tests; install the programs they need if possible
	@.ci/packages
	.venv/bin/python -m pytest -n 4 --dist worksteal

check: .venv/installed-dev ## lint, types and imports, no tests
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo

docs: .venv/installed-dev ## build the documentation site in build/site; a broken link is an error
	@.venv/bin/python tests/docs/site.py

mutants: .venv/installed-dev ## check that the tests notice small changes to the code that handles money
	.venv/bin/python benchmarks/mutants.py

bench: .venv/installed-dev ## measure start-up and the cost of an image next to their peers; 10 minutes
	.venv/bin/python benchmarks/bench.py

dist: .venv/installed-dev ## build wheel and sdist into dist/, install the wheel, and check what users get
	@.venv/bin/python .ci/dist.py

licences: .venv/installed-dev ## list the licences of all dependencies in docs/licences.md
	.venv/bin/python tests/docs/licences_page.py

format: .venv/installed-dev ## format the code and apply automatic fixes
	.venv/bin/ruff check --fix-only
	.venv/bin/ruff format

lock: ## update the lock files to the newest versions that pyproject.toml allows
	$(PYTHON) -m venv build/uv
	build/uv/bin/python $(PIP_QUIET) install uv==$(UV_VERSION)
	$(COMPILE) --group build --output-file requirements-build.lock
	$(COMPILE) pyproject.toml --group dev --constraint requirements-build.lock --output-file requirements-dev.lock
	$(COMPILE) pyproject.toml --constraint requirements-dev.lock --output-file requirements.lock
	$(COMPILE) pyproject.toml --extra jobs --extra otel --extra postgres --output-file requirements-service.lock
	cd tests/clients/python && for list in *.in; do \
		../../../$(COMPILE) $$list --output-file $${list%.in}.lock || exit 1; done
	for folder in tests/clients/node/*/; do \
		npm update --prefix $$folder --package-lock-only --ignore-scripts --silent --no-audit --no-fund || exit 1; done

clean: ## remove build files; images in output/ stay
	rm -rf .venv build dist .hypothesis .*_cache

.venv/installed: requirements.lock
.venv/installed-dev: requirements-dev.lock

.venv/installed .venv/installed-dev: requirements-build.lock pyproject.toml | .venv/bin/pip
	@echo "Installing $(filter-out requirements-build.lock,$(filter %.lock,$^)) into .venv ..."
	@$(INSTALL) -r requirements-build.lock
	@$(INSTALL) -r $(filter-out requirements-build.lock,$(filter %.lock,$^))
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Stills needs Python 3.11 or newer, but $(PYTHON) is: $$($(PYTHON) --version 2>&1)." \
		"Choose another: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -m venv .venv
