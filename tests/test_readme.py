"""The README is true: it names everything there is, and its example gives the answer it prints."""

import json
import re
import shlex
from pathlib import Path

import httpx
import pytest

from service.app import create_app
from service.settings import Settings
from tests.service.api.conftest import ready

README = Path("README.md").read_text()


def test_every_route_is_named() -> None:
    for path, operations in create_app(Settings()).openapi()["paths"].items():
        short = path.replace("/versions/{version}", "")
        for method in operations:
            assert f"{method.upper()} {short}" in README


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_setting_is_named_with_its_default(name: str) -> None:
    (row,) = [line for line in README.splitlines() if line.startswith(f"| `FOVEA_{name.upper()}`")]
    default = Settings.model_fields[name].default
    stated = row.split("|")[2].strip().strip("`").replace(",", "")
    if "MiB" in stated:
        assert int(stated.removesuffix(" MiB")) * 2**20 == default
    elif default not in (None, ""):
        assert stated == (f"{default:g}" if isinstance(default, float) else str(default).lower())


def test_the_first_example_gives_the_answer_that_is_printed() -> None:
    command = next(line for line in README.splitlines() if line.startswith("curl -F"))
    printed = json.loads(README.split("```json\n")[1].split("```")[0])
    _, _, upload, url = shlex.split(command)
    path = Path(upload.removeprefix("file=@"))
    with ready(Settings(provider="cpu")) as client:
        files = {"file": (path.name, path.read_bytes())}
        answer = client.post(httpx.URL(url).raw_path.decode(), files=files).json()
    found, expected = (one["results"][0].pop("predictions") for one in (answer, printed))
    assert answer == printed
    assert [p["label"] for p in found] == [p["label"] for p in expected]
    for key in ("probability", "logit"):
        assert [p[key] for p in found] == pytest.approx([p[key] for p in expected], abs=1e-4)


def test_every_command_of_the_makefile_that_it_shows_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", Path("Makefile").read_text(), re.MULTILINE))
    shown = set(re.findall(r"\bmake ([a-z]+)", README))
    assert shown <= targets
    assert {"serve", "test", "train"} <= shown
