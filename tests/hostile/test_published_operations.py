"""What schemathesis makes of the published interface: requests good and bad for every operation, in a short form."""

import re
import subprocess
import sys
from pathlib import Path

import httpx

CONFIG = Path(__file__).parent / "schemathesis.toml"
METHODS = {"get", "put", "post", "delete", "head", "patch", "options"}


def test_every_operation_answers_only_what_is_published(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    operations = sum(len(METHODS & path.keys()) for path in paths.values())
    address = str(client.base_url).rstrip("/")
    command = [str(Path(sys.executable).parent / "st"), "--config-file", str(CONFIG), "run", "--max-examples", "2"]
    done = subprocess.run([*command, f"{address}/openapi.json"], capture_output=True, text=True, check=False)  # noqa: S603
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    assert re.search(rf"Tested: *{operations}\b", done.stdout), done.stdout[-2_000:]
