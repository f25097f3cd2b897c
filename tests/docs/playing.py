"""One page played from its first command to its last, and each answer held to what the page says."""

from pathlib import Path

import numpy as np
from PIL import Image

from tests.docs.answers import fits
from tests.docs.markdown import Command, commands
from tests.docs.workbench import ROOT, Workbench

DOCS = ROOT / "docs"


def play(name: str, workbench: Workbench) -> None:
    for command in commands(DOCS / name):
        if command.reason_not_run is None:
            code, printed = workbench.run(command)
            where = f"{name}, line {command.line}"
            assert_answered(command, code, printed, where)
            for picture in command.pictures:
                assert_same_picture(workbench.folder / picture, DOCS / "pictures" / picture, where)


def assert_answered(command: Command, code: int, printed: str, where: str) -> None:
    assert (code != 0) == command.is_refused, f"{where}: exit code {code}\n{printed}"
    if command.answer is not None:
        expected = command.answer.text
        same = fits(expected, printed, json=command.answer.language == "json")
        assert same, f"{where}: the page says\n{expected}\nand the command gave\n{printed}"


def assert_same_picture(written: Path, shown: Path, where: str) -> None:
    """To within a quarter of a level of 255 on average: another processor rounds some values to the next colour."""
    found, expected = (np.asarray(Image.open(path).convert("RGB"), np.float64) for path in (written, shown))
    assert found.shape == expected.shape, f"{where}: {shown.name} is {expected.shape}, not {found.shape}"
    assert np.abs(found - expected).mean() < 0.25, f"{where}: {shown.name} shows something else"
