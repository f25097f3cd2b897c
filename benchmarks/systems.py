"""Every system that is measured and how it is tuned: the service's settings and its peers', for two CPUs.

A peer's tuning is what was fastest here of what is listed in README.md; all write no access log. Measures nothing.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.environments import PEERS, peer_python, service_python
from benchmarks.server import System

# The service as it is set for these runs; everything else is its default.
SERVICE_SETTINGS = {"FOVEA_PROVIDER": "cpu", "FOVEA_LOG_LEVEL": "warning"}

_PLAIN_PATHS = {"multipart": "/classify", "raw": "/raw"}


# What was fastest here of what README.md lists. For the tiny network LitServe's HTTP needs both CPUs and one worker is
# enough; ResNet-18 needs two workers, and a batch of it is no faster on a CPU than one after the other.
LITSERVE_TINY: dict[str, Any] = {"workers": 1, "api_servers": 2, "batch": 8, "batch_seconds": 0.0, "fast_queue": False}
LITSERVE_LARGE: dict[str, Any] = LITSERVE_TINY | {"workers": 2, "batch": 1}
# BentoML's adaptive batching costs a request more than it saves, at either size.
BENTOML_TINY: dict[str, Any] = {"workers": 2, "batch": 1, "batch_milliseconds": 1000}
BENTOML_LARGE: dict[str, Any] = BENTOML_TINY


def service(models: Path, settings: dict[str, str], extra: str = "cpu") -> System:
    """The service over the repository `models`, asked about none in particular."""
    command = (str(service_python(extra)), "-m", "service", "serve", "--port", "{port}", "--models", str(models))
    return System("fovea", command, settings, {}, "/health/ready")


def fovea(models: Path, model: str, version: int | None = None, *, name: str = "fovea") -> System:
    """The service over the repository `models`; asked about one model, by its default version or a named one."""
    versioned = "" if version is None else f"/versions/{version}"
    path = f"/v1/models/{model}{versioned}/classify?top=5"
    return replace(service(models, SERVICE_SETTINGS), name=name, paths={"multipart": path, "raw": path})


def fovea_on_openvino(models: Path, model: str, version: int, provider: str) -> System:
    """As `fovea`, with the runtime and the provider that are asked for by name."""
    plain = fovea(models, model, version, name=f"fovea, {provider}")
    settings = SERVICE_SETTINGS | {"FOVEA_PROVIDER": provider}
    return replace(service(models, settings, "openvino"), name=plain.name, paths=plain.paths)


def template(file: Path, workers: int, *, endpoint: str, threads: int) -> System:
    """The FastAPI service that everybody writes."""
    command = f"-m uvicorn app:app --workers {workers} --port {{port}} --loop uvloop --http httptools --no-access-log"
    variables = {"ENDPOINT": endpoint, "THREADS": str(threads)}
    system = _peer("template", f"template, {workers} worker{'s' if workers > 1 else ''}", file, command, variables)
    return replace(system, paths=_PLAIN_PATHS)


def litserve(
    file: Path, *, workers: int, api_servers: int, batch: int, batch_seconds: float, fast_queue: bool
) -> System:
    variables = {
        "THREADS": "1",
        "WORKERS": str(workers),
        "API_SERVERS": str(api_servers),
        "BATCH": str(batch),
        "BATCH_SECONDS": str(batch_seconds),
        "FAST_QUEUE": str(int(fast_queue)),
    }
    system = _peer("litserve", "LitServe", file, f"{PEERS}/litserve/app.py {{port}}", variables)
    return replace(system, paths={"multipart": "/classify", "raw": "/classify"})


def bentoml(file: Path, *, workers: int, batch: int, batch_milliseconds: int) -> System:
    variables = {
        "THREADS": "1",
        "WORKERS": str(workers),
        "WORKER_THREADS": "1",
        "BATCH": str(batch),
        "BATCH_MILLISECONDS": str(batch_milliseconds),
        "BENTOML_DO_NOT_TRACK": "True",
    }
    command = f"-m bentoml serve app:Classify --port {{port}} --host 127.0.0.1 --working-dir {PEERS}/bentoml"
    return replace(_peer("bentoml", "BentoML", file, command, variables), paths=_PLAIN_PATHS, ready="/readyz")


def _peer(folder: str, name: str, file: Path, arguments: str, variables: dict[str, str]) -> System:
    python = peer_python(folder)
    paths = {"PYTHONPATH": f"{PEERS}:{PEERS / folder}", "MODEL": str(file)}
    return System(name, (str(python), *arguments.split(" ")), paths | variables, {})
