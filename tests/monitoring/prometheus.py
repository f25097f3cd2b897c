"""A real Prometheus on a free port, and what it answers."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.service.api.conftest import until

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "docker" / "monitoring"
_UNPACKED = Path(__file__).parent / "debian" / "usr" / "bin"


def program(name: str) -> str:
    """The path of prometheus or promtool; skips where there is none."""
    found = shutil.which(name) or shutil.which(name, path=str(_UNPACKED))
    if found is None:
        pytest.skip(f"{name} is not here: tests/monitoring/install.sh fetches it from Debian")
    return found


def configuration(target: str) -> dict[str, Any]:
    """As it ships, but of a service at another address and looked at more often."""
    read: dict[str, Any] = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
    (scrape,) = read["scrape_configs"]
    read["global"] = {"scrape_interval": "500ms", "evaluation_interval": "500ms"}
    read["rule_files"] = [str(MONITORING / "alerts.yml")]
    read["scrape_configs"] = [{"job_name": scrape["job_name"], "static_configs": [{"targets": [target]}]}]
    return read


@contextmanager
def watching(target: str, folder: Path) -> Iterator[httpx.Client]:
    """A client of a Prometheus that scrapes `target`; what it stores lies in `folder`."""
    binary = program("prometheus")
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration(target)))
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [
        binary,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--log.level=error",
    ]
    with subprocess.Popen(command) as process, httpx.Client(base_url=f"http://{address}", timeout=60) as client:  # noqa: S603
        try:
            until(lambda: process.poll() is not None or _is_ready(client))
            assert process.poll() is None, "Prometheus ended"
            yield client
        finally:
            process.terminate()


def _is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/-/ready").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def values(client: httpx.Client, query: str) -> list[float]:
    """One value for each series that the query gives now; raises AssertionError where it cannot be evaluated."""
    answer = client.get("/api/v1/query", params={"query": query}).json()
    assert answer["status"] == "success", f"{query}: {answer['error']}"
    return [float(series["value"][1]) for series in answer["data"]["result"]]
