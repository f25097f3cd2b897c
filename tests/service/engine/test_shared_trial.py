"""Several processes that want to know of the same files try each once."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from service.engine import shared_trial
from service.engine.shared_trial import SharedTrial
from tests.service.api.conftest import until

FORK = multiprocessing.get_context("fork")
Found = list[tuple[Path, str | None]]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    files = [tmp_path / name for name in ("a", "b", "c")]
    for file in files:
        file.write_text(file.name)
    return files


class Trial:
    """Refuses `b`. Writes down what it tried, and waits before each file until `go` is there."""

    def __init__(self, folder: Path) -> None:
        self._tried, self.go = folder / "tried", folder / "go"

    def __call__(self, paths: Sequence[Path]) -> Iterator[tuple[Path, str | None]]:
        for path in paths:
            with self._tried.open("a") as written:
                written.write(f"{os.getpid()} {path.name}\n")
            until(self.go.exists)
            yield path, "it is b" if path.read_text() == "b" else None

    @property
    def tried(self) -> list[list[str]]:
        return [line.split() for line in self._tried.read_text().splitlines()] if self._tried.exists() else []


@pytest.fixture
def trial(tmp_path: Path) -> Trial:
    return Trial(tmp_path)


def in_processes(count: int, work: Callable[[], Found]) -> list[tuple[int, Connection]]:
    """Their ids, and where their results will come from."""

    def told(there: Connection) -> None:
        there.send(work())

    found = []
    for _ in range(count):
        here, there = FORK.Pipe(duplex=False)
        process = FORK.Process(target=told, args=[there], daemon=True)
        process.start()
        there.close()  # else a process that ends without a word would be waited for
        assert process.pid is not None
        found.append((process.pid, here))
    return found


def test_each_file_is_tried_once_for_all_processes(trial: Trial, files: list[Path]) -> None:
    shared = SharedTrial(trial)
    asking = in_processes(3, lambda: list(shared(files)))
    until(lambda: len(trial.tried) == 1)
    trial.go.touch()
    for _, result in asking:
        assert sorted(result.recv()) == [(files[0], None), (files[1], "it is b"), (files[2], None)]
    assert [name for _, name in trial.tried] == ["a", "b", "c"]


def test_who_dies_while_it_tries_is_followed_by_another(trial: Trial, files: list[Path]) -> None:
    shared = SharedTrial(trial)
    asking = dict(in_processes(2, lambda: list(shared(files))))
    until(lambda: len(trial.tried) == 1)
    first = int(trial.tried[0][0])
    os.kill(first, signal.SIGKILL)
    until(lambda: len(trial.tried) == 2)
    trial.go.touch()
    (other,) = asking.keys() - {first}
    assert len(asking[other].recv()) == 3
    assert [name for _, name in trial.tried] == ["a", "a", "b", "c"]


def test_a_file_that_changed_is_tried_again(trial: Trial, files: list[Path]) -> None:
    shared = SharedTrial(trial)
    trial.go.touch()
    assert dict(shared(files))[files[1]] == "it is b"
    files[1].write_text("no longer b")
    assert dict(shared(files))[files[1]] is None
    assert [name for _, name in trial.tried] == ["a", "b", "c", "b"]


def test_a_refusal_is_for_those_who_had_asked_by_then(trial: Trial, files: list[Path]) -> None:
    shared = SharedTrial(trial)
    trial.go.touch()
    for _ in range(2):
        assert dict(shared(files[:2])) == {files[0]: None, files[1]: "it is b"}
    assert [name for _, name in trial.tried] == ["a", "b", "b"]


def test_half_a_line_of_a_process_that_was_killed_is_no_matter(trial: Trial, files: list[Path]) -> None:
    shared = SharedTrial(trial)
    trial.go.touch()
    list(shared(files[:1]))
    os.pwrite(shared._file, b'[["half', os.fstat(shared._file).st_size)
    assert dict(shared(files)) == {files[0]: None, files[1]: "it is b", files[2]: None}
    assert [name for _, name in trial.tried] == ["a", "b", "c"]


def test_what_was_found_is_forgotten_after_a_while(
    trial: Trial, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = SharedTrial(trial)
    trial.go.touch()
    list(shared(files[:1]))
    list(shared(files[:1]))
    assert [name for _, name in trial.tried] == ["a"]
    monkeypatch.setattr(shared_trial, "KNOWN_SECONDS", 0.0)
    list(shared(files[:1]))
    assert [name for _, name in trial.tried] == ["a", "a"]


def test_what_is_remembered_does_not_grow_for_ever(
    trial: Trial, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_trial, "_MOST_BYTES", 500)
    shared = SharedTrial(trial)
    trial.go.touch()
    for number in range(20):
        files[0].write_text(number * "x")
        assert list(shared(files[:1])) == [(files[0], None)]
    assert os.fstat(shared._file).st_size < 1000
