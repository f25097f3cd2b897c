"""A scratch folder that looks like a checkout, in which a page's commands run, and the service that they ask."""

import os
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copytree

import httpx

from tests.docs.markdown import Command

ROOT = Path(__file__).parents[2]
ADDRESS = "127.0.0.1:8000"

# What makes a page's answers those of any machine: one CPU worker, and no answer too late on a busy machine.
_EVERYWHERE = {"FOVEA_PROVIDER": "cpu", "FOVEA_WORKERS": "1", "FOVEA_REQUEST_TIMEOUT_SECONDS": "600"}
_CURL = "silent\nfail-with-body\n"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@dataclass
class Workbench:
    """`serve` and `run` give what a person would see; `close` ends the service."""

    folder: Path
    port: int = field(default_factory=_free_port)
    service: "subprocess.Popen[bytes] | None" = None

    def __post_init__(self) -> None:
        for name in ("service", "training", "requirements"):
            (self.folder / name).symlink_to(ROOT / name)
        copytree(ROOT / "models", self.folder / "models")
        copytree(ROOT / "docs" / "samples", self.folder / "docs" / "samples")
        for name in (".venv", ".venv-dev"):
            (self.folder / name).symlink_to(sys.prefix)
        (self.folder / ".curlrc").write_text(_CURL)

    def run(self, command: Command) -> tuple[int, str]:
        """The exit code, and standard output and error as a terminal mixes them."""
        settings = served(command)
        if settings is not None:
            return 0, self.serve(settings)
        shell = ["bash", "-euo", "pipefail", "-c", self._here(command.run)]
        python = [".venv-dev/bin/python", "-c", self._here(command.run)]
        done = subprocess.run(  # noqa: S603 - the pages are ours
            shell if command.language == "sh" else python,
            cwd=self.folder,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        return done.returncode, self._printed(done.stdout.decode(errors="replace"))

    def serve(self, settings: list[str]) -> str:
        """Its log until it is ready; a service that the page started before ends."""
        self.close()
        log = self.folder / "service.log"
        environment = self._environment() | _EVERYWHERE | dict(setting.split("=", 1) for setting in settings)
        with log.open("wb") as written:
            self.service = subprocess.Popen(  # noqa: S603 - our own service
                [sys.executable, "-m", "service", "serve", "--port", str(self.port)],
                cwd=self.folder,
                env=environment,
                stdout=written,
                stderr=subprocess.STDOUT,
            )
        while not self._ready():
            if self.service.poll() is not None:
                raise AssertionError(f"the service ended:\n{log.read_text()}")
            time.sleep(0.1)
        return self._printed(log.read_text())

    def close(self) -> None:
        if self.service is not None:
            self.service.terminate()
            self.service.wait()

    def _ready(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/health/ready").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def _environment(self) -> dict[str, str]:
        return {**os.environ, "CURL_HOME": str(self.folder), "HOME": str(self.folder), "COLUMNS": "120"}

    def _here(self, code: str) -> str:
        return code.replace(ADDRESS, f"127.0.0.1:{self.port}")

    def _printed(self, output: str) -> str:
        return output.replace(f"127.0.0.1:{self.port}", ADDRESS).replace(f"{self.folder}/", "")


def served(command: Command) -> list[str] | None:
    """The settings of a block that starts the service, as in `FOVEA_LIVE_SHARE=1 make serve`; None for any other."""
    words = command.run.split()
    return words[:-2] if command.language == "sh" and words[-2:] == ["make", "serve"] else None
