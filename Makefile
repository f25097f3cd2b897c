# Two commands on a fresh machine: `make serve` and `make test`. CI calls the same targets (.ci/run).
.DEFAULT_GOAL := help
.PHONY: help serve test cluster check golden postman train image smoke monitor sbom bench chaos soak lock clean environment

PYTHON ?= python3
PORT ?= 8000
export PYTHON EXTRA

# Not hash-locked: the CPU and the CUDA build of one version have different names (2.13.0+cpu) and files, so no list
# of hashes fits both. On a machine without a GPU, pip's own PIP_FIND_LINKS or PIP_INDEX_URL can point at a folder or
# an index with the CPU build; otherwise pip fetches the CUDA build, several gigabytes.
TORCH := torch==2.13.0

development := .venv-dev/bin/python
on_ray := tests/cluster/test_cluster.py tests/cluster/test_bulk_on_ray.py

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

serve: ## Answer at http://127.0.0.1:8000; PORT= changes the port, EXTRA=cpu|gpu|openvino the runtime
	@extra=$$($(PYTHON) requirements/choose.py) && requirements/install.sh .venv "$$extra"
	@exec .venv/bin/python -m service serve --port $(PORT)

test: environment ## Run the tests
	@tests/postman/install.sh
	@tests/page/install.sh
	@tests/monitoring/install.sh
	@tests/kserve/install.sh
	$(development) -m pytest -q -n auto $(addprefix --ignore=,$(on_ray))

cluster: environment ## Run the tests that start a Ray cluster, which wants the machine for itself
	$(development) -m pytest -q $(on_ray)

check: environment ## Check format, lint, types and the direction of imports
	.venv-dev/bin/ruff format --check .
	.venv-dev/bin/ruff check .
	$(development) -m mypy
	$(development) -m mypy requirements docker
	.venv-dev/bin/lint-imports
	@tests/page/install.sh types
	npm --prefix tests/page run --silent types

golden: environment ## Write tests/golden and docs/api.md anew, where a change of the published interface is meant
	$(development) -m tests.golden.update
	$(development) -m tests.docs.reference

postman: environment ## Write docs/postman anew, the Postman collection, by asking the service
	$(development) -m tests.postman.update

train: environment ## Train a network and export it to models/, or OUT=: RECIPE= names it, DATA= the folder of its data
	$(development) -m training train $(RECIPE) $(if $(DATA),--data "$(DATA)") $(if $(OUT),--out "$(OUT)")

image: ## Build the container image; EXTRA=gpu for the CUDA one
	docker build --network=$(or $(BUILD_NETWORK),host) --tag fovea:$(or $(EXTRA),cpu) \
	    --build-arg EXTRA=$(or $(EXTRA),cpu) $(if $(BASE),--build-arg BASE=$(BASE)) \
	    --build-arg REVISION=$$(git rev-parse HEAD) --build-arg CREATED=$$(git show --no-patch --format=%cI) .

smoke: ## Build the image, start it, ask it, stop it while it works
	docker/smoke.sh

monitor: ## Serve in a container, watched: Prometheus at http://127.0.0.1:9090, Grafana at http://127.0.0.1:3000
	docker compose --profile monitoring up --build

sbom: ## Write sbom.cdx.json: what the service installs, with versions and licences, as CycloneDX; EXTRA= as for serve
	@extra=$$($(PYTHON) requirements/choose.py) && requirements/install.sh .venv "$$extra"
	.venv/bin/python -m requirements.sbom >sbom.cdx.json

bench: environment ## Measure the service beside its peers, a quarter of an hour; BENCH= names parts and options
	$(development) -m benchmarks $(BENCH)

chaos: environment ## Break the service in a dozen ways, a quarter of an hour; CHAOS= names scenarios and options
	$(development) -m benchmarks.reliability --write $(CHAOS)

soak: environment ## Everything at once for an hour; SOAK_MINUTES= changes it. Interrupted, its report is of what was seen
	$(development) -m benchmarks.reliability.soak --minutes $(or $(SOAK_MINUTES),60)

lock: ## Write requirements/*.txt from pyproject.toml, and THIRD_PARTY_NOTICES.md from what they install; needs uv
	requirements/lock.sh
	requirements/install.sh .venv cpu
	.venv/bin/python requirements/notices.py >THIRD_PARTY_NOTICES.md

clean: ## Remove the environments and every cache
	rm -rf .venv .venv-dev tests/page/node_modules tests/postman/node_modules tests/monitoring/debian tests/kserve/.venv \
	    sbom.cdx.json .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

environment:
	@requirements/install.sh .venv-dev dev $(TORCH)
