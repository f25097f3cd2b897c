"""A job on Ray Data: stopped in the middle and gone on with, its rows are those of one process."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import tiny_models
from tests.service.api.conftest import named, pixels, png, put

pytest.importorskip("ray", reason="Ray is not installed: the extra `cluster` has it")
pytest.importorskip("pandas", reason="pandas, which Ray Data needs, is not installed: the extra `cluster` has it")

import pyarrow.parquet as pq

PART, PARTS = 4, 3


def rows(folder: Path) -> list[dict[str, Any]]:
    return [row for part in sorted(folder.glob("part-*.parquet")) for row in pq.read_table(part).to_pylist()]


def command(folder: Path, answers: str, *options: str) -> "subprocess.Popen[str]":
    """A cluster for this job alone, whichever else there is on this machine."""
    questions = ["--model", "grey", "--models", str(folder / "models"), "--part", str(PART), *options]
    return subprocess.Popen(  # noqa: S603 - our own command
        [sys.executable, "-m", "service", "bulk", str(folder / "pictures"), "--to", str(folder / answers), *questions],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "FOVEA_PROVIDER": "cpu", "RAY_ADDRESS": "local", "RAY_AUTH_MODE": "disabled"},
        text=True,
    )


def test_on_ray_too_a_killed_job_goes_on_to_the_rows_of_one_process(tmp_path: Path) -> None:
    put(tmp_path / "models", "grey", named(tiny_models.classifier(layout="NHWC", dtype=tiny_models.UINT8, channels=1)))
    (tmp_path / "pictures").mkdir()
    for number in range(PART * PARTS - 1):
        (tmp_path / "pictures" / f"{number:03}.png").write_bytes(png(pixels(number)))
    last = tmp_path / "pictures" / "999.png"
    os.mkfifo(last)  # whoever reads it waits for ever, so the job is in the middle when the signal comes
    with command(tmp_path, "answers", "--ray") as begun:
        assert begun.stderr is not None
        said = list(iter_until(begun.stderr, f"{PART * (PARTS - 1)} of {PART * PARTS} images"))
        begun.send_signal(signal.SIGKILL)
    assert len(list((tmp_path / "answers").glob("part-*"))) == PARTS - 1, said
    last.unlink()
    last.write_bytes(png(pixels(999)))
    for answers, options in {"answers": ["--ray"], "by one process": []}.items():
        with command(tmp_path, answers, *options) as whole:
            _, complaint = whole.communicate()
        assert whole.returncode == 0, complaint
    assert rows(tmp_path / "answers") == rows(tmp_path / "by one process")
    assert len(rows(tmp_path / "answers")) == PART * PARTS


def iter_until(lines: Iterable[str], start: str) -> Iterator[str]:
    """The lines up to the first that begins so, that one too."""
    for line in lines:
        yield line
        if line.startswith(start):
            return
