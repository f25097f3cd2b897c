"""What the service says where it cannot start as told: one line that names the setting, or not ready with the reason.

Through the command line that an operator types, each time a process of its own.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import tiny_models
from tests.service.api.conftest import put, until

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "FOVEA_PROVIDER": "cpu", "PYTHONPATH": str(ROOT)}
# Root may read everything, unless it gives that up.
OBEYING = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.getuid() == 0 else []
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root may give a process a user or a /tmp of its own")


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "service", "serve", *options]


def refused(*options: str, before: Sequence[str] = (), **settings: str) -> tuple[int, str]:
    """The exit code and what it said. One that does not end by itself fails the test when its time is over."""
    started = [*before, *command("--port", "0", *options)]
    environment = ENVIRONMENT | settings
    ended = subprocess.run(started, env=environment, capture_output=True, text=True, timeout=300, check=False)  # noqa: S603
    assert "Traceback" not in ended.stderr, ended.stderr
    return ended.returncode, ended.stderr


@contextmanager
def serving(*options: str, before: Sequence[str] = (), **settings: str) -> Iterator[httpx.Client]:
    """A client of a service that has looked at its repository."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    started = [*before, *command("--port", str(port), *options)]
    environment = ENVIRONMENT | {"FOVEA_WORKERS": "1"} | settings
    with (
        subprocess.Popen(started, env=environment, stderr=subprocess.PIPE) as process,  # noqa: S603
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
    ):
        try:
            until(lambda: process.poll() is not None or _reasons(client) not in (None, ["models are loading"]))
            assert process.poll() is None, process.communicate()[1].decode()
            yield client
        finally:
            process.terminate()
            _, log = process.communicate(timeout=60)
    assert b"Traceback" not in log, log.decode()


def _reasons(client: httpx.Client) -> Any:
    try:
        return client.get("/health/ready").json()["reasons"]
    except httpx.TransportError:
        return None


def why_not_ready(client: httpx.Client) -> str:
    answer = client.get("/health/ready")
    assert answer.status_code == 503
    (reason,) = answer.json()["reasons"]
    assert client.get("/health/live").status_code == 200
    return str(reason)


# --- it ends, with one line that names the setting


def test_a_port_that_is_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, said = refused("--port", str(port))
    assert code == 1
    assert f"port_unavailable: 127.0.0.1:{port} cannot be listened on: Address already in use; choose another" in said
    assert "FOVEA_PORT" in said.splitlines()[-1]


def test_an_address_that_is_none_of_this_machine() -> None:
    code, said = refused("--host", "192.0.2.1")  # RFC 5737: nobody's
    assert code == 1
    assert said.splitlines()[-1].startswith("port_unavailable: 192.0.2.1:0 cannot be listened on: Cannot assign")
    assert "FOVEA_HOST" in said.splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FOVEA_PORT", "http"),
        ("FOVEA_PORT", "tcp://10.0.0.1:80"),  # what Kubernetes sets for a Service named fovea
        ("FOVEA_WORKERS", "0"),
        ("FOVEA_PROVIDER", "gpu"),
        ("FOVEA_LIVE_SHARE", "2"),
        ("FOVEA_REQUEST_TIMEOUT_SECONDS", "soon"),
        ("FOVEA_CLIENT_TIMEOUT_SECONDS", "inf"),
        ("FOVEA_ROOT_PATH", "no-slash"),
        ("FOVEA_LOG_LEVEL", "loud"),
    ],
)
def test_a_setting_that_cannot_be_used(name: str, value: str) -> None:
    environment = {**os.environ, name: value}
    ended = subprocess.run(command(), env=environment, capture_output=True, text=True, timeout=300, check=False)  # noqa: S603
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"{name}={value!r} cannot be used: ")
    assert ended.stderr.count("\n") == 1


def test_a_token_that_cannot_be_used_is_not_shown() -> None:
    code, said = refused(FOVEA_MANAGEMENT_TOKENS="hunter2")
    assert code == 2
    assert said.startswith("FOVEA_MANAGEMENT_TOKENS=(hidden) cannot be used: ")
    assert "hunter2" not in said


# --- it answers, is not ready and says why


def test_a_repository_that_is_not_there(tmp_path: Path) -> None:
    with serving("--models", str(tmp_path / "none")) as client:
        assert why_not_ready(client) == f"the repository {tmp_path / 'none'} (FOVEA_MODELS) is no folder"


def test_a_repository_that_is_empty_until_there_is_a_model(tmp_path: Path) -> None:
    with serving("--models", str(tmp_path), FOVEA_POLL_SECONDS="0.05") as client:
        assert why_not_ready(client) == f"the repository {tmp_path} (FOVEA_MODELS) holds no model file yet"
        put(tmp_path, "late", tiny_models.classifier())
        until(lambda: "late" in client.get("/v1/models").text)
        until(lambda: "FOVEA_MODELS" not in client.get("/health/ready").text)


def test_a_repository_that_may_not_be_read(tmp_path: Path) -> None:
    tmp_path.chmod(0)
    with serving("--models", str(tmp_path), before=OBEYING) as client:
        assert why_not_ready(client) == f"the repository {tmp_path} (FOVEA_MODELS) cannot be read: Permission denied"


def test_a_gpu_that_is_not_there(tmp_path: Path) -> None:
    put(tmp_path, "tiny", tiny_models.classifier())
    with serving("--models", str(tmp_path), FOVEA_PROVIDER="cuda", CUDA_VISIBLE_DEVICES="") as client:
        assert why_not_ready(client).startswith("FOVEA_PROVIDER=cuda cannot be used: ")


# --- /tmp, which only several workers need

READ_ONLY = "mount -t tmpfs -o ro tmpfs $at"
FULL = "mount -t tmpfs -o size=4k tmpfs $at; dd if=/dev/zero of=$at/full bs=4k count=1 status=none"


@pytest.fixture(params=[READ_ONLY, FULL], ids=["read only", "full"])
def without_tmp(request: pytest.FixtureRequest) -> list[str]:
    """Runs what follows with such a /tmp, also as the working folder, where Python looks last; skips where barred."""
    mounts = f'set -e; for at in /tmp /var/tmp; do {request.param}; done; cd /tmp; exec "$@"'
    shell = ["unshare", "--mount", "sh", "-c", mounts, "sh"]
    if subprocess.run([*shell, "true"], capture_output=True, check=False).returncode != 0:  # noqa: S603
        pytest.skip("this machine lets nobody mount")
    return shell


@as_root
def test_a_tmp_that_cannot_be_written_is_no_matter_to_one_worker(without_tmp: list[str]) -> None:
    with serving("--models", str(ROOT / "models"), before=without_tmp) as client:
        assert client.get("/health/ready").status_code == 200
        picture = {"file": (ROOT / "docs" / "samples" / "seven.png").read_bytes()}
        assert client.post("/v1/models/mnist/classify", files=picture).status_code == 200


@as_root
def test_a_tmp_that_cannot_be_written_ends_several_workers(without_tmp: list[str]) -> None:
    code, said = refused("--models", str(ROOT / "models"), before=without_tmp, FOVEA_WORKERS="2")
    assert code == 1
    assert said.splitlines()[-1].startswith("no_temporary_folder: no temporary folder can be written: ")
    assert "TMPDIR" in said.splitlines()[-1]
