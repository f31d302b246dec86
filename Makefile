# Afterimage. `make help` lists what there is.
#
#   PYTHON       the interpreter that makes the environment (3.11 or newer)
#   TORCH_INDEX  the address of PyTorch's CPU package index, if your network has it: it saves several GB of
#                CUDA libraries on Linux. Unset, everything comes from pip's own index.
#   LIGHT        LIGHT=1, for `make demo` and `make run`: an environment of its own (.venv-light) without torch and
#                open_clip, which runs models that were exported before, as the demo's is
#   ROOM         for `make quick`: a folder of tests/, such as search
#   WORKERS      test processes at once; tests wait a lot: three left half of two cores idle in the rooms that start bots,
#                and four take 4 GB

PYTHON      ?= python3
TORCH_INDEX ?=
LIGHT       ?=
VENV        := .venv$(if $(LIGHT),-light)
BIN         := $(VENV)/bin
PIP         := $(BIN)/python -m pip --disable-pip-version-check
BENCHES     := model encode runtimes footprint storage index crawl answers copies notices archive raw batch backup http moving ocr scale fleet move rerank deeper
WORKERS     ?= 4
PURE_ROOMS  := config geometry platforms query replies reports store text texts

.DEFAULT_GOAL := help
.PHONY: help install demo demo-archive demo-fleet run setup quick test docs coverage check fmt soak bench lock clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14
	@echo "bench-NAME one benchmark: $(BENCHES)"

install: $(VENV)/.runtime ## set up the environment in .venv, and nothing else

demo: $(VENV)/.runtime ## index a made-up server and search it, all on this machine
	$(BIN)/python -m sandbox.demo

demo-archive: $(VENV)/.runtime ## the same server as an export on a disk: imported without any Discord, and searched
	$(BIN)/python -m sandbox.export.demo

demo-fleet: $(VENV)/.dev ## its server and others over 4 shards in a fleet of Ray on this machine; a node dies meanwhile
	$(BIN)/python -m sandbox.demo.fleet

run: $(VENV)/.runtime ## start the bot: Discord with a token, the sandbox without
	$(BIN)/afterimage run

setup: $(VENV)/.runtime ## your own server: asks for the bot's token, says what is missing, writes config.toml
	$(BIN)/afterimage setup

quick: $(VENV)/.dev ## the tests of pure code; ROOM=search: those of one room, without processes and models
	$(BIN)/python -m pytest -q --quick -n 2 $(if $(ROOM),tests/$(ROOM),$(addprefix tests/,$(PURE_ROOMS)))

# loadgroup: what imports torch is two groups (tests/encode/conftest.py), so that no third process pays for it.
test: $(VENV)/.dev ## all tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

docs: $(VENV)/.docs ## the documents as a site, in site/; fails at a link that leads nowhere
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

coverage: $(VENV)/.dev ## all tests, and which lines they ran, in child processes too; takes half as long again
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --cov --cov-report=
	$(BIN)/coverage report

check: $(VENV)/.dev ## linters, types, import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --cache-dir .mypy_cache/linux --platform linux
	$(BIN)/mypy --cache-dir .mypy_cache/darwin --platform darwin
	$(BIN)/mypy --cache-dir .mypy_cache/win32 --platform win32
	$(BIN)/lint-imports

fmt: $(VENV)/.dev ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

soak: $(VENV)/.dev ## the long tests: hundreds of kills, thousands of worlds
	AFTERIMAGE_SOAK=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "soak and not alone"
	AFTERIMAGE_SOAK=1 $(BIN)/python -m pytest -m "soak and alone"

bench: $(addprefix bench-,$(BENCHES)) ## all benchmarks; results go to benchmarks/results

bench-%: $(VENV)/.bench
	$(BIN)/python -m benchmarks.$*

bench-encode: .venv-rclip/.made  # rclip wants other versions of what we use too: it has an environment of its own

.venv-rclip/.made:
	$(PYTHON) -m venv .venv-rclip
	.venv-rclip/bin/python -m pip --disable-pip-version-check install --quiet rclip==3.3.0
	@touch $@

lock: $(VENV)/.bench ## write the versions that are installed now to constraints.txt
	@{ echo "# Exact versions that Afterimage is tested with. Written by \`make lock\`."; \
	   $(PIP) freeze --exclude-editable --exclude pip --exclude setuptools; } > constraints.txt

clean: ## remove the environment and caches; data stays
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage*

# The environment, in three layers: what the bot needs, what the tests need, what the benchmarks compare with.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Afterimage needs Python 3.11 or newer; $(PYTHON) is older. Name another: make PYTHON=python3.12 …"; exit 1; }
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "Python's venv module is missing. On Debian: apt install python3-venv"; rm -rf $(VENV); exit 1; }

ifneq ($(LIGHT),)
$(VENV)/.runtime: pyproject.toml constraints.txt requirements-light.txt | $(VENV)/bin/python
	@echo "Setting up $(VENV): without torch."
	$(PIP) install --quiet --constraint constraints.txt --requirement requirements-light.txt
	$(PIP) install --quiet --no-deps --editable .
	@touch $@
else
$(VENV)/.runtime: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo "Setting up $(VENV): on Linux the first time downloads several GB (PyTorch)."
ifneq ($(TORCH_INDEX),)
	$(PIP) install --quiet --constraint constraints.txt --index-url $(TORCH_INDEX) torch torchvision
endif
	$(PIP) install --quiet --constraint constraints.txt --editable .
	@touch $@
endif

$(VENV)/.dev: $(VENV)/.runtime
	$(PIP) install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

$(VENV)/.docs: $(VENV)/.runtime
	$(PIP) install --quiet --constraint constraints.txt --editable '.[docs]'
	@touch $@

$(VENV)/.bench: $(VENV)/.dev
	$(PIP) install --quiet --constraint constraints.txt --editable '.[dev,bench]'
	@touch $@
