"""Rows R18 to R21: the repository on disk while the service runs. What is there is told apart from what can be served.

Each state is made in a folder that a real service follows; its sound model answers before, meanwhile and afterwards.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import httpx
import pytest

from service.app import create_app
from service.settings import Settings
from tests import tiny_models
from tests.hostile.conftest import PICTURE, code_of
from tests.hostile.rows import row
from tests.service.api.conftest import named, served, until

PATH = "/v1/models/tiny/classify"
MANY = 60  # of 500 that `benchmarks.many_models` measures


def network(seed: int = 0) -> bytes:
    return named(
        tiny_models.classifier(layout="NHWC", dtype=tiny_models.UINT8, channels=1, seed=seed)
    ).SerializeToString()


SOUND = network()


def place(folder: Path, name: str, version: int, data: bytes) -> Path:
    path = folder / name / str(version) / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def untried(paths: Sequence[Path]) -> Iterator[tuple[Path, str | None]]:
    """Judges in this process: half a second less for each file, and a socket or a pipe would hang here."""
    return ((path, None) for path in paths)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    place(folder, "tiny", 1, SOUND)
    return folder


@pytest.fixture
def running(folder: Path) -> Iterator[httpx.Client]:
    settings = Settings(models=folder, provider="cpu", poll_seconds=0.05)
    with served(create_app(settings, untried)) as running:
        until(lambda: running.get("/health/ready").status_code == httpx.codes.OK)
        yield running
        assert running.post(PATH, content=PICTURE).status_code == httpx.codes.OK


def states(running: httpx.Client, name: str) -> dict[int, tuple[str, str]]:
    answer = running.get(f"/v1/models/{name}")
    versions = answer.json()["versions"] if answer.status_code == httpx.codes.OK else []
    return {one["version"]: (one["state"], one["reason"] or "") for one in versions}


def ignored(running: httpx.Client) -> dict[str, str]:
    return {one["file"]: one["reason"] for one in running.get("/v1/models").json()["ignored"]}


def looked(running: httpx.Client, folder: Path) -> None:
    """Returns once the folder was looked at twice more: a file that counts then is the sign."""
    name = f"sign-{len(list(folder.iterdir()))}"
    place(folder, name, 1, SOUND)
    until(lambda: states(running, name).get(1, ("", ""))[0] == "ready")


@pytest.mark.parametrize("steps", [row("R18", "a file that grows", 40)])
def test_a_file_that_is_still_being_written_is_not_judged(running: httpx.Client, folder: Path, steps: int) -> None:
    """As `cp` does it, slowly: the old version answers, and what is judged at last is the whole file."""
    path = folder / "tiny" / "2" / "model.onnx"
    path.parent.mkdir()
    whole, seen = network(2), set()
    size = -(-len(whole) // steps)
    with path.open("wb") as growing:
        for start in range(0, len(whole), size):
            growing.write(whole[start : start + size])
            growing.flush()
            answer = running.post(PATH, content=PICTURE)
            assert answer.status_code == httpx.codes.OK
            seen.add(answer.json()["version"])
    until(lambda: states(running, "tiny").get(2) == ("ready", ""))
    assert seen == {1}


@pytest.mark.parametrize("turns", [row("R18", "rewritten in place", 30)])
def test_a_file_rewritten_in_place_again_and_again_is_served_whole_or_not_at_all(
    running: httpx.Client, folder: Path, turns: int
) -> None:
    """Two sound networks overwrite each other while requests run: the answers are those of one or of the other."""
    path = folder / "tiny" / "1" / "model.onnx"
    answers = set()
    for turn in range(turns):
        path.write_bytes(network(turn % 2))
        answer = running.post(PATH, content=PICTURE)
        assert answer.status_code == httpx.codes.OK
        answers.add(answer.json()["results"][0]["predictions"][0]["logit"])
    assert 1 <= len(answers) <= 2


def link_inside(folder: Path, path: Path) -> None:
    path.symlink_to(folder / "tiny" / "1" / "model.onnx")


def link_outside(folder: Path, path: Path) -> None:
    outside = folder.parent / "outside.onnx"
    outside.write_bytes(SOUND)
    path.symlink_to(outside)


def link_to_itself(_folder: Path, path: Path) -> None:
    path.symlink_to(path)


def linked_folder(folder: Path, path: Path) -> None:
    outside = folder.parent / "elsewhere"
    outside.mkdir()
    (outside / "model.onnx").write_bytes(SOUND)
    path.parent.rmdir()
    path.parent.symlink_to(outside)


def device(_folder: Path, path: Path) -> None:
    path.symlink_to("/dev/full")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        row("R18", "a link that leaves the folder", link_outside, "a link leads out of the folder"),
        row("R18", "a folder that is such a link", linked_folder, "a link leads out of the folder"),
        row("R18", "a link to itself", link_to_itself, "it is not a file, or a link that leads to none"),
        row("R18", "a device", device, "it is not a file, or a link that leads to none"),
        row("R18", "a pipe", lambda _folder, path: os.mkfifo(path), "it is not a file, or a link that leads to none"),
        row("R18", "a folder", lambda _folder, path: path.mkdir(), "it is not a file, or a link that leads to none"),
    ],
)
def test_what_is_no_file_of_the_repository_is_ignored_with_its_reason(
    running: httpx.Client, folder: Path, make: Callable[[Path, Path], None], reason: str
) -> None:
    path = folder / "other" / "1" / "model.onnx"
    path.parent.mkdir(parents=True)
    make(folder, path)
    looked(running, folder)
    assert ignored(running)["model.onnx"] == reason
    assert code_of(running.post("/v1/models/other/classify", content=PICTURE)) == (404, "model_unknown")


@pytest.mark.parametrize("make", [row("R18", "a link inside of the folder", link_inside)])
def test_a_link_inside_of_the_folder_is_a_model(
    running: httpx.Client, folder: Path, make: Callable[[Path, Path], None]
) -> None:
    path = folder / "other" / "1" / "model.onnx"
    path.parent.mkdir(parents=True)
    make(folder, path)
    until(lambda: states(running, "other").get(1) == ("ready", ""))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("mode", [row("R18", "unreadable", 0o000)])
def test_a_file_that_may_not_be_read_is_refused_and_the_others_answer(
    running: httpx.Client, folder: Path, mode: int
) -> None:
    place(folder, "secret", 1, SOUND).chmod(mode)
    until(lambda: states(running, "secret").get(1, ("", ""))[0] == "unavailable")
    assert "cannot be read" in states(running, "secret")[1][1]


@pytest.mark.parametrize("replaced", [row("R18", "a link in place of a loaded file", link_outside)])
def test_a_loaded_file_replaced_by_a_link_outside_is_gone(
    running: httpx.Client, folder: Path, replaced: Callable[[Path, Path], None]
) -> None:
    path = place(folder, "other", 1, network(3))
    until(lambda: states(running, "other").get(1) == ("ready", ""))
    path.unlink()
    replaced(folder, path)
    until(lambda: not states(running, "other"))
    assert ignored(running)["model.onnx"] == "a link leads out of the folder"


@pytest.mark.parametrize("turns", [row("R19", "removed while in use", 5)])
def test_a_version_removed_while_it_is_used_finishes_what_it_began(
    running: httpx.Client, folder: Path, turns: int
) -> None:
    statuses: list[int] = []
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=running.base_url, timeout=60) as other:
            while not stop.is_set():
                statuses.append(other.post(PATH, content=PICTURE).status_code)

    asking = threading.Thread(target=ask)
    asking.start()
    for turn in range(turns):
        path = place(folder, "tiny", 2, network(turn + 5))
        until(lambda: states(running, "tiny").get(2) == ("ready", ""))
        path.unlink()
        until(lambda: 2 not in states(running, "tiny"))
    stop.set()
    asking.join()
    assert set(statuses) == {200}


@pytest.mark.parametrize("count", [row("R19", "all bad", 3)])
def test_a_model_whose_versions_are_all_bad_is_unavailable_and_the_others_answer(
    running: httpx.Client, folder: Path, count: int
) -> None:
    for version in range(1, count + 1):
        place(folder, "bad", version, b"hello world")
    until(lambda: [state for state, _ in states(running, "bad").values()] == ["unavailable"] * count)
    answer = running.post("/v1/models/bad/classify", content=PICTURE)
    assert code_of(answer) == (503, "model_unavailable")
    assert "model_corrupt" in answer.json()["detail"]


@pytest.mark.parametrize("name", [row("R19", "twice by case", "TINY")])
def test_names_that_differ_by_case_are_two_models(running: httpx.Client, folder: Path, name: str) -> None:
    """On a file system that tells them apart; elsewhere there is one folder, and one model."""
    place(folder, name, 1, network(9))
    until(lambda: states(running, name).get(1) == ("ready", ""))
    answers = [running.post(f"/v1/models/{one}/classify", content=PICTURE).json() for one in ("tiny", name)]
    assert [answer["model"] for answer in answers] == ["tiny", name]
    assert answers[0]["results"] != answers[1]["results"]


@pytest.mark.parametrize("count", [row("R20", f"{MANY} models", MANY)])
def test_many_models_all_answer(running: httpx.Client, folder: Path, count: int) -> None:
    for number in range(count):
        place(folder, f"m{number}", 1, SOUND)
    until(lambda: len(running.get("/v1/models").json()["models"]) == count + 1)
    until(lambda: all(one["state"] == "ready" for one in running.get("/v1/models").json()["models"]))
    assert {running.post(f"/v1/models/m{n}/classify", content=PICTURE).status_code for n in range(count)} == {200}


@pytest.mark.parametrize(
    "name",
    [row("R21", name, name) for name in ("model.pt", "model.pth", "weights.pkl", "model.safetensors", "model.h5")],
)
def test_what_is_no_onnx_is_never_opened(running: httpx.Client, folder: Path, name: str) -> None:
    """A pickle is a program. This one would leave a mark."""
    mark = folder.parent / "pickle-ran"
    program = f"cposix\nsystem\n(S'touch {mark}'\ntR.".encode()
    for place_ in (folder / name, folder / "tiny" / name, folder / "tiny" / "2" / name):
        place_.parent.mkdir(exist_ok=True)
        place_.write_bytes(program)
    looked(running, folder)
    assert states(running, "tiny") == {1: ("ready", "")}
    assert not mark.exists()


@pytest.mark.parametrize("data", [row("R21", "a pickle called model.onnx", b"cposix\nsystem\n(S'touch {mark}'\ntR.")])
def test_a_pickle_called_onnx_is_a_corrupt_model(running: httpx.Client, folder: Path, data: bytes) -> None:
    mark = folder.parent / "pickle-ran"
    place(folder, "other", 1, data.replace(b"{mark}", str(mark).encode()))
    until(lambda: states(running, "other").get(1, ("", ""))[0] == "unavailable")
    assert states(running, "other")[1][1].startswith("model_corrupt")
    assert not mark.exists()
