"""The images and the compose file: every hardening that docs/decisions/0002 and 0022 promise. Needs no engine.

`make smoke` proves on a real engine that they hold.
"""

import json
import logging
import re
import shlex
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from importlib.util import module_from_spec, spec_from_file_location
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from service.api.facts import Facts, Stages
from service.api.ledger import line
from service.connections.bounds import BODIES_BYTES
from service.inspector.desk import _NETWORKS_BYTES
from service.settings import MIB, Settings

ROOT = Path(__file__).parent.parent


def script(name: str) -> ModuleType:
    spec = spec_from_file_location(name, ROOT / "docker" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


DOCKERFILES = ("Dockerfile", "docker/training.Dockerfile")
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
OURS = ("fovea", "fovea-gpu")


def stages(path: str = "Dockerfile") -> list[list[tuple[str, str]]]:
    """A Dockerfile's stages, each as pairs of instruction and arguments, continuation lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / path).read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip()]
    instructions = [(name, arguments) for name, arguments in lines]
    starts = [i for i, (name, _) in enumerate(instructions) if name == "FROM"]
    return [instructions[start:end] for start, end in zip(starts, [*starts[1:], None], strict=True)]


def arguments(name: str, path: str = "Dockerfile") -> list[str]:
    """What the last stage says in every instruction `name`."""
    return [given for instruction, given in stages(path)[-1] if instruction == name]


def pairs(name: str, path: str = "Dockerfile") -> dict[str, str]:
    """ENV or LABEL of the last stage as a mapping."""
    return dict(pair.split("=", 1) for given in arguments(name, path) for pair in shlex.split(given))


# --- docker-compose.yml


HARDENED: dict[str, object] = {
    "read_only": True,
    "tmpfs": ["/tmp:size=256m,mode=1777,noexec,nosuid,nodev"],  # noqa: S108 - the container's own
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    "init": True,
    "ulimits": {"nofile": {"soft": 4096, "hard": 4096}},
    "logging": {
        "driver": "json-file",
        "options": {"max-size": "100m", "max-file": "10", "compress": "true"},  # at most a gigabyte of the disk
    },
}


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("key", HARDENED)
def test_every_container_is_confined(name: str, key: str) -> None:
    assert SERVICES[name][key] == HARDENED[key]


def kept_line() -> bytes:
    """A request's line as the engine keeps it: inside JSON of its own."""
    facts = Facts("0" * 32, "POST", "203.0.113.57", 0.0, 0.0021, "/v1/models/{model}/classify", 200, None, 335, 612)
    facts.model, facts.version, facts.provider = "mnist", 1, "cpu"
    facts.stages = Stages(0.0, 0.000201, 0.000402, 0.000703)
    said = {"log": line(facts, logging.INFO).decode(), "stream": "stderr", "time": "2026-11-28T01:34:46.123456789Z"}
    return json.dumps(said, separators=(",", ":")).encode()


def test_the_log_is_kept_for_as_long_as_is_said() -> None:
    options = SERVICES["fovea"]["logging"]["options"]
    requests = int(options["max-size"].removesuffix("m")) * 1e6 * int(options["max-file"]) / len(kept_line())
    most = 4343  # a second, with a line for each: docs/decisions/0020-access.md
    stated = f"{requests / 100 / 3600:.0f} hours at 100 requests a second, {requests / most / 60:.0f} minutes at the"
    assert stated in (ROOT / "docker-compose.yml").read_text().replace("\n  # ", " ")


def test_what_is_said_of_the_log_at_scale_is_what_a_line_has() -> None:
    page = (ROOT / "docs" / "scaling.md").read_text()
    size = len(json.loads(kept_line())["log"])
    assert f"{100_000 * size / 1e6:.0f} MB/s, {100_000 * size * 86400 / 1e12:.1f} TB a day" in page
    assert f"{1000 * size * 86400 / 1e9:.0f} GB a day" in page


@pytest.mark.parametrize("name", SERVICES)
def test_every_container_s_memory_and_processes_are_bounded_and_it_has_no_swap(name: str) -> None:
    assert SERVICES[name]["mem_limit"] == SERVICES[name]["memswap_limit"]
    assert SERVICES[name]["pids_limit"] <= 1024


def most_mib(cpus: int, workers: int) -> float:
    """What a container of the service can take at once, in MiB: the sum that stands beside its limits."""
    settings = Settings()
    decoder = 17 * settings.max_image_pixels / MIB
    assert decoder <= 420
    bodies = max(BODIES_BYTES, 2 * settings.max_body_bytes)
    inspector = settings.prefix_cache_bytes + _NETWORKS_BYTES
    python, temporary = 400, 256  # seen with the shipped models, with the inspector's; as `tmpfs` says
    return 420 * cpus + workers * ((bodies + inspector) / MIB + python) + temporary


def default_of(setting: object) -> str:
    """What the compose file takes where the environment names nothing else."""
    return re.sub(r"^\$\{\w+:-(.+)\}$", r"\1", str(setting))


@pytest.mark.parametrize(("name", "workers", "room_mib"), [("fovea", 2, 0), ("fovea", 1, 1500), ("fovea-gpu", 1, 4000)])
def test_the_memory_holds_the_most_that_its_cpus_can_take(name: str, workers: int, room_mib: int) -> None:
    cpus, memory = (default_of(SERVICES[name][key]) for key in ("cpus", "mem_limit"))
    assert most_mib(int(cpus), workers) + room_mib < int(memory.removesuffix("g")) * 1024


def test_a_cpu_more_wants_as_much_memory_as_is_said() -> None:
    more = most_mib(3, 3) - most_mib(2, 2)
    assert f"wants {more / 1024:.1f} GiB more" in (ROOT / "docker-compose.yml").read_text()


@pytest.mark.parametrize("name", SERVICES)
def test_no_container_is_root_s(name: str) -> None:
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*|\$\{TRAINER:-1000:1000\}", SERVICES[name]["user"])


@pytest.mark.parametrize("name", SERVICES)
@pytest.mark.parametrize("key", ["privileged", "cap_add", "network_mode", "pid", "ipc", "userns_mode", "devices"])
def test_no_container_opens_what_the_others_close(name: str, key: str) -> None:
    assert key not in SERVICES[name]


@pytest.mark.parametrize("name", SERVICES)
def test_every_port_is_of_this_machine_alone(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


def test_no_two_containers_want_the_same_port() -> None:
    ports = [port.split(":-")[1].split("}")[0] for one in SERVICES.values() for port in one.get("ports", [])]
    assert sorted(ports) == ["3000", "8000", "8001", "9090"]


@pytest.mark.parametrize("name", SERVICES)
def test_no_container_sees_the_engine_or_writes_to_a_folder_of_the_host(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        source, _, *mode = volume.split(":")
        own = re.fullmatch(r"[a-z]+", source) is not None  # a volume of the engine's
        assert own or mode == ["ro"] or (name, source) == ("training", "./models")


def test_only_the_service_starts_where_no_profile_is_asked_for() -> None:
    profiles = {name: one.get("profiles") for name, one in SERVICES.items()}
    assert profiles == {
        "fovea": None,
        "fovea-gpu": ["gpu"],
        "prometheus": ["monitoring"],
        "grafana": ["monitoring"],
        "training": ["training"],
    }


@pytest.mark.parametrize("name", ["prometheus", "grafana"])
def test_an_image_that_is_not_ours_is_pinned_by_tag_and_digest(name: str) -> None:
    assert re.fullmatch(r"[a-z]+/[a-z]+:v?\d+\.\d+\.\d+@sha256:[0-9a-f]{64}", SERVICES[name]["image"])


@pytest.mark.parametrize("name", OURS)
def test_a_stop_waits_longer_than_the_service_gives_itself(name: str) -> None:
    grace = int(SERVICES[name]["stop_grace_period"].removesuffix("s"))
    (own,) = re.findall(r"timeout_graceful_shutdown=(\d+)", (ROOT / "service" / "serving.py").read_text())
    assert grace > int(own) > Settings.model_fields["request_timeout_seconds"].default


@pytest.mark.parametrize("name", OURS)
def test_the_models_are_mounted_and_cannot_be_written(name: str) -> None:
    assert SERVICES[name]["volumes"] == ["./models:/fovea/models:ro"]


def test_the_gpu_s_service_differs_in_the_runtime_the_limits_the_port_and_the_device_only() -> None:
    cpu, gpu = (SERVICES[name] for name in OURS)
    limits = ("cpus", "mem_limit", "memswap_limit")
    changed = {key for key in cpu.keys() | gpu.keys() if cpu.get(key) != gpu.get(key)}
    assert changed == {"image", "build", "profiles", "environment", "ports", *limits, "deploy"}
    assert gpu["environment"] == {"FOVEA_PROVIDER": "cuda"}
    assert cpu["build"]["args"]["EXTRA"] == "cpu"
    assert cpu["build"] | {"args": cpu["build"]["args"] | {"EXTRA": "gpu"}} == gpu["build"]
    (device,) = gpu["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])


def test_prometheus_reads_the_files_that_lie_here_and_finds_the_services_by_their_names() -> None:
    mounted = [volume.split(":")[0] for volume in SERVICES["prometheus"]["volumes"] if volume.startswith(".")]
    assert all((ROOT / path).is_file() for path in mounted)
    (scrape,) = yaml.safe_load((ROOT / "docker" / "monitoring" / "prometheus.yml").read_text())["scrape_configs"]
    (found,) = scrape["dns_sd_configs"]
    assert found["names"] == list(OURS)
    assert {f":{found['port']}" in SERVICES[name]["ports"][0] for name in OURS} == {True}


def test_grafana_has_no_account_and_whoever_looks_may_change_nothing() -> None:
    given = SERVICES["grafana"]["environment"]
    assert given["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == given["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
    assert given["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"


def test_the_trainer_writes_where_the_service_reads() -> None:
    assert "./models:/fovea/models" in SERVICES["training"]["volumes"]
    assert json.loads(arguments("ENTRYPOINT", "docker/training.Dockerfile")[0]) == ["python", "-m", "training", "train"]


# --- Dockerfile


@pytest.mark.parametrize("path", DOCKERFILES)
def test_nothing_is_to_be_said_against_a_dockerfile(path: str) -> None:
    linter = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    if linter is None:
        pytest.skip("hadolint is not here: the development environment has it")
    ran = subprocess.run([linter, path], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    assert (ran.returncode, ran.stdout) == (0, "")


@pytest.mark.parametrize("path", DOCKERFILES)
def test_the_base_is_pinned_by_tag_and_digest_and_is_that_of_both_stages(path: str) -> None:
    text = (ROOT / path).read_text()
    (base,) = re.findall(r"^ARG BASE=(.+)$", text, re.MULTILINE)
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-bookworm@sha256:[0-9a-f]{64}", base)
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == ["${BASE}", "${BASE}"]
    assert base == re.findall(r"^ARG BASE=(.+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)[0]


@pytest.mark.parametrize("name", [*OURS, "training"])
def test_the_compose_file_builds_with_what_the_dockerfile_says_unless_the_environment_says_otherwise(name: str) -> None:
    built = SERVICES[name]["build"]
    stated = re.findall(r"^ARG (\w+)=(\S+)$", (ROOT / built.get("dockerfile", "Dockerfile")).read_text(), re.MULTILINE)
    own = {argument: default for argument, default in stated if argument != "EXTRA"}
    assert {argument: built["args"][argument] for argument in own} == {
        argument: f"${{{argument}:-{default}}}" for argument, default in own.items()
    }


@pytest.mark.parametrize("path", DOCKERFILES)
def test_nothing_is_installed_with_apt_or_fetched_by_a_shell(path: str) -> None:
    commands = [given for stage in stages(path) for name, given in stage if name == "RUN"]
    assert not [given for given in commands if re.search(r"\b(apt-get|curl|wget|gcc|bash|sh -c|eval)\b", given)]
    assert not [name for stage in stages(path) for name, _ in stage if name == "ADD"]


@pytest.mark.parametrize("path", DOCKERFILES)
def test_the_image_runs_as_a_numbered_user_who_is_not_root(path: str) -> None:
    assert arguments("USER", path) == ["10001:10001"]


@pytest.mark.parametrize("path", DOCKERFILES)
def test_the_running_stage_runs_no_command(path: str) -> None:
    assert arguments("RUN", path) == []


def test_the_image_holds_only_what_the_service_needs() -> None:
    assert {given.split()[-1] for given in arguments("COPY")} == {"./", "venv", "docker", "service", "models"}


def installs(path: str) -> list[str]:
    return [given for name, given in stages(path)[0] if name == "RUN" and " pip " in given]


@pytest.mark.parametrize("path", DOCKERFILES)
def test_packages_are_installed_by_hash_as_wheels_without_pip_s_leftovers(path: str) -> None:
    for option in ("--require-hashes", "--no-deps", "--only-binary :all:", "--no-cache-dir"):
        assert option in installs(path)[0]
    assert ("RUN", "python -m venv --without-pip venv") in stages(path)[0]


def test_torch_alone_is_installed_without_a_hash_and_is_the_one_that_make_installs() -> None:
    assert len(installs("Dockerfile")) == 1
    _, torch = installs("docker/training.Dockerfile")
    (pinned,) = re.findall(r"^TORCH := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert torch.split()[-1] == pinned
    assert (ROOT / "Makefile").read_text().count("requirements/install.sh .venv-dev dev $(TORCH)") == 1


def test_bytecode_is_compiled_where_the_root_can_still_be_written() -> None:
    compiled = [given for name, given in stages()[0] if name == "RUN" and "compileall" in given]
    assert [given.split(" compileall ")[1].split()[-1] for given in compiled] == ["venv/lib", "service"]


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
    stated = SERVICES["fovea"]["healthcheck"]
    assert ["CMD", *json.loads(command)] == stated["test"]
    for name in ("interval", "timeout", "start_period", "retries"):
        assert f"--{name.replace('_', '-')}={stated[name]}" in options.split()


@pytest.mark.parametrize("path", DOCKERFILES)
def test_the_image_states_the_project_s_version_and_licence(path: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    labels = pairs("LABEL", path)
    assert labels["org.opencontainers.image.version"] == project["version"]
    assert labels["org.opencontainers.image.licenses"] == project["license"]


@pytest.mark.parametrize("path", DOCKERFILES)
def test_the_image_states_the_commit_and_its_time_and_not_the_build_s(path: str) -> None:
    labels = pairs("LABEL", path)
    assert labels["org.opencontainers.image.revision"] == "${REVISION}"
    assert labels["org.opencontainers.image.created"] == "${CREATED}"
    assert labels["org.opencontainers.image.base.name"] == "${BASE}"
    assert "CREATED=$$(git show --no-patch --format=%cI)" in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("path", DOCKERFILES)
def test_the_engine_is_sent_only_what_the_image_copies(path: str) -> None:
    ignored = {"Dockerfile": ".dockerignore"}.get(path, f"{path}.dockerignore")
    lines = (ROOT / ignored).read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    assert patterns[0] == "*"
    sent = {pattern.removeprefix("!") for pattern in patterns if pattern.startswith("!")}
    copied = {given.rsplit(maxsplit=1)[0] for stage in stages(path) for name, given in stage if name == "COPY"}
    local = {source for given in copied if "--from" not in given for source in given.split()}
    any_runtime = "requirements/${EXTRA}.txt"
    locks = {any_runtime.replace("${EXTRA}", runtime) for runtime in ("cluster", "cpu", "gpu", "openvino")}
    assert sent == (local - {any_runtime}) | (locks if any_runtime in local else set())


# --- docker/health.py, docker/ask.py and docker/drain.py


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


@contextmanager
def stopping_once_told(*, loses: int) -> Iterator[tuple[int, threading.Event]]:
    """A server that is ready until the event is set, and answers every upload but the first `loses`."""
    told, lost = threading.Event(), iter(range(loses))

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(503 if told.is_set() else 200)
            self.end_headers()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            if next(lost, None) is None:
                self.send_response(200)
                self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing: the test's output is pytest's."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port, told
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("loses", "code"), [(0, 0), (2, 1)])
def test_a_drain_that_loses_a_request_is_found(loses: int, code: int) -> None:
    command = [sys.executable, str(ROOT / "docker" / "drain.py"), "127.0.0.1"]
    with stopping_once_told(loses=loses) as (port, told):
        with subprocess.Popen([*command, str(port)], stdout=subprocess.PIPE, text=True) as drain:  # noqa: S603
            assert drain.stdout is not None
            assert drain.stdout.readline() == "begun\n"
            told.set()
            said = drain.stdout.read()
        assert (drain.returncode, f"of 50 requests in flight, {50 - loses} were answered" in said) == (code, True)
