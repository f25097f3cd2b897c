# Two commands on a fresh machine: `make serve` and `make test`. CI calls the same targets (.ci/run).
.DEFAULT_GOAL := help
.PHONY: help serve test check golden train image smoke bench lock clean environment

PYTHON ?= python3
PORT ?= 8000
export PYTHON EXTRA

# Not hash-locked: the CPU and the CUDA build of one version have different names (2.13.0+cpu) and files, so no list
# of hashes fits both. On a machine without a GPU, pip's own PIP_FIND_LINKS or PIP_INDEX_URL can point at a folder or
# an index with the CPU build; otherwise pip fetches the CUDA build, several gigabytes.
TORCH := torch==2.13.0

development := .venv-dev/bin/python

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

serve: ## Answer at http://127.0.0.1:8000; PORT= changes the port, EXTRA=cpu|gpu|openvino the runtime
	@extra=$$($(PYTHON) requirements/choose.py) && requirements/install.sh .venv "$$extra"
	@exec .venv/bin/python -m service serve --port $(PORT)

test: environment ## Run the tests
	$(development) -m pytest -q -n auto

check: environment ## Check format, lint, types and the direction of imports
	.venv-dev/bin/ruff format --check .
	.venv-dev/bin/ruff check .
	$(development) -m mypy
	$(development) -m mypy requirements docker
	.venv-dev/bin/lint-imports

golden: environment ## Write tests/golden anew, where a change of the published interface is meant
	$(development) -m tests.golden.update

train: environment ## Train a network and export it to models/: RECIPE= names it, DATA= the folder of its data
	$(development) -m training train $(RECIPE) $(if $(DATA),--data "$(DATA)")

image: ## Build the container image; EXTRA=gpu for the CUDA one
	docker build --network=$(or $(BUILD_NETWORK),host) --tag fovea:$(or $(EXTRA),cpu) \
	    --build-arg EXTRA=$(or $(EXTRA),cpu) --build-arg REVISION=$$(git rev-parse HEAD) .

smoke: ## Build the image, start it, ask it, stop it
	docker/smoke.sh

bench: environment ## Measure the service beside its peers, a quarter of an hour; BENCH= names parts and options
	$(development) -m benchmarks $(BENCH)

lock: ## Write requirements/*.txt from pyproject.toml, and THIRD_PARTY_NOTICES.md from what they install; needs uv
	requirements/lock.sh
	requirements/install.sh .venv cpu
	.venv/bin/python requirements/notices.py >THIRD_PARTY_NOTICES.md

clean: ## Remove the environments and every cache
	rm -rf .venv .venv-dev .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

environment:
	@requirements/install.sh .venv-dev dev $(TORCH)
