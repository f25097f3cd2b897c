"""The image and the compose files: every hardening that docs/decisions/0002 promises. Needs no engine.

`make smoke` proves on a real engine that they hold.
"""

import json
import re
import shlex
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.util import module_from_spec, spec_from_file_location
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from service.settings import Settings

ROOT = Path(__file__).parent.parent


def script(name: str) -> ModuleType:
    spec = spec_from_file_location(name, ROOT / "docker" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compose(path: str) -> dict[str, Any]:
    service: dict[str, Any] = yaml.safe_load((ROOT / path).read_text())["services"]["fovea"]
    return service


def stages() -> list[list[tuple[str, str]]]:
    """The Dockerfile's stages, each as pairs of instruction and arguments, continuation lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    instructions = [(name, arguments) for name, arguments in lines]
    starts = [i for i, (name, _) in enumerate(instructions) if name == "FROM"]
    return [instructions[start:end] for start, end in zip(starts, [*starts[1:], None], strict=True)]


def arguments(name: str) -> list[str]:
    """What the last stage says in every instruction `name`."""
    return [given for instruction, given in stages()[-1] if instruction == name]


def pairs(name: str) -> dict[str, str]:
    """ENV or LABEL of the last stage as a mapping."""
    return dict(pair.split("=", 1) for given in arguments(name) for pair in shlex.split(given))


# --- docker-compose.yml


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("user", "10001:10001"),
        ("read_only", True),
        ("tmpfs", ["/tmp:size=256m,mode=1777,noexec,nosuid,nodev"]),  # noqa: S108 - the container's own
        ("cap_drop", ["ALL"]),
        ("security_opt", ["no-new-privileges:true"]),
        ("pids_limit", 256),
        ("mem_limit", "2g"),
        ("memswap_limit", "2g"),
        ("init", True),
        ("stop_signal", "SIGTERM"),
        ("restart", "unless-stopped"),
        ("ports", ["127.0.0.1:${PORT:-8000}:8000"]),
        ("volumes", ["./models:/fovea/models:ro"]),
    ],
)
def test_the_service_is_confined(key: str, value: object) -> None:
    assert compose("docker-compose.yml")[key] == value


@pytest.mark.parametrize("path", ["docker-compose.yml", "docker/gpu.yml"])
@pytest.mark.parametrize("key", ["privileged", "cap_add", "network_mode", "pid", "ipc", "userns_mode", "devices"])
def test_no_compose_file_opens_what_another_closes(path: str, key: str) -> None:
    assert key not in compose(path)


def test_a_stop_waits_longer_than_the_service_gives_itself() -> None:
    grace = int(compose("docker-compose.yml")["stop_grace_period"].removesuffix("s"))
    (own,) = re.findall(r"timeout_graceful_shutdown=(\d+)", (ROOT / "service" / "serving.py").read_text())
    assert grace > int(own) > Settings.model_fields["request_timeout_seconds"].default


def test_the_log_cannot_fill_the_disk() -> None:
    assert compose("docker-compose.yml")["logging"]["options"] == {"max-size": "10m", "max-file": "3"}


def test_the_gpu_file_changes_the_runtime_the_memory_and_the_device_only() -> None:
    gpu = compose("docker/gpu.yml")
    assert set(gpu) == {"image", "build", "environment", "mem_limit", "memswap_limit", "deploy"}
    assert gpu["environment"] == {"FOVEA_PROVIDER": "cuda"}
    assert gpu["build"] == {"args": {"EXTRA": "gpu"}}
    (device,) = gpu["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])


# --- Dockerfile


def test_the_image_runs_as_a_numbered_user_who_is_not_root() -> None:
    assert arguments("USER") == ["10001:10001"]


def test_the_running_stage_runs_no_command_and_copies_only_what_the_service_needs() -> None:
    assert arguments("RUN") == []
    assert {given.split()[-1] for given in arguments("COPY")} == {"./", "venv", "docker", "service", "models"}


def test_packages_are_installed_by_hash_as_wheels_without_pip_s_leftovers() -> None:
    (install,) = [given for name, given in stages()[0] if name == "RUN" and " pip " in given]
    for option in ("--require-hashes", "--no-deps", "--only-binary :all:", "--no-cache-dir", "--no-compile"):
        assert option in install
    assert ("RUN", "python -m venv --without-pip venv") in stages()[0]


def test_bytecode_is_compiled_where_the_root_can_still_be_written() -> None:
    compiled = [given for name, given in stages()[0] if name == "RUN" and "compileall" in given]
    assert [given.split(" compileall ")[1].split("&&")[0].split()[-1] for given in compiled] == ["venv/lib", "service"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PYTHONUNBUFFERED", "1"),
        ("PYTHONDONTWRITEBYTECODE", "1"),
        ("MALLOC_ARENA_MAX", "2"),
        ("FOVEA_HOST", "0.0.0.0"),  # noqa: S104 - inside the container; compose publishes it to this machine only
        ("FOVEA_PORT", "8000"),
    ],
)
def test_the_image_sets_the_environment(name: str, value: str) -> None:
    assert pairs("ENV")[name] == value


def test_signals_reach_the_service_and_not_a_shell() -> None:
    assert json.loads(arguments("CMD")[0]) == ["python", "-m", "service", "serve"]
    assert arguments("STOPSIGNAL") == ["SIGTERM"]
    assert arguments("ENTRYPOINT") == []


def test_both_files_check_health_in_the_same_way() -> None:
    options, command = arguments("HEALTHCHECK")[0].split(" CMD ")
    stated = compose("docker-compose.yml")["healthcheck"]
    assert ["CMD", *json.loads(command)] == stated["test"]
    for name in ("interval", "timeout", "start_period", "retries"):
        assert f"--{name.replace('_', '-')}={stated[name]}" in options.split()


def test_the_image_states_the_project_s_version_and_licence() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert pairs("LABEL")["org.opencontainers.image.version"] == project["version"]
    assert pairs("LABEL")["org.opencontainers.image.licenses"] == project["license"]


def test_the_engine_is_sent_only_what_the_image_copies() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    assert patterns[0] == "*"
    sent = {pattern.removeprefix("!") for pattern in patterns if pattern.startswith("!")}
    copied = {given.rsplit(maxsplit=1)[0] for stage in stages() for name, given in stage if name == "COPY"}
    local = {path for given in copied if "--from" not in given for path in given.split()}
    locks = {f"requirements/{runtime}.txt" for runtime in ("cpu", "gpu", "openvino")}
    assert sent == (local - {"requirements/${EXTRA}.txt"}) | locks


# --- docker/health.py and docker/ask.py


@contextmanager
def answering(status: int) -> Iterator[int]:
    """A server on a free port that answers every GET with `status`."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing: the test's output is pytest's."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


def test_a_ready_service_is_healthy() -> None:
    with answering(200) as port:
        assert script("health").unready(port) is None


def test_a_service_that_is_not_ready_is_unhealthy_with_its_status() -> None:
    with answering(503) as port:
        assert script("health").unready(port) == "/health/ready answered 503"


def test_a_service_that_does_not_answer_is_unhealthy_with_the_reason() -> None:
    with answering(200) as port:
        pass
    assert "refused" in str(script("health").unready(port))


def test_the_smoke_test_s_own_image_is_a_sound_picture_of_a_one() -> None:
    with Image.open(BytesIO(script("ask").drawn_one())) as image:
        pixels = np.asarray(image)
    assert pixels.shape == (28, 28)
    assert pixels.dtype == np.uint8
    assert np.flatnonzero(pixels.any(axis=0)).tolist() == [11, 12, 13, 14, 15, 16]
    assert np.flatnonzero(pixels.any(axis=1)).tolist() == list(range(2, 26))
