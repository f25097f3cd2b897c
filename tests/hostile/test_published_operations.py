"""What schemathesis makes of the published interface: requests good and bad for every operation, in a short form."""

import re
import subprocess
import sys
from pathlib import Path

from service.settings import Settings
from tests.service.api.conftest import ready

CONFIG = Path(__file__).parent / "schemathesis.toml"
MODELS = Path(__file__).parents[2] / "models"
METHODS = {"get", "put", "post", "delete", "head", "patch", "options"}


def test_every_operation_answers_only_what_is_published(tmp_path: Path) -> None:
    with ready(Settings(models=MODELS, provider="cpu", request_timeout_seconds=600)) as client:
        paths = client.get("/openapi.json").json()["paths"]
        operations = sum(len(METHODS & path.keys()) for path in paths.values())
        address = str(client.base_url).rstrip("/")
        command = [str(Path(sys.executable).parent / "st"), "--config-file", str(CONFIG), "run", "--max-examples", "2"]
        done = subprocess.run(  # noqa: S603 - our own command; it leaves notes where it runs
            [*command, f"{address}/openapi.json"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    assert re.search(rf"Tested: *{operations}\b", done.stdout), done.stdout[-2_000:]
