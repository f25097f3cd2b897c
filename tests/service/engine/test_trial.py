import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from service.engine import trial
from service.engine.trial import EarlyTrial, verdicts
from tests import tiny_models
from tests.service.api.conftest import until

HOSTILE = Path(os.environ.get("FOVEA_DATA", "../shared/data")) / "hostile-models"


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_a_file_that_never_answers_is_stopped_and_the_next_one_is_tried(tmp_path: Path) -> None:
    good = written(tmp_path / "good.onnx", tiny_models.classifier().SerializeToString())
    slow = written(tmp_path / "slow.onnx", tiny_models.counting(2**62).SerializeToString())
    after = written(tmp_path / "after.onnx", tiny_models.classifier(seed=1).SerializeToString())
    found = dict(verdicts([good, slow, after], timeout_seconds=5.0))
    assert found[good] is None
    assert found[after] is None
    assert found[slow] == "smoke_test_failed: loading and one run took over 5 s"


def test_a_file_that_only_waits_is_given_up_by_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "_PATIENCE", 1)
    os.mkfifo(tmp_path / "silent.onnx")
    ((_, reason),) = verdicts([tmp_path / "silent.onnx"], timeout_seconds=10.0)
    assert reason == "smoke_test_failed: loading and one run took over 10 s"


def test_a_trial_gives_way_to_what_is_served(tmp_path: Path) -> None:
    """Its niceness is a field of its own in proc(5)."""
    os.mkfifo(tmp_path / "silent.onnx")
    early = EarlyTrial([tmp_path / "silent.onnx"])
    assert early._process is not None
    stat = Path(f"/proc/{early._process.pid}/stat")
    until(lambda: int(stat.read_text().rpartition(")")[2].split()[16]) == os.nice(0) + 10)
    early.within(0.0, verdicts)


def test_a_refused_file_has_its_code_and_remedy(tmp_path: Path) -> None:
    ((_, reason),) = verdicts([written(tmp_path / "bad.onnx", b"<html>")])
    assert reason is not None
    assert reason.startswith("model_corrupt: ")


def test_files_tried_ahead_are_tried_again_when_asked_again(tmp_path: Path) -> None:
    """A repository of one file asks for the same list when that file is replaced."""
    path = written(tmp_path / "own.onnx", tiny_models.classifier().SerializeToString())
    trial = EarlyTrial([path])
    assert list(trial([path])) == [(path, None)]
    assert list(trial([path])) == [(path, None)]


def test_a_file_that_changed_after_it_was_tried_ahead_is_tried_anew(tmp_path: Path) -> None:
    path = written(tmp_path / "own.onnx", tiny_models.classifier().SerializeToString())
    trial = EarlyTrial([path])
    assert list(verdicts([path])) == [(path, None)]  # meanwhile the one that was begun has its verdict too
    written(path, b"<html>")
    ((_, reason),) = trial([path])
    assert reason is not None
    assert reason.startswith("model_corrupt: ")


def test_what_was_found_before_a_fork_is_remembered_and_only_what_changed_is_tried_again(tmp_path: Path) -> None:
    good = written(tmp_path / "good.onnx", tiny_models.classifier().SerializeToString())
    bad = written(tmp_path / "bad.onnx", b"<html>")
    trial = EarlyTrial([good, bad]).within(60.0, verdicts)
    first = dict(trial([good, bad]))
    assert first[good] is None
    assert str(first[bad]).startswith("model_corrupt: ")
    written(bad, tiny_models.classifier(seed=1).SerializeToString())
    assert dict(trial([good, bad])) == {good: None, bad: None}


def test_what_was_refused_before_a_fork_is_tried_again_after_it(tmp_path: Path) -> None:
    """What it lacked may be there by then."""
    good = written(tmp_path / "good.onnx", tiny_models.classifier().SerializeToString())
    bad = written(tmp_path / "bad.onnx", b"<html>")
    asked: list[Path] = []

    def later(paths: Sequence[Path]) -> Iterator[tuple[Path, str | None]]:
        asked.extend(paths)
        yield from ((path, None) for path in paths)

    assert dict(EarlyTrial([good, bad]).within(60.0, later)([good, bad])) == {good: None, bad: None}
    assert asked == [bad]


def test_a_fork_does_not_wait_for_a_file_that_takes_long(tmp_path: Path) -> None:
    good = written(tmp_path / "good.onnx", tiny_models.classifier().SerializeToString())
    slow = written(tmp_path / "slow.onnx", tiny_models.counting(2**62).SerializeToString())
    trial = EarlyTrial([good, slow])
    found = trial.within(5.0, verdicts)([good])
    assert dict(found) == {good: None}


@pytest.mark.skipif(not HOSTILE.is_dir(), reason="needs hostile-models in FOVEA_DATA")
def test_a_file_that_needs_gigabytes_is_refused() -> None:
    ((_, reason),) = verdicts([HOSTILE / "bomb_constantofshape_4GB.onnx"])
    assert reason is not None
    assert reason.startswith("smoke_test_failed")
